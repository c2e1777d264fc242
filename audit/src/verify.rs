//! Verifies a journal: that it is whole and what the gate wrote, and if not, where it begins to differ.
//!
//! Segments are checked on several threads, each on its own (`scan.rs`, `walk.rs`), in bounded memory; then they are
//! joined (`join.rs`). Whatever was done to a file, the rest of it is checked as well, and consequences of one fault
//! are not reported as further faults.
//!
//! Two things cannot be found in the directory: that all of it, with the checkpoints and `head`, was put back to an
//! earlier state; and anything done with the private key. Against the first there is the database ([`ledger`],
//! [`table`]), against the second a key that is not on that machine.

mod checkpoints;
mod fault;
mod finish;
mod join;
pub mod ledger;
mod mark;
mod runs;
mod scan;
mod snapshot;
pub mod table;
mod walk;

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use time::OffsetDateTime;

pub use fault::{Fault, FaultKind};

use super::checkpoint::SignedCheckpoint;
use super::seal::Position;
use super::segments;
use super::signing::PublicKey;

use scan::{HeadLine, Scanned};
use snapshot::Snapshot;

/// The maximum number of faults that are kept per segment. A file with more is not a journal.
const KEPT: usize = 1_000;
/// The maximum number of attempts, because files may be removed while they are checked.
const ATTEMPTS: usize = 5;
/// The number of newest segments that are always checked record by record.
const NEWEST: usize = 2;

/// How a journal is verified.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The keys that may sign. Keys that these vouch for are trusted from there on, and keys that have signed
    /// together with them, before.
    pub trusted: Vec<PublicKey>,
    /// The number of segments that are checked at the same time; at least one.
    pub threads: usize,
    /// How much is checked record by record, in bytes on disk: the newest segments, and at least the last two. Of
    /// older segments, what is signed is checked, and that they follow one another. `None`: everything is checked.
    pub full: Option<u64>,
}

/// The result of verifying a journal.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// The id of the journal.
    pub instance: Option<String>,
    /// The number of segments.
    pub segments: u64,
    /// The number of segments of which only the beginning and the checkpoints were checked.
    pub skimmed: u64,
    /// The number of records; of skimmed segments, the signed number.
    pub records: u64,
    /// The number of checkpoints.
    pub checkpoints: u64,
    /// The size of the segments on disk, in bytes.
    pub bytes: u64,
    /// The position before the first record; `None` if there is no segment.
    pub first: Option<Position>,
    /// The position of the last record.
    pub last: Option<Position>,
    /// The time of the last checkpoint.
    pub signed: Option<OffsetDateTime>,
    /// The number of records behind the last checkpoint: no signature vouches for them yet.
    pub unvouched: u64,
    /// The keys that were trusted in the end: those at the beginning, and those that they vouch for.
    pub trusted: Vec<PublicKey>,
    /// Notes that are not faults.
    pub notes: Vec<String>,
    /// The faults, in the order of records.
    pub faults: Vec<Fault>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Verifies the journal in `directory`. Only reads, and takes no lock; a gate may be writing there.
///
/// # Errors
///
/// Fails if the directory cannot be read. A file in it that cannot be read is a fault.
pub fn verify(directory: &Path, options: &Options) -> io::Result<Verification> {
    let mut snapshot = Snapshot::take(directory)?;
    for _ in 1..ATTEMPTS {
        let scanned = look(directory, &snapshot, options);
        let found = join::join(&snapshot, scanned, &options.trusted);
        if found.is_good() {
            return Ok(found);
        }
        // A listing may miss a file that is compressed or removed meanwhile.
        let again = Snapshot::take(directory)?;
        if again.has_the_files_of(&snapshot) {
            return Ok(found);
        }
        snapshot = again;
    }
    let scanned = look(directory, &snapshot, options);
    Ok(join::join(&snapshot, scanned, &options.trusted))
}

/// The key that has signed the newest checkpoint of the journal in `directory`, if it is one of `trusted`.
///
/// # Errors
///
/// Fails if the checkpoint cannot be read.
pub fn head_signer(directory: &Path, trusted: &[PublicKey]) -> io::Result<Option<PublicKey>> {
    let head = segments::read_or_empty(&directory.join(segments::HEAD))?;
    let signers = SignedCheckpoint::parse(&head).map(|it| it.signers()).unwrap_or_default();
    Ok(signers.into_iter().find(|key| trusted.contains(key)))
}

/// Checks all segments, the newest first, because these take longest.
fn look(directory: &Path, snapshot: &Snapshot, options: &Options) -> Vec<Scanned> {
    let views = &snapshot.views;
    let from = fully(snapshot, options.full);
    let head = HeadLine { line: &snapshot.head.line, read: snapshot.head.read.as_ref() };
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(views.len()));
    let work = || {
        loop {
            let behind = next.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            let Some(index) = views.len().checked_sub(behind) else { return };
            let Some(view) = views.get(index) else { return };
            let skimmed = (index < from).then(|| scan::skim(directory, view, head));
            // Without a closing checkpoint there is nothing to accept unread.
            let skimmed = skimmed.filter(|it| it.checkpoints.closed.is_some());
            let scanned = skimmed.unwrap_or_else(|| scan::scan(directory, view, head));
            let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            found.push((index, scanned));
        }
    };
    let threads = options.threads.clamp(1, views.len().max(1));
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, scanned)| scanned).collect()
}

/// The index of the first segment that is checked record by record.
fn fully(snapshot: &Snapshot, full: Option<u64>) -> usize {
    let Some(mut budget) = full else { return 0 };
    let mut from = snapshot.views.len();
    for view in snapshot.views.iter().rev() {
        let newest = snapshot.views.len().saturating_sub(from) < NEWEST;
        if !newest && view.file.bytes > budget {
            break;
        }
        budget = budget.saturating_sub(view.file.bytes);
        from = from.saturating_sub(1);
    }
    from
}
