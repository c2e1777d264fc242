//! Anonymous requests: in each second, a limited number is recorded, in a limited number of bytes, and the others are
//! counted.
//!
//! A client without a token can ask as often as it likes, on public routes too. The limits keep such a client from
//! filling the disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::entry::{Phase, Record, UNMAPPED, Word};

const SECOND: Duration = Duration::from_secs(1);

/// The limits of the records of anonymous requests in a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// The number of requests that are recorded one by one.
    pub(super) requests: u32,
    /// The number of bytes of their records together.
    pub(super) bytes: u64,
}

/// The anonymous requests of this second.
#[derive(Debug)]
pub(super) struct Strangers {
    allowance: Allowance,
    /// The start of the second. Seconds are measured, not read from the wall clock, which may be set back.
    since: Instant,
    /// What is left of the allowance.
    left: Allowance,
    counted: Option<Counted>,
    /// When the first of the counted requests was. This is not `since`, which a request of the next second resets,
    /// perhaps before the summary was taken.
    counted_since: Instant,
}

/// The requests that were only counted. Nothing in it is text of a client: actions and reasons are words of the
/// policies and of this program, so it stays small. Counts are in memory until their second is over: making each of
/// them durable would be the write that the limit saves.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    /// Refusals by reason.
    reasons: BTreeMap<Word, u64>,
    /// Requests that were forwarded, by action.
    forwarded: BTreeMap<Arc<str>, u64>,
    /// How forwarded requests ended, by action and status.
    ended: BTreeMap<Arc<str>, BTreeMap<Word, u64>>,
    from: OffsetDateTime,
    to: OffsetDateTime,
}

impl Strangers {
    pub(super) fn new(allowance: Allowance) -> Self {
        let now = Instant::now();
        Self { allowance, since: now, left: allowance, counted: None, counted_since: now }
    }

    /// Whether a request may be written whose records take `bytes`, which is called only if needed. The last request
    /// that fits may exceed the limit; after it nothing is written in this second.
    pub(super) fn admits(&mut self, bytes: impl FnOnce() -> usize) -> bool {
        if self.since.elapsed() >= SECOND {
            self.since = Instant::now();
            self.left = self.allowance;
        }
        if self.left.requests == 0 || self.left.bytes == 0 {
            return false;
        }
        self.left.requests = self.left.requests.saturating_sub(1);
        self.left.bytes = self.left.bytes.saturating_sub(bytes() as u64);
        true
    }

    /// Counts a request that is not written: a refusal by its reason, an intent by its action, and an outcome by
    /// action and status.
    pub(super) fn count(&mut self, record: &Record) {
        let mut one = Counted::none(record.timestamp);
        let action = || record.action.clone().unwrap_or_else(|| Arc::from(UNMAPPED));
        match record.phase {
            Phase::Denial => drop(one.reasons.insert(record.reason.clone(), 1)),
            Phase::Intent => drop(one.forwarded.insert(action(), 1)),
            Phase::Outcome => {
                let status = record.status.map_or("none".into(), |it| it.to_string().into());
                one.ended.insert(action(), BTreeMap::from([(status, 1)]));
            }
        }
        self.give_back(one);
    }

    /// Takes what was counted, a second after the first of it or, with `early`, at once, however many requests keep
    /// coming.
    pub(super) fn take(&mut self, early: bool) -> Option<Counted> {
        if early || self.counted_since.elapsed() >= SECOND { self.counted.take() } else { None }
    }

    /// Adds back what could not be written.
    pub(super) fn give_back(&mut self, counted: Counted) {
        let Some(mine) = &mut self.counted else {
            (self.counted, self.counted_since) = (Some(counted), Instant::now());
            return;
        };
        add(&mut mine.reasons, counted.reasons);
        add(&mut mine.forwarded, counted.forwarded);
        for (action, statuses) in counted.ended {
            add(mine.ended.entry(action).or_default(), statuses);
        }
        mine.from = mine.from.min(counted.from);
        mine.to = mine.to.max(counted.to);
    }
}

fn add<K: Ord>(sums: &mut BTreeMap<K, u64>, more: BTreeMap<K, u64>) {
    for (key, count) in more {
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(count);
    }
}

impl Counted {
    fn none(at: OffsetDateTime) -> Self {
        let (reasons, forwarded, ended) = Default::default();
        Self { reasons, forwarded, ended, from: at, to: at }
    }

    /// The one record that stands for all counted requests.
    pub(super) fn summary(&self) -> Record {
        let spelled = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        let mut record = Record::new(Uuid::now_v7(), Phase::Denial, self.to);
        record.reason = "summary".into();
        let summary = json!({
            "counts": self.reasons,
            "forwarded": self.forwarded,
            "ended": self.ended,
            "from": spelled(self.from),
            "to": spelled(self.to),
        });
        record.details.insert("summary".into(), summary);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The summary of a second is due when the second is over, also while anonymous requests come without a pause.
    #[test]
    fn a_summary_is_due_each_second_however_many_ask() {
        let mut strangers = Strangers::new(Allowance { requests: 1, bytes: u64::MAX });
        let begun = Instant::now();
        let refusal = Record::new(Uuid::nil(), Phase::Denial, OffsetDateTime::UNIX_EPOCH);
        loop {
            // Many requests come between two looks, as they do under load.
            for _ in 0..2_000 {
                if !strangers.admits(|| 1) {
                    strangers.count(&refusal);
                }
            }
            if strangers.take(false).is_some() {
                break;
            }
            assert!(begun.elapsed() < SECOND * 60, "no summary");
        }
    }
}
