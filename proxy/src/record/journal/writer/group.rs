//! Records that are written together: who has one to write lets others in who are ready, too.
//!
//! A write costs more than what it writes. So a record waits while its request makes way for those
//! that are ready at this moment, and whoever is first to come back writes for all.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::Writer;
use crate::record::Phase;

/// What became of a record that somebody waits for; nothing yet, as long as it is not set.
pub(in crate::record::journal) type Fate = Arc<OnceLock<Result<(), Arc<io::Error>>>>;

/// A record that waits for the next write.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) since: Instant,
    pub(super) line: Box<[u8]>,
    pub(super) phase: Phase,
    /// Of one that a request waits for.
    pub(super) fate: Option<Fate>,
}

impl Waiting {
    /// It is in the file.
    pub(super) fn written(&self) {
        self.fate.as_ref().map(|fate| fate.set(Ok(())));
    }
}

impl Writer {
    /// Takes a record that somebody waits for, who has to [`Self::settle_fate`] soon.
    pub(in crate::record::journal) fn take(
        &mut self,
        line: &[u8],
        phase: Phase,
    ) -> io::Result<Fate> {
        self.room().or_else(|full| self.noted(Err(full)))?;
        self.count_open(phase);
        let fate = Fate::default();
        self.keep(line, phase, Some(Arc::clone(&fate)));
        Ok(fate)
    }

    /// Writes what waits, if this record is among it.
    pub(in crate::record::journal) fn settle_fate(
        &mut self,
        fate: &Fate,
    ) -> Result<(), Arc<io::Error>> {
        if fate.get().is_none() {
            let flushed = self.flush();
            if let Err(error) = self.noted(flushed) {
                self.refuse(&Arc::new(error));
            }
        }
        let lost = || Err(Arc::new(io::Error::other("nobody knows whether it was written")));
        fate.get().cloned().unwrap_or_else(lost)
    }

    /// Gives up the records that somebody waits for: their requests are refused. Outcomes go on
    /// waiting, for what they tell of has happened.
    fn refuse(&mut self, error: &Arc<io::Error>) {
        for waiting in std::mem::take(&mut self.waiting) {
            let Some(fate) = &waiting.fate else {
                self.waiting.push_back(waiting);
                continue;
            };
            let _ = fate.set(Err(Arc::clone(error)));
            self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.line.len());
            if waiting.phase == Phase::Intent {
                self.count_open(Phase::Outcome);
            }
        }
    }
}
