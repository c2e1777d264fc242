//! Verifies a journal: that it is what the gate wrote, whole, and if it is not, where it begins to
//! be something else.
//!
//! Segments are looked at on several threads, each alone (`scan.rs`, `walk.rs`), in bounded memory;
//! then they are joined (`join.rs`). Whatever was done to a file, what follows of it is looked at
//! as well, and consequences of one fault are not told as others.
//!
//! What cannot be found by looking at a directory: that all of it, with the checkpoints and `head`,
//! was put back to what it once was; and anything done by who has the private key. For the first
//! there is the database ([`ledger`], [`table`]), for the second a key that is not on that machine.

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

/// So many faults are kept of a segment. Whoever has more has no journal.
const KEPT: usize = 1_000;
/// Files may be taken away while they are looked at, but not for ever.
const ATTEMPTS: usize = 5;
/// These are always looked at record by record.
const NEWEST: usize = 2;

/// How a journal is verified.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Who may sign. Keys that these vouch for are trusted from there on, and keys that have signed
    /// together with them, before.
    pub trusted: Vec<PublicKey>,
    /// How many segments are looked at at the same time; at least one.
    pub threads: usize,
    /// Look at the records of the newest segments only, so many bytes on disk and at least the last
    /// two; of older ones at what is signed and whether they follow one another. Without it, at all.
    pub full: Option<u64>,
}

/// What a journal was found to be.
#[derive(Debug, Clone, Default)]
pub struct Verification {
    /// Whose it is.
    pub instance: Option<String>,
    /// How many segments.
    pub segments: u64,
    /// Of how many of them only the beginning and the checkpoints were looked at.
    pub skimmed: u64,
    /// How many records; of skimmed segments, as was signed.
    pub records: u64,
    /// How many checkpoints.
    pub checkpoints: u64,
    /// How long the segments are on disk.
    pub bytes: u64,
    /// The place before the first record; none if there is no segment.
    pub first: Option<Position>,
    /// The place of the last record.
    pub last: Option<Position>,
    /// When the last checkpoint was signed.
    pub signed: Option<OffsetDateTime>,
    /// How many records are behind the last checkpoint: nobody vouches for them yet.
    pub unvouched: u64,
    /// Who was trusted in the end: those who were at the beginning, and whom they vouch for.
    pub trusted: Vec<PublicKey>,
    /// What is worth knowing and no fault.
    pub notes: Vec<String>,
    /// What is wrong, the first record first.
    pub faults: Vec<Fault>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Verifies the journal in `directory`. Reads only, takes no lock; a gate may be writing there.
///
/// # Errors
///
/// When the directory cannot be read. A file in it that cannot be read is a fault.
pub fn verify(directory: &Path, options: &Options) -> io::Result<Verification> {
    let mut snapshot = Snapshot::take(directory)?;
    for _ in 1..ATTEMPTS {
        let scanned = look(directory, &snapshot, options);
        let found = join::join(&snapshot, scanned, &options.trusted);
        if found.is_good() {
            return Ok(found);
        }
        // A listing may miss a file that is compressed or taken away meanwhile.
        let again = Snapshot::take(directory)?;
        if again.has_the_files_of(&snapshot) {
            return Ok(found);
        }
        snapshot = again;
    }
    let scanned = look(directory, &snapshot, options);
    Ok(join::join(&snapshot, scanned, &options.trusted))
}

/// Who has signed the newest checkpoint of the journal in `directory`, if it is one of these keys.
///
/// # Errors
///
/// When it cannot be read.
pub fn head_signer(directory: &Path, trusted: &[PublicKey]) -> io::Result<Option<PublicKey>> {
    let head = segments::read_or_empty(&directory.join(segments::HEAD))?;
    let signers = SignedCheckpoint::parse(&head).map(|it| it.signers()).unwrap_or_default();
    Ok(signers.into_iter().find(|key| trusted.contains(key)))
}

/// Looks at all segments, the newest first: they are the longest to look at.
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
            // Where it was not closed, there is nothing to take for true.
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

/// The first segment that is looked at record by record.
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
