//! What requests and the journal's thread have in common.

use std::cell::Cell;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::strangers::Strangers;
use super::writer::Writer;
use super::{Counts, Durability, Unrecordable};
use crate::record::entry::Record;

/// The writer and the count of strangers, each behind its lock.
#[derive(Debug)]
pub(super) struct Shared {
    durability: Durability,
    writer: Mutex<Writer>,
    strangers: Mutex<Strangers>,
    failed: AtomicU64,
    summarized: AtomicU64,
}

impl Shared {
    pub(super) fn new(writer: Writer, durability: Durability, strangers: u32) -> Arc<Self> {
        Arc::new(Self {
            durability,
            writer: Mutex::new(writer),
            strangers: Mutex::new(Strangers::new(strangers)),
            failed: AtomicU64::new(0),
            summarized: AtomicU64::new(0),
        })
    }

    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// What became of the records so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            written: self.writer().written(),
            failed: self.failed.load(Ordering::Relaxed),
            summarized: self.summarized.load(Ordering::Relaxed),
        }
    }

    /// Writes a record and says to which file.
    pub(super) fn append(&self, record: &impl Serialize) -> Result<Arc<File>, Unrecordable> {
        self.write(record).inspect_err(|_| self.count_failure())
    }

    fn write(&self, record: &impl Serialize) -> Result<Arc<File>, Unrecordable> {
        spelled(record, |line| Ok(self.writer().append(line)?))
    }

    /// Takes an outcome, for the next write.
    pub(super) fn append_outcome(&self, record: &impl Serialize) {
        let kept = spelled(record, |line| Ok(self.writer().append_or_keep(line)?));
        if let Err(error) = kept {
            self.count_failure();
            tracing::error!(error = &error as &dyn std::error::Error, "an outcome is lost");
        }
    }

    /// Whether this record of nobody is counted and not written.
    pub(super) fn counts_stranger(&self, record: &Record) -> bool {
        let counted = self.strangers().counts(&record.reason, record.timestamp);
        if counted {
            self.summarized.fetch_add(1, Ordering::Relaxed);
        }
        counted
    }

    /// Writes the summary of a second that is over; with `early`, of one that is not.
    pub(super) fn write_summary(&self, early: bool) -> Result<(), Unrecordable> {
        let Some(counted) = self.strangers().take(early) else { return Ok(()) };
        self.write(&counted.summary())
            .map(drop)
            .inspect_err(|_| self.strangers().give_back(counted))
    }

    /// A journal that promises nothing refuses nothing.
    pub(super) fn forgive(&self, result: Result<(), Unrecordable>) -> Result<(), Unrecordable> {
        if self.durability == Durability::None { Ok(()) } else { result }
    }

    pub(super) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    // Both locks guard values that are whole between any two statements that can panic.
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spells a record as a line in a buffer that this thread uses again and again.
pub(super) fn spelled<T>(
    record: &impl Serialize,
    write: impl FnOnce(&[u8]) -> Result<T, Unrecordable>,
) -> Result<T, Unrecordable> {
    thread_local! {
        static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // At the end of a thread the buffer may be gone while a guard still has an outcome to write.
    let mut line = LINE.try_with(Cell::take).unwrap_or_default();
    line.clear();
    serde_json::to_writer(&mut line, record)
        .map_err(|error| Unrecordable::Unspeakable(Arc::new(error)))?;
    line.push(b'\n');
    let written = write(&line);
    let _ = LINE.try_with(|buffer| buffer.set(line));
    written
}
