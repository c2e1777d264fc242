//! One file of records, which contains only whole lines.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};

use super::disk::DiskFile;
use crate::segments;

/// What identifies a file, whatever its name: device and inode.
pub(super) type FileId = (u64, u64);

/// The identity of a file.
pub(super) fn identity(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// What a check writes and takes back: about a large record.
const PROBE: [u8; 4096] = [b' '; 4096];

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    stem: String,
    path: PathBuf,
    file: Arc<DiskFile>,
    id: FileId,
    /// The length of the whole lines.
    good: u64,
    /// Whether part of a line may follow `good`.
    torn: bool,
    /// When this process began to write to the segment.
    pub(super) since: Instant,
    /// The number of records in the segment.
    pub(super) count: u64,
}

impl Segment {
    /// Creates a new segment in `directory`.
    pub(super) fn create(directory: &Path, stem: String) -> io::Result<Self> {
        let path = segments::records(directory, &stem);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        Self::new(stem, path, file, 0)
    }

    /// Continues a segment that ends with a whole line and has `count` records.
    pub(super) fn resume(directory: &Path, stem: String, count: u64) -> io::Result<Self> {
        let path = segments::records(directory, &stem);
        let file = OpenOptions::new().append(true).open(&path)?;
        Self::new(stem, path, file, count)
    }

    fn new(stem: String, path: PathBuf, file: File, count: u64) -> io::Result<Self> {
        let found = file.metadata()?;
        let (id, good, since) = (identity(&found), found.len(), Instant::now());
        Ok(Self {
            stem,
            path,
            file: Arc::new(DiskFile::new(file)),
            id,
            good,
            torn: false,
            since,
            count,
        })
    }

    /// The name of the file without its extension.
    pub(super) fn stem(&self) -> &str {
        &self.stem
    }

    /// The open file.
    pub(super) fn file(&self) -> &Arc<DiskFile> {
        &self.file
    }

    /// The length of the segment, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.good
    }

    /// Makes sure that the file is where its name says, and as long as it should be: that the directory was not moved
    /// or removed, and the file not cut.
    ///
    /// The check does not read the times of the file: a program that reads them makes the kernel note the time of the
    /// next write exactly, which makes that write twice as slow.
    pub(super) fn confirm(&self) -> io::Result<()> {
        let (id, length) = self.identity_and_length()?;
        if id != self.id {
            return Err(io::Error::other("the segment was replaced by another file"));
        }
        if length < self.good || (length > self.good && !self.torn) {
            return Err(io::Error::other("somebody else has changed the segment"));
        }
        Ok(())
    }

    fn identity_and_length(&self) -> io::Result<(FileId, u64)> {
        let wanted = StatxFlags::INO | StatxFlags::SIZE;
        match statx(CWD, &self.path, AtFlags::empty(), wanted) {
            Ok(found) if StatxFlags::from_bits_retain(found.stx_mask).contains(wanted) => {
                let device = makedev(found.stx_dev_major, found.stx_dev_minor);
                Ok(((device, found.stx_ino), found.stx_size))
            }
            // A kernel or a sandbox that does not know the call.
            _ => fs::metadata(&self.path).map(|found| (identity(&found), found.len())),
        }
    }

    /// Cuts off what a failed write has left.
    pub(super) fn mend(&mut self) -> io::Result<()> {
        if self.torn { self.cut() } else { Ok(()) }
    }

    /// Writes whole lines, or nothing.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = (&self.file.file).write_all(lines);
        if let Err(error) = written {
            self.torn = true;
            // If the cut fails too, it is tried again before the next line is written.
            let _ = self.cut();
            return Err(error);
        }
        self.good = self.good.saturating_add(lines.len() as u64);
        Ok(())
    }

    /// Checks whether a line could be written: writes blanks and takes them back. If the process dies in between,
    /// they are a torn line.
    pub(super) fn probe(&mut self) -> io::Result<()> {
        let written = (&self.file.file).write_all(&PROBE);
        self.torn = true;
        self.cut()?;
        written
    }

    /// Removes the file. Nothing in it was ever reported as written.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.file.set_len(self.good)?;
        self.torn = false;
        Ok(())
    }
}
