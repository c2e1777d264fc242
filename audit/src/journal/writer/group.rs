//! Records that are written together: a request with a record lets other requests add theirs first.
//!
//! A write costs more than what it writes. So a record waits while its request yields to those that are ready at this
//! moment, and the first request that comes back writes for all.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::Writer;
use crate::Phase;

/// Consecutive records that requests wait for. A run ends when records are refused: all records of the run that are
/// not written at that moment.
#[derive(Debug, Default)]
struct Run {
    /// The number of its records that are in the file.
    written: AtomicU64,
    refused: OnceLock<Arc<io::Error>>,
}

/// The current run, to which all waiting records belong that requests wait for.
#[derive(Debug, Default)]
pub(super) struct Group {
    run: Arc<Run>,
    taken: u64,
}

/// The result, to come, of a record that a request waits for.
#[derive(Debug)]
pub(in crate::journal) struct Fate {
    run: Arc<Run>,
    /// The position of the record in the run, from 1.
    number: u64,
}

impl Fate {
    /// The result; `None` while the record is neither written nor refused.
    pub(in crate::journal) fn known(&self) -> Option<Result<(), Arc<io::Error>>> {
        // INVARIANT: nothing of a run is written after the run was refused. So a thread that sees the refusal sees
        // all that was written of the run, if it reads in this order and no other.
        let refused = self.run.refused.get();
        if self.run.written.load(Ordering::Acquire) >= self.number {
            return Some(Ok(()));
        }
        refused.map(|error| Err(Arc::clone(error)))
    }
}

impl Group {
    fn take(&mut self) -> Fate {
        self.taken = self.taken.saturating_add(1);
        Fate { run: Arc::clone(&self.run), number: self.taken }
    }

    /// Notes that `count` more of the records, the oldest, are in the file.
    pub(super) fn written(&self, count: u64) {
        if count > 0 {
            self.run.written.fetch_add(count, Ordering::Release);
        }
    }

    /// Notes that the other records will never be written.
    fn refuse(&mut self, error: Arc<io::Error>) {
        let _ = self.run.refused.set(error);
        *self = Self::default();
    }
}

impl Writer {
    /// Takes a record that a request waits for, which has to [`Self::settle_fate`] soon.
    pub(in crate::journal) fn take(&mut self, line: &[u8], phase: Phase) -> io::Result<Fate> {
        self.room().or_else(|full| self.noted(Err(full)))?;
        self.count_open(phase);
        self.waiting.push(line, phase, true);
        Ok(self.group.take())
    }

    /// Writes the waiting records, if this record is among them.
    pub(in crate::journal) fn settle_fate(&mut self, fate: &Fate) -> Result<(), Arc<io::Error>> {
        if fate.known().is_none() {
            let flushed = self.flush();
            if let Err(error) = self.noted(flushed) {
                self.refuse(Arc::new(error));
            }
        }
        let lost = || Err(Arc::new(io::Error::other("nobody knows whether it was written")));
        fate.known().unwrap_or_else(lost)
    }

    /// Gives up the records that requests wait for: those requests are refused. Outcomes keep waiting, because what
    /// they record has happened.
    fn refuse(&mut self, error: Arc<io::Error>) {
        self.open = self.open.saturating_sub(self.waiting.remove_awaited());
        self.group.refuse(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_before_a_refusal_stays_written() {
        let mut group = Group::default();
        let fates = [group.take(), group.take(), group.take()];
        assert!(fates.iter().all(|fate| fate.known().is_none()));
        group.written(1);
        assert!(fates[0].known().unwrap().is_ok());
        assert!(fates[1..].iter().all(|fate| fate.known().is_none()));
        group.refuse(Arc::new(io::Error::other("full")));
        assert!(fates[0].known().unwrap().is_ok());
        assert!(fates[1..].iter().all(|fate| fate.known().unwrap().is_err()));
        let next = group.take();
        assert!(next.known().is_none());
        group.written(1);
        assert!(next.known().unwrap().is_ok());
        assert!(fates[1..].iter().all(|fate| fate.known().unwrap().is_err()));
    }
}
