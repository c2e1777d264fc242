//! Reads what vouches for a journal's records, in the journal's order: the first line of each segment, and its
//! checkpoints, while they are written, compressed and removed.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::checkpoint::SignedCheckpoint;
use crate::lines::{Header, LONGEST, Line, read_line};
use crate::segments::{self, SegmentFile};
use crate::table::Voucher;

/// The number of bytes that are read at once from a file that is being written.
const CHUNK: u64 = 1 << 20;

/// A reading position among the vouchers of a journal.
pub(super) struct Vouchers {
    directory: PathBuf,
    /// The segment that is being read.
    at: Option<At>,
    /// The lower bound of the next segment: the number of its first record, and its stem.
    from: (u64, String),
    /// The number of the last checkpoint that is delivered.
    after: u64,
    /// A voucher that was read and is not due yet.
    next: Option<Voucher>,
}

/// A segment that is being read.
struct At {
    file: SegmentFile,
    /// Whether the first line was read.
    begun: bool,
    /// The number of bytes of its checkpoints that were read.
    offset: u64,
    /// Whole lines in reverse order: the next one is last.
    lines: Vec<Voucher>,
    /// Whether the segment was closed, so that it gets no more checkpoints.
    closed: bool,
}

impl Vouchers {
    /// Continues after the last voucher that a sink has; from the first segment if it has none.
    pub(super) fn behind(directory: &Path, last: Option<&Voucher>) -> io::Result<Self> {
        let found = segments::list(directory)?;
        let record = last.map_or(0, |last| last.seq);
        let start = found.iter().rposition(|it| it.first <= record).unwrap_or_default();
        let from = found.get(start).map(|it| (it.first, it.stem.clone())).unwrap_or_default();
        let after = last.map_or(0, |last| last.number);
        Ok(Self { directory: directory.to_owned(), at: None, from, after, next: None })
    }

    /// Reads the next vouchers that stand behind no later record than `delivered`, at most `limit`. Empty if there
    /// are none yet.
    pub(super) fn read(&mut self, delivered: u64, limit: usize) -> io::Result<Vec<Voucher>> {
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(next) = (match self.next.take() {
                Some(next) => Some(next),
                None => self.advance()?,
            }) else {
                break;
            };
            if next.seq > delivered {
                self.next = Some(next);
                break;
            }
            // Checkpoints that are delivered already are skipped; first lines and checkpoints without a number are
            // stored once anyway.
            if next.number == 0 || next.number > self.after {
                found.push(next);
            }
        }
        Ok(found)
    }

    /// The first record of the segment that is being read: everything in earlier segments was read.
    pub(super) fn segment(&self) -> u64 {
        // A voucher that was read and is not due yet may belong to the segment before.
        let read = self.next.as_ref().map(|next| next.seq.saturating_add(1));
        let at = self.at.as_ref().map_or(0, |at| at.file.first);
        read.map_or(at, |seq| seq.min(at))
    }

    fn advance(&mut self) -> io::Result<Option<Voucher>> {
        loop {
            let Some(at) = &mut self.at else {
                if self.turn()? {
                    continue;
                }
                return Ok(None);
            };
            if let Some(next) = at.lines.pop() {
                return Ok(Some(next));
            }
            if at.fill(&self.directory)? {
                continue;
            }
            let last = at.file.stem.clone();
            let follows = segments::list(&self.directory)?
                .into_iter()
                .find(|it| (it.first, &it.stem) > (at.file.first, &last));
            let Some(follows) = follows else { return Ok(None) };
            // A segment's last checkpoint is written before the first one of the segment after it.
            if !at.closed && !has_checkpoints(&self.directory, &follows) {
                return Ok(None);
            }
            if !at.fill(&self.directory)? {
                self.from = (follows.first, follows.stem);
                self.at = None;
            }
        }
    }

    /// Starts the next segment. Returns whether there is one.
    fn turn(&mut self) -> io::Result<bool> {
        let list = segments::list(&self.directory)?;
        let next = list.into_iter().find(|it| (it.first, &it.stem) >= (self.from.0, &self.from.1));
        let Some(file) = next else { return Ok(false) };
        self.at = Some(At { file, begun: false, offset: 0, lines: Vec::new(), closed: false });
        Ok(true)
    }
}

impl At {
    /// Reads what is new. Returns whether there was anything.
    fn fill(&mut self, directory: &Path) -> io::Result<bool> {
        if !self.begun {
            let mut line = Vec::new();
            let read = self.file.open().and_then(|mut file| read_line(&mut file, &mut line));
            match read {
                Ok(Line::Whole(_)) => self.lines.extend(header(&line)),
                // The first line is not finished yet.
                Ok(_) => return Ok(false),
                // The segment was removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            self.begun = true;
            return Ok(!self.lines.is_empty());
        }
        let text = self.text(&segments::checkpoints(directory, &self.file.stem))?;
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |end| end.saturating_add(1));
        let text = text.get(..whole).unwrap_or_default();
        self.offset = self.offset.saturating_add(whole as u64);
        self.closed |= memchr::memmem::find(text, b",\"closed\":true").is_some();
        self.lines = text.split(|byte| *byte == b'\n').rev().filter_map(checkpoint).collect();
        Ok(whole > 0)
    }

    /// Some of the checkpoints that follow those that were read; the file may be compressed in the meantime.
    fn text(&self, path: &Path) -> io::Result<Vec<u8>> {
        match segments::read_part(path, self.offset, CHUNK) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let all = segments::read_or_empty(path)?;
                let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
                Ok(all.get(offset..).unwrap_or_default().to_vec())
            }
            read => read,
        }
    }
}

/// Whether a segment has any checkpoints.
fn has_checkpoints(directory: &Path, file: &SegmentFile) -> bool {
    let path = segments::checkpoints(directory, &file.stem);
    let bytes =
        std::fs::metadata(&path).or_else(|_| std::fs::metadata(segments::compressed(&path)));
    bytes.is_ok_and(|found| found.len() > 0)
}

/// The first line of a segment as a voucher.
fn header(line: &[u8]) -> Option<Voucher> {
    let header: Header = serde_json::from_slice(line).ok()?;
    voucher(header.first.saturating_sub(1), 0, line)
}

/// A checkpoint as a voucher. Invalid lines are left to the verification of the journal.
fn checkpoint(line: &[u8]) -> Option<Voucher> {
    let read = SignedCheckpoint::parse(line)?.checkpoint;
    voucher(read.seq, read.number.unwrap_or_default(), line)
}

fn voucher(seq: u64, number: u64, line: &[u8]) -> Option<Voucher> {
    let text = std::str::from_utf8(line).ok().filter(|_| line.len() < LONGEST)?;
    Some(Voucher { seq, number, digest: sha256(line), line: text.to_owned() })
}

/// SHA-256, in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
