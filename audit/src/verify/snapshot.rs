//! The contents of the directory, read in an order that a gate which is writing cannot confuse.
//!
//! The gate syncs records, then appends a checkpoint, then replaces `head`. So `head` is read first, then the lengths
//! of the checkpoints (the newest segment's first: a segment is closed before the next one has any), and the records
//! last: each is then at least as new as what refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use crate::checkpoint::SignedCheckpoint;
use crate::segments::{self, SegmentFile};
use crate::signing::PublicKey;

/// The maximum length of a file beside the journal.
const SMALL: u64 = 1 << 20;

/// The length of the checkpoints of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The file does not exist.
    None,
    /// The file is compressed: nothing will follow.
    All,
    /// This number of bytes.
    Bytes(u64),
}

/// A segment, as it was.
#[derive(Debug)]
pub(super) struct View {
    pub(super) file: SegmentFile,
    pub(super) checkpoints: Extent,
}

/// A checkpoint that is alone in a file.
#[derive(Debug, Default)]
pub(super) struct Alone {
    /// The text of the file; empty if the file does not exist.
    pub(super) line: Vec<u8>,
    /// The parsed checkpoint.
    pub(super) read: Option<SignedCheckpoint>,
}

/// The directory, as it was.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) head: Alone,
    /// Whether `head` was not replaced meanwhile.
    pub(super) still: bool,
    pub(super) pruned: Alone,
    pub(super) views: Vec<View>,
    /// Checkpoints without records: number of the first, and stem.
    pub(super) orphans: Vec<(u64, String)>,
    /// The public keys beside the journal; `None` if there are none that can be read.
    pub(super) keys: Option<Vec<PublicKey>>,
}

impl Snapshot {
    pub(super) fn take(directory: &Path) -> io::Result<Self> {
        let head = Alone::read(&directory.join(segments::HEAD))?;
        let mut views = Vec::new();
        for file in listed(directory)?.into_iter().rev() {
            let checkpoints = extent(directory, &file.stem)?;
            views.push(View { file, checkpoints });
        }
        views.reverse();
        let orphans = orphans(directory, &views)?;
        let still = Alone::read(&directory.join(segments::HEAD))?.line == head.line;
        // This is read after the list, so that it allows for what is removed meanwhile.
        let pruned = Alone::read(&directory.join(segments::PRUNED))?;
        let keys = PublicKey::read_all(&directory.join(segments::PUBLIC_KEYS)).ok();
        Ok(Self { head, still, pruned, views, orphans, keys })
    }

    /// Whether both have the same files.
    pub(super) fn has_the_files_of(&self, other: &Self) -> bool {
        let named = |it: &Self| {
            let files = it.views.iter();
            files
                .map(|it| (it.file.path.clone(), it.checkpoints == Extent::All))
                .collect::<Vec<_>>()
        };
        named(self) == named(other) && self.orphans == other.orphans
    }
}

impl Alone {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let line = match segments::read_part(path, 0, SMALL) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let one =
            memchr::memchr(b'\n', &line).is_some_and(|end| end.saturating_add(1) == line.len());
        let read = if one { SignedCheckpoint::parse(&line) } else { None };
        Ok(Self { line, read })
    }

    pub(super) fn is_there(&self) -> bool {
        !self.line.is_empty()
    }
}

/// The segments in the directory, in order.
///
/// A listing may miss a file that is renamed or compressed meanwhile, and a new file while it has a newer one. What
/// it misses existed before the next listing began, so that two listings are enough.
fn listed(directory: &Path) -> io::Result<Vec<SegmentFile>> {
    let key = |file: &SegmentFile| (file.first, file.stem.clone());
    let once = segments::list(directory)?;
    let newest = once.last().map(key);
    let mut found: BTreeMap<_, _> = once.into_iter().map(|file| (key(&file), file)).collect();
    for file in segments::list(directory)? {
        if newest.as_ref().is_some_and(|newest| key(&file) <= *newest) {
            found.insert(key(&file), file);
        }
    }
    Ok(found.into_values().collect())
}

fn extent(directory: &Path, stem: &str) -> io::Result<Extent> {
    let plain = segments::checkpoints(directory, stem);
    let length = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    Ok(match length(&plain)? {
        Some(bytes) => Extent::Bytes(bytes),
        None if length(&segments::compressed(&plain))?.is_some() => Extent::All,
        None => Extent::None,
    })
}

/// The checkpoints without a segment: number of the first record, and stem.
fn orphans(directory: &Path, views: &[View]) -> io::Result<Vec<(u64, String)>> {
    let known: BTreeSet<&str> = views.iter().map(|view| view.file.stem.as_str()).collect();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some((first, stem)) = name.to_str().and_then(segments::is_checkpoints) else {
            continue;
        };
        // The segment may have begun after the listing.
        let records = segments::records(directory, stem);
        let there =
            known.contains(stem) || records.exists() || segments::compressed(&records).exists();
        if !there {
            found.insert((first, stem.to_owned()));
        }
    }
    Ok(found.into_iter().collect())
}
