//! Reads a segment line by line, in bounded memory, and follows the chain through it.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::seal::{Head, Position, Sealed};

/// The maximum length of a line. A longer line is damage and is not taken into memory.
pub(crate) const LONGEST: usize = 1 << 20;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// A whole line, and its length with the line feed.
    Whole(u64),
    /// The file ends within a line; the length of that part.
    Torn(u64),
    /// The file has ended.
    End,
}

/// Reads up to the end of a line, into `text` without its line feed. Of a line that is too long, only the beginning
/// is kept.
pub(crate) fn read_line(reader: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Line> {
    text.clear();
    let mut length = 0_u64;
    loop {
        let here = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let end = memchr::memchr(b'\n', here);
        let used = end.map_or(here.len(), |end| end.saturating_add(1));
        let room = LONGEST.saturating_sub(text.len()).min(end.unwrap_or(here.len()));
        text.extend(here.get(..room).unwrap_or_default());
        reader.consume(used);
        length = length.saturating_add(used as u64);
        match (end, used) {
            (Some(_), _) => return Ok(Line::Whole(length)),
            (None, 0) if length == 0 => return Ok(Line::End),
            (None, 0) => return Ok(Line::Torn(length)),
            (None, _) => {}
        }
    }
}

/// The first line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Header {
    /// The id of the journal.
    pub(crate) instance: String,
    /// The number of the first record.
    pub(crate) first: u64,
    /// The chain before this line.
    pub(crate) previous: Head,
}

/// The first line of a new segment. Its `phase` distinguishes it from records.
#[derive(Debug, Serialize)]
pub(crate) struct NewHeader<'a> {
    phase: &'static str,
    version: u32,
    #[serde(with = "super::encode::micros")]
    timestamp: OffsetDateTime,
    instance: &'a str,
    first: u64,
    previous: Head,
}

impl<'a> NewHeader<'a> {
    /// The header of a segment that begins now with the record `first`.
    pub(crate) fn new(instance: &'a str, first: u64, previous: Head, now: OffsetDateTime) -> Self {
        Self { phase: "segment", version: 1, timestamp: now, instance, first, previous }
    }
}

/// The time of a record or of the first line of a segment, as the line says.
pub(crate) fn made(line: &[u8]) -> Option<OffsetDateTime> {
    #[derive(Deserialize)]
    struct Made {
        #[serde(with = "super::encode::micros")]
        timestamp: OffsetDateTime,
    }
    serde_json::from_slice::<Made>(line).ok().map(|made| made.timestamp)
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The line is not sealed.
    #[error("the line has no seal")]
    Unsealed,
    /// The first line is not a header.
    #[error("the first line is no header of a segment")]
    Headless,
    /// The line has another number than was due.
    #[error("record {found} is where record {expected} should be")]
    Number {
        /// The number that was due.
        expected: u64,
        /// The number in the line.
        found: u64,
    },
    /// The hash is not the one over the line and all before it.
    #[error("the chain does not hold: the line, or one before it, is not what was written")]
    Chain,
    /// The record is of another journal.
    #[error("the record is of the journal `{0}`")]
    Instance(String),
}

/// Follows the chain through the lines of one segment.
#[derive(Debug)]
pub(crate) struct Follower {
    instance: String,
    /// The position after the last good line.
    pub(crate) at: Position,
    /// The number of records so far.
    pub(crate) count: u64,
}

impl Follower {
    /// A follower that begins with the first line of a segment, without its line feed.
    ///
    /// # Errors
    ///
    /// Fails if the line is not a header, or not what was written.
    pub(crate) fn begin(line: &[u8]) -> Result<(Self, Header), LineFault> {
        let sealed = Sealed::parse(line).ok_or(LineFault::Headless)?;
        let header: Header = serde_json::from_slice(line).map_err(|_| LineFault::Headless)?;
        if header.first == 0 {
            return Err(LineFault::Headless);
        }
        if header.previous.followed_by(sealed.hashed) != sealed.chain {
            return Err(LineFault::Chain);
        }
        let at = Position { seq: header.first.saturating_sub(1), head: sealed.chain };
        Ok((Self { instance: header.instance.clone(), at, count: 0 }, header))
    }

    /// Checks the next line, without its line feed.
    ///
    /// # Errors
    ///
    /// Fails if the line is not the record that follows.
    pub(crate) fn follow(&mut self, line: &[u8]) -> Result<(), LineFault> {
        let sealed = Sealed::parse(line).ok_or(LineFault::Unsealed)?;
        let expected = self.at.seq.saturating_add(1);
        let found = sealed.seq().ok_or(LineFault::Unsealed)?;
        if found != expected {
            return Err(LineFault::Number { expected, found });
        }
        let instance = sealed.instance().ok_or(LineFault::Unsealed)?;
        if instance != self.instance {
            return Err(LineFault::Instance(super::text::printable(instance, 64).into_owned()));
        }
        if self.at.head.followed_by(sealed.hashed) != sealed.chain {
            return Err(LineFault::Chain);
        }
        self.at = Position { seq: expected, head: sealed.chain };
        self.count = self.count.saturating_add(1);
        Ok(())
    }
}
