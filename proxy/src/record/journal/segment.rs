//! One file of records, and the care that only whole lines are in it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

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
    path: PathBuf,
    file: Arc<File>,
    id: FileId,
    /// Everything before this is whole lines.
    good: u64,
    /// There may be part of a line behind `good`.
    torn: bool,
}

impl Segment {
    /// Begins a new segment in `directory`.
    pub(super) fn create(directory: &Path, now: OffsetDateTime) -> io::Result<Self> {
        let path = directory.join(name(now));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        let id = identity(&file.metadata()?);
        Ok(Self { path, file: Arc::new(file), id, good: 0, torn: false })
    }

    /// The open file.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Makes sure that the file is where its name says and ends with a whole line.
    ///
    /// This is asked before each line and costs one `stat`: a directory that was moved away,
    /// removed or replaced is noticed by the next request, and so is a file that somebody cut.
    pub(super) fn confirm(&mut self) -> io::Result<()> {
        let found = fs::metadata(&self.path)?;
        if identity(&found) != self.id {
            return Err(io::Error::other("the segment was replaced by another file"));
        }
        if self.torn && found.len() >= self.good {
            return self.cut();
        }
        if found.len() != self.good {
            return Err(io::Error::other("somebody else has changed the segment"));
        }
        Ok(())
    }

    /// Writes one line, or nothing.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let written = (&*self.file).write_all(line);
        if let Err(error) = written {
            self.torn = true;
            // If this fails too, the next line tries it again before it is written.
            let _ = self.cut();
            return Err(error);
        }
        self.good = self.good.saturating_add(line.len() as u64);
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

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.good)?;
        self.torn = false;
        Ok(())
    }
}

const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z");

/// Names sort by time; the random part keeps apart what begins in one microsecond.
fn name(now: OffsetDateTime) -> String {
    let stamp = now.format(STAMP).unwrap_or_default();
    format!("audit-{stamp}-{:08x}.jsonl", Uuid::now_v7().as_u128() & 0xffff_ffff)
}

/// Whether a file of this name is a segment.
pub(in crate::record) fn is_segment(name: &str) -> bool {
    name.starts_with("audit-") && Path::new(name).extension().is_some_and(|it| it == "jsonl")
}
