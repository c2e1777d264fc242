//! Reads a segment a line at a time, in bounded memory, and follows the chain through it.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::seal::{Head, Position, Sealed};

/// No line is longer; what is, is damage and is not taken into memory.
pub(crate) const LONGEST: usize = 1 << 20;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is whole; so long is it with its line feed.
    Whole(u64),
    /// The file ends within it.
    Torn(u64),
    /// There is no more.
    End,
}

/// Reads up to the end of a line, into `text` without its line feed; of a line that is too long,
/// only the beginning.
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
    /// Of which journal.
    pub(crate) instance: String,
    /// The number of the first record.
    pub(crate) first: u64,
    /// The chain before this line.
    pub(crate) previous: Head,
}

/// The first line of a segment that begins. `phase` tells it from records.
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

/// When a record or the first line of a segment was made, as it says.
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
    /// It is not sealed.
    #[error("the line has no seal")]
    Unsealed,
    /// The first line is no header.
    #[error("the first line is no header of a segment")]
    Headless,
    /// Another number was due.
    #[error("record {found} is where record {expected} should be")]
    Number {
        /// Which was due.
        expected: u64,
        /// Which is there.
        found: u64,
    },
    /// The hash is not that over the line and all before it.
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
    /// After the last good line.
    pub(crate) at: Position,
    /// Records so far.
    pub(crate) count: u64,
}

impl Follower {
    /// Begins with the first line of a segment, without its line feed.
    ///
    /// # Errors
    ///
    /// When it is no header, or not what was written.
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

    /// Goes over the next line, without its line feed.
    ///
    /// # Errors
    ///
    /// When it is not the record that follows.
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
