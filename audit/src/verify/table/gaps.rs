//! Numbers that are missing, and what marks say about them.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use super::{Copied, Mark, pass};
use crate::seal::Head;
use crate::verify::fault::{Fault, FaultKind};

/// The maximum number of gaps that are remembered; a journal with more was deleted wholesale.
const MOST: usize = 10_000;
/// The maximum time between a record and its checkpoint: a second or two; until the next start, if the gate died in
/// between.
const LATER: Duration = Duration::days(2);

/// What marks say about a journal before they are verified: where the chain continues behind a gap.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) heads: BTreeMap<u64, Head>,
    /// Whether delivery began later than the journal.
    pub(super) begun: bool,
    /// The number up to which retention has removed records.
    pub(super) removed_to: u64,
}

impl Hints {
    /// The hints for the journal `instance`, from the marks of all journals.
    pub(super) fn of(instance: &str, marks: &BTreeMap<String, Vec<(u64, Mark)>>) -> Self {
        let mut hints = Self::default();
        for (from, (_, mark)) in
            marks.iter().flat_map(|(from, all)| all.iter().map(move |it| (from, it)))
        {
            match mark {
                Mark::Refused { seq, chain: Some(chain) } if from == instance => {
                    hints.heads.insert(*seq, *chain);
                }
                Mark::Begun { .. } if from == instance => hints.begun = true,
                Mark::Retained { instance: of, last, head, .. } if of == instance => {
                    hints.heads.extend(head.map(|head| (*last, head)));
                    hints.removed_to = hints.removed_to.max(*last);
                }
                _ => {}
            }
        }
        hints
    }
}

/// A range of missing numbers.
#[derive(Debug, Clone, Copy)]
struct Gap {
    from: u64,
    to: u64,
    /// The time of the first checkpoint behind its last record.
    signed: Option<OffsetDateTime>,
    /// Whether there is a checkpoint before that one.
    vouched_before: bool,
}

/// All gaps of a journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    /// Adds the missing records from `from` to `to`.
    pub(super) fn add(&mut self, from: u64, to: u64) {
        let full = self.0.len() >= MOST;
        match self.0.last_mut() {
            Some(last) if full || last.to.saturating_add(1) == from => {
                (last.to, last.signed) = (to, None);
            }
            _ => self.0.push(Gap { from, to, signed: None, vouched_before: false }),
        }
    }

    /// Notes the time of a good checkpoint behind the record `seq`; `before`: it is not the first one.
    pub(super) fn signed(&mut self, seq: u64, time: OffsetDateTime, before: bool) {
        if let Some(gap) = self.0.last_mut().filter(|gap| gap.signed.is_none() && gap.to <= seq) {
            (gap.signed, gap.vouched_before) = (Some(time), before);
        }
    }
}

/// An excuse for a gap, from a verified mark.
struct Excuse {
    from: u64,
    to: u64,
    /// For retention: the time before which records were removed.
    cutoff: Option<OffsetDateTime>,
}

/// Finds an excuse for each gap. A gap without one is a fault.
pub(super) fn settle(found: &mut [Copied]) {
    let mut excuses: BTreeMap<String, Vec<Excuse>> = BTreeMap::new();
    for copied in found.iter() {
        for (seq, mark) in copied.marks.iter().filter(|(seq, _)| copied.covers(*seq)) {
            let (instance, excuse) = match mark {
                Mark::Refused { seq, .. } => {
                    (&copied.instance, Excuse { from: *seq, to: *seq, cutoff: None })
                }
                Mark::Begun { first } => {
                    let to = first.saturating_sub(1).min(*seq);
                    (&copied.instance, Excuse { from: 1, to, cutoff: None })
                }
                Mark::Retained { instance, first, last, cutoff, .. } => {
                    (instance, Excuse { from: *first, to: *last, cutoff: Some(*cutoff) })
                }
                Mark::Known(_) | Mark::Told(_) => continue,
            };
            excuses.entry(instance.clone()).or_default().push(excuse);
        }
    }
    for copied in found {
        let mut excuses = excuses.remove(&copied.instance).unwrap_or_default();
        excuses.sort_by_key(|it| it.from);
        for gap in std::mem::take(&mut copied.gaps).0 {
            close(copied, gap, &excuses);
        }
    }
}

fn close(copied: &mut Copied, gap: Gap, excuses: &[Excuse]) {
    let place = pass::place(&copied.instance);
    let mut next = gap.from;
    let (mut refused, mut removed, mut begun) = (0_u64, 0_u64, 0_u64);
    let missing =
        |from: u64, to: u64| Fault::new(Some(from), &place, None, FaultKind::RowsMissing { to });
    for excuse in excuses.iter().filter(|it| it.to >= gap.from && it.from <= gap.to) {
        if excuse.to < next {
            continue;
        }
        if excuse.from > next {
            copied.faults.push(missing(next, excuse.from.saturating_sub(1)));
        }
        let from = excuse.from.max(next);
        let to = excuse.to.min(gap.to);
        let count = to.saturating_sub(from).saturating_add(1);
        match excuse.cutoff {
            Some(cutoff) => {
                let young = gap.vouched_before
                    && gap.signed.is_some_and(|signed| signed > cutoff.saturating_add(LATER));
                if young {
                    let kind = FaultKind::RemovedYoung { to };
                    copied.faults.push(Fault::new(Some(from), &place, None, kind));
                }
                removed = removed.saturating_add(count);
            }
            None if excuse.from == excuse.to => refused = refused.saturating_add(count),
            None => begun = begun.saturating_add(count),
        }
        next = to.saturating_add(1);
    }
    if next <= gap.to {
        copied.faults.push(missing(next, gap.to));
    }
    let (from, to) = (gap.from, gap.to);
    for (count, what) in [
        (removed, "were removed by `cedargate audit retain`, as a signed mark says"),
        (refused, "were refused by the database, as a signed mark says; the journal has them"),
        (
            begun,
            "had gone from the journal before delivery to this database began, as a signed mark says",
        ),
    ] {
        if count > 0 {
            copied.notes.push(format!("{count} of the records {from} to {to} {what}"));
        }
    }
}
