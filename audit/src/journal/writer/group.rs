//! Records that are written together: who has one to write lets others in who are ready, too.
//!
//! A write costs more than what it writes. So a record waits while its request makes way for those
//! that are ready at this moment, and whoever is first to come back writes for all.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::Writer;
use crate::Phase;

/// Records that requests wait for, one after the other. It ends when some are refused: all those
/// of it that are not written at that moment.
#[derive(Debug, Default)]
struct Run {
    /// So many of it are in the file.
    written: AtomicU64,
    refused: OnceLock<Arc<io::Error>>,
}

/// The run that goes on, to which all records belong that wait and are waited for.
#[derive(Debug, Default)]
pub(super) struct Group {
    run: Arc<Run>,
    taken: u64,
}

/// What becomes of a record that somebody waits for.
#[derive(Debug)]
pub(in crate::journal) struct Fate {
    run: Arc<Run>,
    /// It is the so-many-th of the run.
    number: u64,
}

impl Fate {
    /// What became of it; nothing yet, as long as it is neither written nor refused.
    pub(in crate::journal) fn known(&self) -> Option<Result<(), Arc<io::Error>>> {
        // INVARIANT: nothing of a run is written after it was refused. So who sees that it was sees
        // all that was written of it, in this order and no other.
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

    /// So many more of those that were taken are in the file, the oldest.
    pub(super) fn written(&self, count: u64) {
        if count > 0 {
            self.run.written.fetch_add(count, Ordering::Release);
        }
    }

    /// The others never will be.
    fn refuse(&mut self, error: Arc<io::Error>) {
        let _ = self.run.refused.set(error);
        *self = Self::default();
    }
}

impl Writer {
    /// Takes a record that somebody waits for, who has to [`Self::settle_fate`] soon.
    pub(in crate::journal) fn take(&mut self, line: &[u8], phase: Phase) -> io::Result<Fate> {
        self.room().or_else(|full| self.noted(Err(full)))?;
        self.count_open(phase);
        self.waiting.push(line, phase, true);
        Ok(self.group.take())
    }

    /// Writes what waits, if this record is among it.
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

    /// Gives up the records that somebody waits for: their requests are refused. Outcomes go on
    /// waiting, for what they tell of has happened.
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
