//! Reads the records of the journal in order, across segments, while segments are written, compressed and removed.

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::lines::{Line, read_line};
use crate::seal::{Position, Sealed};
use crate::segments::{self, SegmentFile};

/// The number of bytes that are read at once; a record is far shorter.
const CHUNK: usize = 256 * 1024;

/// A reading position in the journal.
pub(super) struct Tail {
    directory: PathBuf,
    /// The number of the last record that was read.
    at: u64,
    open: Option<Open>,
}

struct Open {
    stem: String,
    from: From,
}

enum From {
    /// A file that may be written to: whole lines are read, from where the last one ended.
    Plain {
        file: File,
        offset: u64,
        lines: Vec<u8>,
        used: usize,
    },
    Compressed(Box<dyn BufRead + Send>),
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at: Position,
    /// The line, without its line feed.
    pub(super) line: String,
}

impl Tail {
    /// A tail that begins after the record `after`.
    pub(super) fn new(directory: &Path, after: u64) -> Self {
        Self { directory: directory.to_owned(), at: after, open: None }
    }

    /// Reads the next records up to the number `until`: at most `limit`, and all of one segment, because what stands
    /// between two segments has to reach a sink before the records of the second. Empty if there are none yet.
    pub(super) fn read(&mut self, until: u64, limit: usize) -> io::Result<Vec<Entry>> {
        let (mut entries, mut line) = (Vec::new(), Vec::new());
        while self.at < until && entries.len() < limit {
            let begun = !entries.is_empty();
            let Some(open) = &mut self.open else {
                if !self.go_on()? {
                    break;
                }
                continue;
            };
            if !open.from.next(&mut line)? {
                let stem = open.stem.clone();
                if !self.go_on()? || (begun && self.open.as_ref().is_some_and(|it| it.stem != stem))
                {
                    break;
                }
                continue;
            }
            let sealed = Sealed::parse(&line);
            // A header, or damage, which verification reports.
            let Some((sealed, seq)) = sealed.and_then(|it| Some((it, it.seq()?))) else { continue };
            if seq > self.at {
                self.at = seq;
                let at = Position { seq, head: sealed.chain };
                let line = String::from_utf8_lossy(&line).into_owned();
                entries.push(Entry { at, line });
            }
        }
        Ok(entries)
    }

    /// Opens the segment with the next record, unless the open segment has it. Returns whether to read on.
    fn go_on(&mut self) -> io::Result<bool> {
        let found = segments::list(&self.directory)?;
        let next = self.at.saturating_add(1);
        let current = self.open.as_ref().map(|open| open.stem.as_str());
        let later = |it: &&SegmentFile| current.is_none_or(|stem| it.stem.as_str() > stem);
        let holds = found.iter().filter(later).rfind(|it| it.first <= next);
        let Some(segment) = holds.or_else(|| found.iter().find(later)) else { return Ok(false) };
        if let Some(open) = &mut self.open
            && open.from.has_more()?
        {
            // The open segment was written to before the next one began.
            return Ok(true);
        }
        if segment.first > next {
            tracing::error!(
                from = next,
                to = segment.first.saturating_sub(1),
                "audit records are not in the journal any more, and cannot be delivered"
            );
        }
        self.open = Some(Open { stem: segment.stem.clone(), from: From::open(segment)? });
        Ok(true)
    }
}

impl From {
    fn open(segment: &SegmentFile) -> io::Result<Self> {
        if segment.compressed {
            return Ok(Self::Compressed(segment.open()?));
        }
        match File::open(&segment.path) {
            Ok(file) => Ok(Self::Plain { file, offset: 0, lines: Vec::new(), used: 0 }),
            // The segment was compressed in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::Compressed(segment.open()?))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the next whole line, without its line feed. Returns whether there is one.
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        if let Self::Compressed(reader) = self {
            return Ok(matches!(read_line(reader, line)?, Line::Whole(_)));
        }
        if !self.has_more()? {
            return Ok(false);
        }
        let Self::Plain { lines, used, .. } = self else { return Ok(false) };
        let rest = lines.get(*used..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', rest) else { return Ok(false) };
        line.clear();
        line.extend_from_slice(rest.get(..end).unwrap_or_default());
        *used += end + 1;
        Ok(true)
    }

    /// Whether a plain file has another line; a compressed file gets no new lines.
    fn has_more(&mut self) -> io::Result<bool> {
        let Self::Plain { file, offset, lines, used } = self else { return Ok(false) };
        if *used >= lines.len() {
            fill(file, offset, lines)?;
            *used = 0;
        }
        Ok(!lines.is_empty())
    }
}

/// Reads whole lines. An unfinished line is read again the next time: the writer may take it back.
fn fill(file: &File, offset: &mut u64, lines: &mut Vec<u8>) -> io::Result<()> {
    let mut size = CHUNK;
    loop {
        lines.resize(size, 0);
        let mut filled = 0;
        while let Some(room) = lines.get_mut(filled..).filter(|room| !room.is_empty()) {
            match file.read_at(room, *offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        lines.truncate(filled);
        match memchr::memrchr(b'\n', lines) {
            Some(end) => lines.truncate(end + 1),
            // A line that is longer than the buffer is damage, and is read whole to be skipped.
            None if filled == size => {
                size *= 2;
                continue;
            }
            None => lines.clear(),
        }
        *offset += lines.len() as u64;
        return Ok(());
    }
}

#[cfg(test)]
mod tests;
