//! Reads what vouches for a journal's records, in the journal's order: the first line of each segment, and its
//! checkpoints, while they are written, compressed and taken away.

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::checkpoint::SignedCheckpoint;
use crate::lines::{Header, LONGEST, Line, read_line};
use crate::segments::{self, SegmentFile};
use crate::table::Voucher;

/// Read at once of a file that is written to.
const CHUNK: u64 = 1 << 20;

/// A place among them.
pub(super) struct Vouchers {
    directory: PathBuf,
    /// The segment that is being read.
    at: Option<At>,
    /// The next segment is not before this one: number of its first record, and stem.
    from: (u64, String),
    /// Checkpoints up to this number are delivered.
    after: u64,
    /// What was read and is not due yet.
    next: Option<Voucher>,
}

/// A segment that is being read.
struct At {
    file: SegmentFile,
    /// The first line was read.
    begun: bool,
    /// So much of its checkpoints was read.
    offset: u64,
    /// Whole lines, the next one last.
    lines: Vec<Voucher>,
    /// It was closed: it gets no more.
    closed: bool,
}

impl Vouchers {
    /// Goes on behind what a sink has had last; from the first segment that there is, if it has nothing.
    pub(super) fn behind(directory: &Path, last: Option<&Voucher>) -> io::Result<Self> {
        let found = segments::list(directory)?;
        let record = last.map_or(0, |last| last.seq);
        let start = found.iter().rposition(|it| it.first <= record).unwrap_or_default();
        let from = found.get(start).map(|it| (it.first, it.stem.clone())).unwrap_or_default();
        let after = last.map_or(0, |last| last.number);
        Ok(Self { directory: directory.to_owned(), at: None, from, after, next: None })
    }

    /// The next ones that stand behind no later record than `delivered`, at most `limit`; none if there are none yet.
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
            // A checkpoint that is delivered already; first lines and those without a number are stored once anyway.
            if next.number == 0 || next.number > self.after {
                found.push(next);
            }
        }
        Ok(found)
    }

    /// The first record of the segment that is being read: everything of those before was read.
    pub(super) fn segment(&self) -> u64 {
        // What was read and is not due yet may be of the segment before.
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

    /// Begins with the next segment.
    fn turn(&mut self) -> io::Result<bool> {
        let list = segments::list(&self.directory)?;
        let next = list.into_iter().find(|it| (it.first, &it.stem) >= (self.from.0, &self.from.1));
        let Some(file) = next else { return Ok(false) };
        self.at = Some(At { file, begun: false, offset: 0, lines: Vec::new(), closed: false });
        Ok(true)
    }
}

impl At {
    /// Reads what is new; whether there was anything.
    fn fill(&mut self, directory: &Path) -> io::Result<bool> {
        if !self.begun {
            let mut line = Vec::new();
            let read = self.file.open().and_then(|mut file| read_line(&mut file, &mut line));
            match read {
                Ok(Line::Whole(_)) => self.lines.extend(header(&line)),
                // It is not finished yet.
                Ok(_) => return Ok(false),
                // Somebody has just tidied up.
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

    /// The checkpoints behind what was read, some of them; they may be compressed meanwhile.
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

/// Whether anything was signed of a segment.
fn has_checkpoints(directory: &Path, file: &SegmentFile) -> bool {
    let path = segments::checkpoints(directory, &file.stem);
    let bytes =
        std::fs::metadata(&path).or_else(|_| std::fs::metadata(segments::compressed(&path)));
    bytes.is_ok_and(|found| found.len() > 0)
}

/// The first line of a segment.
fn header(line: &[u8]) -> Option<Voucher> {
    let header: Header = serde_json::from_slice(line).ok()?;
    voucher(header.first.saturating_sub(1), 0, line)
}

/// A checkpoint. What is none is for those who verify the journal.
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
