//! Runs of record numbers in the order in which they were found, and what their order says.
//!
//! If a record is not the one that is due, its own number and chain are accepted, and a new run begins. What was done
//! shows when all runs are known: two records that were swapped break the order three or four times, and are one
//! fault.

use super::checkpoints::Heads;
use super::fault::{Fault, FaultKind};

/// The maximum number of runs that are remembered; a segment with more is a heap of lines.
const MOST: usize = 10_000;

/// Records whose numbers follow one another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) from: u64,
    pub(super) to: u64,
    /// The line of the first record.
    pub(super) line: u64,
    /// The hashes after the last record.
    pub(super) heads: Heads,
}

/// All runs of a segment.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// Whether there are more runs than are remembered.
    more: bool,
}

impl Runs {
    pub(super) fn begin(&mut self, seq: u64, line: u64, heads: Heads) {
        if self.runs.len() < MOST {
            self.runs.push(Run { from: seq, to: seq, line, heads });
        } else {
            self.more = true;
        }
    }

    pub(super) fn go_on(&mut self, seq: u64, heads: Heads) {
        if let Some(run) = self.runs.last_mut().filter(|_| !self.more) {
            run.to = seq;
            run.heads = heads;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run with the highest number.
    pub(super) fn end(&self) -> Option<Run> {
        self.runs.iter().copied().max_by_key(|run| run.to)
    }

    /// The faults that the order of the runs shows, in a segment that begins with the record `first`.
    pub(super) fn faults(&self, stem: &str, first: u64) -> Vec<Fault> {
        let mut faults = Vec::new();
        let (mut rest, mut due) = (self.runs.as_slice(), first);
        while let Some((run, others)) = rest.split_first() {
            if faults.len() >= super::KEPT {
                break;
            }
            let lowest = others.iter().map(|run| run.from).min();
            if run.from >= due && lowest.is_none_or(|lowest| lowest > run.to) {
                if run.from > due {
                    let kind = FaultKind::Missing { to: run.from.saturating_sub(1) };
                    faults.push(Fault::new(Some(due), stem, Some(run.line), kind));
                }
                (rest, due) = (others, run.to.saturating_add(1));
                continue;
            }
            let length = cluster(rest);
            let (together, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            due = untangle(together, due, stem, &mut faults);
            rest = behind;
        }
        if self.more {
            let kind = FaultKind::Disordered { to: due };
            faults.push(Fault::new(Some(due), stem, None, kind));
        }
        faults
    }
}

/// How many of the runs belong together: all later runs have higher numbers.
fn cluster(runs: &[Run]) -> usize {
    let mut lowest_behind = vec![u64::MAX; runs.len()];
    let mut lowest = u64::MAX;
    for (slot, run) in lowest_behind.iter_mut().zip(runs).rev() {
        *slot = lowest;
        lowest = lowest.min(run.from);
    }
    let mut highest = 0;
    for (index, (run, behind)) in runs.iter().zip(lowest_behind).enumerate() {
        highest = highest.max(run.to);
        if behind > highest {
            return index.saturating_add(1);
        }
    }
    runs.len()
}

/// Reports what is missing and what is twice; if nothing is twice, also what is out of order. Returns the number that
/// is due behind the runs.
fn untangle(runs: &[Run], due: u64, stem: &str, faults: &mut Vec<Fault>) -> u64 {
    // The first run in the file is the one that continues from what is before.
    let start = runs.first().map_or(0, |run| run.line);
    let mut sorted = runs.to_vec();
    sorted.sort_by_key(|run| (run.from, run.line));
    let (mut next, mut doubled, mut line) = (due, false, 0);
    for run in &sorted {
        line = line.max(run.line);
        if run.from > next {
            let kind = FaultKind::Missing { to: run.from.saturating_sub(1) };
            faults.push(Fault::new(Some(next), stem, Some(run.line), kind));
        } else if run.from < next {
            doubled = true;
            let to = run.to.min(next.saturating_sub(1));
            let kind = FaultKind::Doubled { to };
            faults.push(Fault::new(Some(run.from), stem, Some(run.line), kind));
        }
        next = next.max(run.to.saturating_add(1));
    }
    let in_order = runs.is_sorted_by_key(|run| run.from);
    if !doubled && !in_order {
        let from = sorted.first().map_or(due, |run| run.from);
        let kind = FaultKind::Disordered { to: next.saturating_sub(1) };
        faults.push(Fault::new(Some(from), stem, Some(start), kind));
    }
    next
}
