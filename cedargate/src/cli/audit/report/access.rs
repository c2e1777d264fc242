//! Accesses: the decision about a request, joined with its outcome.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use audit::{Phase, Record};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::super::super::Failure;
use super::super::filter::Filter;
use super::super::source::Source;

/// The maximum duration of a request: records are read this far beyond the period, so that both records of a request
/// are seen. The outcome of a request whose gate died is written later, and carries no result.
const LONGEST: Duration = Duration::DAY;

/// A request: its decision and, if known, its outcome.
#[derive(Debug)]
pub(super) struct Access {
    /// The intent or the denial; the outcome if the journal no longer has the intent.
    pub(super) decided: Record,
    /// The outcome record, if there is one.
    pub(super) outcome: Option<Record>,
    /// Whether the justification alone let the request in; `false` if that is unknown.
    pub(super) by_justification: bool,
    /// The time at which the access counts: its own, or the latest time before the clock was set back.
    counts_at: OffsetDateTime,
}

/// How an access ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    /// The request was let through and succeeded.
    Succeeded,
    /// The request was let through and failed.
    Failed,
    /// The result is unknown: the gate or the connection died, or the request is not over.
    Unknown,
    /// The gate refused the request.
    Refused,
}

impl Ending {
    /// The word for this ending in reports.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Refused => "refused",
        }
    }
}

impl Access {
    fn of(decided: Record, counts_at: OffsetDateTime) -> Self {
        Self { decided, outcome: None, by_justification: false, counts_at }
    }

    /// The record that tells how the access ended.
    fn last(&self) -> &Record {
        self.outcome.as_ref().unwrap_or(&self.decided)
    }

    /// How the access ended.
    pub(super) fn ending(&self) -> Ending {
        match (self.decided.phase, self.last().success) {
            (Phase::Denial, _) => Ending::Refused,
            (Phase::Intent, _) if self.outcome.is_none() => Ending::Unknown,
            (_, Some(true)) => Ending::Succeeded,
            (_, Some(false)) => Ending::Failed,
            (_, None) => Ending::Unknown,
        }
    }

    /// The status that was sent to the client.
    pub(super) fn status(&self) -> Option<u16> {
        self.last().status
    }

    /// The user who made the request. For a sign-in, only the outcome names the user.
    pub(super) fn user(&self) -> Option<&str> {
        self.decided.user_id.as_deref().or(self.last().user_id.as_deref())
    }
}

/// Joins intents and outcomes, record by record.
#[derive(Debug, Default)]
struct Join {
    all: Vec<Access>,
    open: HashMap<Uuid, usize>,
}

impl Join {
    fn put(&mut self, record: Record, counts_at: OffsetDateTime) {
        let open = self.open.get(&record.id).copied();
        if record.phase == Phase::Outcome
            && let Some(access) = open.and_then(|at| self.all.get_mut(at))
            && access.outcome.is_none()
        {
            access.outcome = Some(record);
            return;
        }
        if record.phase == Phase::Intent {
            self.open.insert(record.id, self.all.len());
        }
        self.all.push(Access::of(record, counts_at));
    }
}

/// The accesses that match `filter`, oldest first, and the number of lines that are not records. An access counts at
/// the time of its decision. All accesses are kept in memory.
///
/// # Errors
///
/// Fails if the source cannot be read.
pub(super) fn gather(source: &Source, filter: &Filter) -> Result<(Vec<Access>, u64), Failure> {
    let wide = Filter {
        since: filter.since.map(|since| since.saturating_sub(LONGEST)),
        until: filter.until.map(|until| until.saturating_add(LONGEST)),
        ..filter.clone()
    };
    let mut join = Join::default();
    let strange = source.each(&wide, |found| {
        let counts_at = found.counts_at();
        join.put(found.record, counts_at);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut all = join.all;
    all.retain(|access| {
        let at = access.decided.timestamp;
        filter.since.is_none_or(|since| access.counts_at >= since)
            && filter.until.is_none_or(|until| at < until)
    });
    all.sort_by_key(|access| (access.decided.timestamp, access.decided.id));
    Ok((all, strange))
}

/// Numbers of accesses, and the times of the first and the last.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) accesses: u64,
    pub(super) by_ending: BTreeMap<Ending, u64>,
    pub(super) first: OffsetDateTime,
    pub(super) last: OffsetDateTime,
}

impl Tally {
    /// An empty tally that begins at `at`.
    pub(super) fn at(at: OffsetDateTime) -> Self {
        Self { accesses: 0, by_ending: BTreeMap::new(), first: at, last: at }
    }

    /// Counts an access at `at`.
    pub(super) fn count(&mut self, at: OffsetDateTime) {
        self.accesses = self.accesses.saturating_add(1);
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }

    /// The number of accesses that ended this way.
    pub(super) fn ended(&self, ending: Ending) -> u64 {
        self.by_ending.get(&ending).copied().unwrap_or_default()
    }
}

/// The tally of each user.
pub(super) fn by_user(accesses: &[Access]) -> BTreeMap<String, Tally> {
    let mut all = BTreeMap::new();
    for access in accesses {
        let at = access.decided.timestamp;
        let user = access.user().unwrap_or_default().to_owned();
        let tally = all.entry(user).or_insert_with(|| Tally::at(at));
        tally.count(at);
        let ended = tally.by_ending.entry(access.ending()).or_default();
        *ended = ended.saturating_add(1);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Ending::{Failed, Refused, Succeeded, Unknown};
    use super::*;
    use time::macros::datetime;

    fn record(id: u128, phase: Phase, success: Option<bool>) -> Record {
        let at = datetime!(2025-01-02 3:04:05 UTC);
        let mut record = Record::new(Uuid::from_u128(id), phase, at);
        record.success = success;
        record.user_id = Some("ann".into());
        record
    }

    #[test]
    fn an_intent_and_its_outcome_are_one_access() {
        let mut join = Join::default();
        for record in [
            record(1, Phase::Intent, None),
            record(2, Phase::Intent, None),
            record(3, Phase::Denial, Some(false)),
            record(2, Phase::Outcome, Some(false)),
            record(1, Phase::Outcome, Some(true)),
            // An outcome without its intent; then requests whose result is unknown.
            record(4, Phase::Outcome, Some(true)),
            record(5, Phase::Intent, None),
            record(6, Phase::Intent, None),
            record(6, Phase::Outcome, None),
        ] {
            let at = record.timestamp;
            join.put(record, at);
        }
        let seen: Vec<_> =
            join.all.iter().map(|it| (it.decided.id.as_u128(), it.ending())).collect();
        let expected =
            [(1, Succeeded), (2, Failed), (3, Refused), (4, Succeeded), (5, Unknown), (6, Unknown)];
        assert_eq!(seen, expected);
        let tally = &by_user(&join.all)["ann"];
        assert_eq!((tally.accesses, tally.ended(Unknown), tally.ended(Succeeded)), (6, 2, 2));
    }

    #[test]
    fn an_outcome_that_is_there_twice_hides_nothing() {
        let mut join = Join::default();
        for (phase, success) in
            [(Phase::Intent, None), (Phase::Outcome, Some(true)), (Phase::Outcome, Some(false))]
        {
            let record = record(1, phase, success);
            let at = record.timestamp;
            join.put(record, at);
        }
        assert_eq!(join.all.len(), 2);
    }
}
