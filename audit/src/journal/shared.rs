//! The state that requests and the journal's threads share.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::DiskFile;
use super::notes::Outage;
use super::place::bytes_in;
use super::strangers::{Allowance, Strangers};
use super::writer::{Fate, Writer};
use super::{Counts, Durability, Unrecordable};
use crate::entry::{Phase, Record};
use crate::spelling::spell;
use base::chain;

/// The size of the seal of a line.
const SEAL: usize = 200;

/// The writer and the anonymous requests, each behind its lock.
#[derive(Debug)]
pub(super) struct Shared {
    durability: Durability,
    writer: Mutex<Writer>,
    strangers: Mutex<Strangers>,
    /// Whether the last summary could not be written: until one can, no anonymous request is merely counted.
    unsummarized: AtomicBool,
    failed: AtomicU64,
    summarized: AtomicU64,
    /// A period in which records could not be written, and that is not in the journal yet.
    outage: Mutex<Option<Outage>>,
    /// The size of the directory, by the writer's count.
    bytes: Arc<AtomicU64>,
    /// The number of the last record that is known to be on the disk.
    synced: Arc<AtomicU64>,
    syncs: AtomicU64,
}

impl Shared {
    pub(super) fn new(writer: Writer, durability: Durability, strangers: Allowance) -> Arc<Self> {
        Arc::new(Self {
            durability,
            bytes: Arc::clone(writer.bytes()),
            // The start has synced everything to the disk.
            synced: Arc::new(writer.at().seq.into()),
            writer: Mutex::new(writer),
            strangers: Mutex::new(Strangers::new(strangers)),
            unsummarized: AtomicBool::new(false),
            failed: AtomicU64::new(0),
            summarized: AtomicU64::new(0),
            outage: Mutex::default(),
            syncs: AtomicU64::new(0),
        })
    }

    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// The numbers of records so far.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            written: self.writer().written(),
            failed: self.failed.load(Ordering::Relaxed),
            summarized: self.summarized.load(Ordering::Relaxed),
        }
    }

    /// The number of the last record that is known to be on the disk.
    pub(super) fn synced(&self) -> &Arc<AtomicU64> {
        &self.synced
    }

    /// How often files were synced, whether or not a caller waited.
    pub(super) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub(super) fn count_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    /// The total size of the files of the journal.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Measures the directory again, because files have come or gone. No request waits meanwhile; what is written at
    /// this moment may be missing until the next time.
    pub(super) fn recount(&self, directory: &Path) -> io::Result<()> {
        self.bytes.store(bytes_in(directory)?, Ordering::Relaxed);
        Ok(())
    }

    /// Writes a record. Returns its file; `None` with the durability `none`, where records are written together.
    pub(super) fn append(&self, record: &Record) -> Result<Option<Arc<DiskFile>>, Unrecordable> {
        self.write(record).inspect_err(|_| self.count_failure())
    }

    fn write(&self, record: &Record) -> Result<Option<Arc<DiskFile>>, Unrecordable> {
        let phase = record.phase;
        if self.durability == Durability::None {
            return spelled(record, |line| Ok(self.writer().append_or_keep(line, phase)?))
                .map(|()| None);
        }
        spelled(record, |line| Ok(self.writer().append(line, phase)?)).map(Some)
    }

    /// Writes a record together with those of other requests that are ready.
    pub(super) async fn append_with_others(&self, record: &Record) -> Result<(), Unrecordable> {
        let phase = record.phase;
        let written = async {
            let fate: Fate = spelled(record, |line| Ok(self.writer().take(line, phase)?))?;
            tokio::task::yield_now().await;
            fate.known()
                .unwrap_or_else(|| self.writer().settle_fate(&fate))
                .map_err(Unrecordable::Unwritable)
        };
        written.await.inspect_err(|_| self.count_failure())
    }

    /// Takes an outcome, for the next write.
    pub(super) fn append_outcome(&self, record: &Record) {
        let phase = record.phase;
        let kept = spelled(record, |line| Ok(self.writer().append_or_keep(line, phase)?));
        if let Err(error) = kept {
            self.count_failure();
            tracing::error!(error = %chain(&error), "an outcome is lost");
        }
    }

    /// Whether this anonymous record is counted instead of written. Counts it in that case.
    pub(super) fn counts_stranger(&self, record: &Record) -> bool {
        if self.unsummarized.load(Ordering::Relaxed) {
            return false;
        }
        let mut strangers = self.strangers();
        if strangers.admits(|| bytes_of(record)) {
            return false;
        }
        strangers.count(record);
        self.summarized.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Counts the outcome of a request whose intent was counted.
    pub(super) fn count_outcome(&self, record: &Record) {
        self.strangers().count(record);
    }

    /// Writes the summary of a second that is over; with `early`, of a second that is not over, too.
    pub(super) fn write_summary(&self, early: bool) -> Result<(), Unrecordable> {
        let Some(counted) = self.strangers().take(early) else { return Ok(()) };
        let written = self.write(&counted.summary()).map(drop);
        self.unsummarized.store(written.is_err(), Ordering::Relaxed);
        written.inspect_err(|_| self.strangers().give_back(counted))
    }

    /// Ignores a failure with the durability `none`: a journal that promises nothing refuses nothing.
    pub(super) fn forgive(&self, result: Result<(), Unrecordable>) -> Result<(), Unrecordable> {
        if self.durability == Durability::None { Ok(()) } else { result }
    }

    pub(super) fn count_failure(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.note_failure();
    }

    pub(super) fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Both locks guard values that are whole between any two statements that can panic.
    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of bytes that a request takes in the journal, of which `record` is the first: an outcome follows an
/// intent.
fn bytes_of(record: &Record) -> usize {
    let line = spelled(record, |line| Ok(line.len())).unwrap_or_default() + SEAL;
    if record.phase == Phase::Intent { 2 * line } else { line }
}

/// Spells a record as a line, without its seal, in a buffer that this thread reuses.
pub(super) fn spelled<T>(
    record: &Record,
    write: impl FnOnce(&[u8]) -> Result<T, Unrecordable>,
) -> Result<T, Unrecordable> {
    thread_local! {
        static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // At the end of a thread the buffer may be gone while a guard still has an outcome to write.
    let mut line = LINE.try_with(Cell::take).unwrap_or_default();
    line.clear();
    spell(record, &mut line).map_err(|error| Unrecordable::Unspeakable(Arc::new(error)))?;
    let written = write(&line);
    let _ = LINE.try_with(|buffer| buffer.set(line));
    written
}
