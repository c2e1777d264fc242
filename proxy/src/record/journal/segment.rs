//! One file of records, and the care that only whole lines are in it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, StatxFlags, statx};

use crate::record::segments;

/// What tells one file from another, whatever they are called.
pub(super) type FileId = (u64, u64);

/// The identity of a file.
pub(super) fn identity(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// How much a check writes and takes back: about a large record.
const PROBE: [u8; 4096] = [b' '; 4096];

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    stem: String,
    path: PathBuf,
    file: Arc<File>,
    id: FileId,
    /// Everything before this is whole lines.
    good: u64,
    /// There may be part of a line behind `good`.
    torn: bool,
    /// Since when it is written to.
    pub(super) since: Instant,
    /// How many records it has.
    pub(super) count: u64,
}

impl Segment {
    /// Begins a new segment in `directory`.
    pub(super) fn create(directory: &Path, stem: String) -> io::Result<Self> {
        let path = segments::records(directory, &stem);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        Self::new(stem, path, file, 0)
    }

    /// Goes on in a segment that ends with a whole line and has so many records.
    pub(super) fn resume(directory: &Path, stem: String, count: u64) -> io::Result<Self> {
        let path = segments::records(directory, &stem);
        let file = OpenOptions::new().append(true).open(&path)?;
        Self::new(stem, path, file, count)
    }

    fn new(stem: String, path: PathBuf, file: File, count: u64) -> io::Result<Self> {
        let found = file.metadata()?;
        let (id, good, since) = (identity(&found), found.len(), Instant::now());
        Ok(Self { stem, path, file: Arc::new(file), id, good, torn: false, since, count })
    }

    /// The name without what follows the last point.
    pub(super) fn stem(&self) -> &str {
        &self.stem
    }

    /// The open file.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.good
    }

    /// Makes sure that the file has not been removed, and ends with a whole line that we wrote.
    ///
    /// This is asked before each write. It must not ask for the file's times: the kernel would
    /// then note the time of the next write exactly, which makes that twice as slow.
    pub(super) fn confirm(&mut self) -> io::Result<()> {
        let (links, length) = self.links_and_length()?;
        if links == 0 {
            return Err(io::Error::other("the segment was removed"));
        }
        if self.torn && length >= self.good {
            return self.cut();
        }
        if length != self.good {
            return Err(io::Error::other("somebody else has changed the segment"));
        }
        Ok(())
    }

    /// Makes sure that the file is where its name says: that nobody has moved the directory.
    pub(super) fn confirm_place(&self) -> io::Result<()> {
        if identity(&fs::metadata(&self.path)?) == self.id {
            return Ok(());
        }
        Err(io::Error::other("the segment was replaced by another file"))
    }

    fn links_and_length(&self) -> io::Result<(u64, u64)> {
        let wanted = StatxFlags::NLINK | StatxFlags::SIZE;
        match statx(&*self.file, c"", AtFlags::EMPTY_PATH, wanted) {
            Ok(found) if StatxFlags::from_bits_retain(found.stx_mask).contains(wanted) => {
                Ok((found.stx_nlink.into(), found.stx_size))
            }
            // A kernel or a sandbox that does not know the call.
            _ => self.file.metadata().map(|found| (found.nlink(), found.len())),
        }
    }

    /// Writes whole lines, or nothing.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = (&*self.file).write_all(lines);
        if let Err(error) = written {
            self.torn = true;
            // If this fails too, the next line tries it again before it is written.
            let _ = self.cut();
            return Err(error);
        }
        self.good = self.good.saturating_add(lines.len() as u64);
        Ok(())
    }

    /// Whether a line could be written: writes blanks and takes them back. Should the process die
    /// in between, they are a torn line.
    pub(super) fn probe(&mut self) -> io::Result<()> {
        let written = (&*self.file).write_all(&PROBE);
        self.torn = true;
        self.cut()?;
        written
    }

    /// Takes the file away again: nothing of it was ever said to be written.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.good)?;
        self.torn = false;
        Ok(())
    }
}
