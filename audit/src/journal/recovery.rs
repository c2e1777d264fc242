//! The start: repairs what the last process left torn or open, and continues the chain.
//!
//! A torn tail is what a dying process, or a loss of power, leaves: part of a line, or zeros where lines should be,
//! behind everything that was signed. A torn tail is cut off. Every other difference from what was written is damage,
//! and is left as it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::private;
use time::OffsetDateTime;

use super::archivist::closing;
use super::disk::DiskFile;
use super::place::Place;
use super::segment::Segment;
use super::shared::spelled;
use super::writer::{Bounds, Clock, Writer, Written};
use super::{JournalError, Unrecordable, now};
use crate::checkpoint::SignedCheckpoint;
use crate::lines::{Follower, Line, made, read_line};
use crate::seal::{Position, Sealed, Sealer};
use crate::segments::{self, SegmentFile};
use crate::signing::PublicKey;
use crate::verify::Fault;

mod clock;
mod intents;

pub use clock::ClockBack;

/// The maximum number of faults that are reported.
const TOLD: usize = 20;

/// What was found at the start, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// The number of segments.
    pub segments: usize,
    /// The number of the last record.
    pub records: u64,
    /// The end that was cut back to the last whole record.
    pub torn: Option<Tear>,
    /// The number of intents that had no outcome and were closed, with `success: null`.
    pub closed: u64,
    /// What is not as it was written; the journal continues all the same.
    pub damage: Vec<String>,
    /// Set if the clock is behind the times in the journal.
    pub clock_back: Option<ClockBack>,
}

/// An end that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tear {
    /// The segment.
    pub segment: PathBuf,
    /// The number of bytes. If they are more than part of a line, they are kept beside the segment, as
    /// `<segment>.torn`.
    pub bytes: u64,
}

/// What is known before anything is changed.
pub(super) struct Found {
    pub(super) segments: Vec<SegmentFile>,
    pub(super) newest: Option<SignedCheckpoint>,
    pub(super) damage: Vec<String>,
    /// What the newest checkpoints say that is carried over from one start to the next.
    last_signed: LastSigned,
}

/// The number of the newest checkpoint, and what it says about the database.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastSigned {
    pub(super) number: Option<u64>,
    pub(super) delivered: Option<u64>,
}

impl Found {
    /// Reads the directory; trusts these keys.
    pub(super) fn look(directory: &Path, trusted: &[PublicKey]) -> io::Result<Self> {
        let segments = segments::list(directory)?;
        let mut texts = vec![segments::read_or_empty(&directory.join(segments::HEAD))?];
        // The newest two: the last segment may not have been signed yet.
        for segment in segments.iter().rev().take(2) {
            texts.push(segment.checkpoints()?);
        }
        let lines = texts.iter().flat_map(|text| text.split(|byte| *byte == b'\n'));
        let ours: Vec<_> = lines
            .filter_map(SignedCheckpoint::parse)
            .filter(|it| it.verify(&mut trusted.to_vec()))
            .collect();
        let last = ours.iter().max_by_key(|it| it.checkpoint.number);
        let last_signed = last.map_or_else(LastSigned::default, |it| LastSigned {
            number: it.checkpoint.number,
            delivered: it.checkpoint.delivered,
        });
        let newest = ours.into_iter().max_by_key(|it| it.checkpoint.seq);
        Ok(Self { segments, newest, damage: Vec::new(), last_signed })
    }

    /// The number of the newest checkpoint, and what it says about the database.
    pub(super) fn last_signed(&self) -> LastSigned {
        self.last_signed
    }

    /// Notes the faults as damage. A hole at the end is not damage, but what a loss of power leaves.
    pub(super) fn damaged_by(&mut self, faults: &[Fault]) -> io::Result<()> {
        let (Some(last), false) = (self.segments.last(), faults.is_empty()) else {
            self.damage = faults.iter().map(ToString::to_string).collect();
            return Ok(());
        };
        let tail = Tail::read(last, self.signed().seq)?;
        let of_the_hole = |fault: &&Fault| {
            let behind = fault.seq.is_none_or(|seq| seq > tail.at.seq);
            tail.hole && behind && fault.segment.starts_with(&last.stem)
        };
        let damage = faults.iter().filter(|fault| !of_the_hole(fault));
        self.damage = damage.map(ToString::to_string).collect();
        let more = self.damage.len().saturating_sub(TOLD);
        if more > 0 {
            self.damage.truncate(TOLD);
            self.damage.push(format!("and {more} more"));
        }
        Ok(())
    }

    /// The id of the journal, if it is known.
    pub(super) fn instance(&self) -> io::Result<Option<String>> {
        for segment in self.segments.iter().rev() {
            let mut line = Vec::new();
            let read = segment.open().and_then(|mut reader| read_line(&mut reader, &mut line));
            if read.is_err() && !self.damage.is_empty() {
                continue;
            }
            read?;
            if let Ok((_, header)) = Follower::begin(&line) {
                return Ok(Some(header.instance));
            }
        }
        Ok(self.newest.as_ref().map(|it| it.checkpoint.instance.clone()))
    }

    fn signed(&self) -> Position {
        self.newest.as_ref().map_or_else(Position::default, |it| it.checkpoint.position())
    }
}

/// The end of a segment.
#[derive(Debug, Default)]
struct Tail {
    /// The length of the whole lines that follow from each other.
    good: u64,
    count: u64,
    at: Position,
    length: u64,
    /// The time of the last record, as the record says.
    time: Option<OffsetDateTime>,
    /// Whether the header is good.
    begun: bool,
    /// Whether a torn tail of more than one line follows the good lines.
    hole: bool,
    /// Whether something else follows the good lines.
    broken: bool,
}

/// Repairs the journal in `place`, and continues it.
pub(super) fn recover(
    place: Place,
    mut found: Found,
    bounds: Bounds,
    (instance, none): (&str, bool),
) -> Result<(Writer, Recovered), JournalError> {
    let directory = place.directory().to_owned();
    let unusable = |source| JournalError::Unusable { path: directory.clone(), source };
    let mut recovered = Recovered { segments: found.segments.len(), ..Recovered::default() };
    let greatest = clock::greatest(&found);
    let resumed = resume(&directory, &mut found, &mut recovered).map_err(unusable)?;
    let (at, greatest) = (resumed.at, greatest.max(resumed.time));
    recovered.clock_back = greatest.and_then(|greatest| ClockBack::seen(greatest, now()));
    // Records behind a clock that was set back go into a segment of their own, whose name has the greatest time
    // before.
    let resumed = resumed.segment.filter(|_| recovered.clock_back.is_none());
    recovered.records = at.seq;
    recovered.damage = std::mem::take(&mut found.damage);

    let stem = resumed.as_ref().map(|segment| segment.stem().to_owned());
    let left = unsigned(&found, stem.as_deref()).map_err(unusable)?;
    let sealer = Sealer::new(instance, at, none);
    let clock = Clock::begin(greatest, recovered.clock_back);
    let mut writer = Writer::begin(place, bounds, instance.into(), (sealer, clock), resumed)
        .map_err(unusable)?;
    let settled = found.newest.as_ref().map_or(0, |it| it.checkpoint.settled);
    writer.settled_before(settled);
    writer.give_back(left);
    let damaged = !recovered.damage.is_empty();
    let open = intents::open(&found.segments, settled, at.seq, damaged).map_err(unusable)?;
    for intent in open {
        close(&mut writer, intent).map_err(unusable)?;
        recovered.closed = recovered.closed.saturating_add(1);
    }
    writer.settle();
    writer.sync().map_err(unusable)?;
    Ok((writer, recovered))
}

/// Where the journal continues.
struct Resumed {
    at: Position,
    /// The time of the last record, as the record says.
    time: Option<OffsetDateTime>,
    /// The segment, if the journal continues in an existing one.
    segment: Option<Segment>,
}

/// Finds where the journal continues, and in which segment if not in a new one.
fn resume(directory: &Path, found: &mut Found, recovered: &mut Recovered) -> io::Result<Resumed> {
    let signed = found.signed();
    while let Some(last) = found.segments.last().cloned() {
        let tail = match Tail::read(&last, signed.seq) {
            // The journal continues behind a segment that cannot be read to its end.
            Err(_) if !found.damage.is_empty() => Tail { broken: true, ..Tail::default() },
            read => read?,
        };
        if !tail.begun && !tail.broken && (tail.hole || tail.length == tail.good) {
            // Only part of its header was ever on the disk.
            if tail.hole {
                fs::rename(&last.path, last.path.with_extension("torn"))?;
            } else {
                fs::remove_file(&last.path)?;
            }
            found.segments.pop();
            continue;
        }
        let damaged = tail.broken || !tail.begun || !found.damage.is_empty();
        let at = if tail.at.seq >= signed.seq { tail.at } else { signed };
        let closed = found
            .newest
            .as_ref()
            .is_some_and(|it| it.checkpoint.closed && it.checkpoint.segment == last.stem);
        if damaged || closed || last.compressed {
            return Ok(Resumed { at, time: tail.time, segment: None });
        }
        if tail.length > tail.good {
            cut(&last.path, &tail)?;
            let bytes = tail.length.saturating_sub(tail.good);
            recovered.torn = Some(Tear { segment: last.path.clone(), bytes });
        }
        let segment = Segment::resume(directory, last.stem, tail.count)?;
        return Ok(Resumed { at: tail.at, time: tail.time, segment: Some(segment) });
    }
    Ok(Resumed { at: signed, time: None, segment: None })
}

/// The segments that have ended without a closing checkpoint: the process died within a second of their end.
fn unsigned(found: &Found, resumed: Option<&str>) -> io::Result<Vec<Written>> {
    let mut left = Vec::new();
    for segment in found.segments.iter().filter(|it| Some(it.stem.as_str()) != resumed) {
        if closing(segment)?.is_some() {
            continue;
        }
        let tail = Tail::read(segment, 0)?;
        let whole = (tail.begun && !tail.broken).then_some((tail.at, tail.count));
        // For a damaged segment, the position of the last checkpoint is signed again.
        let signed = found.newest.as_ref().map(|it| &it.checkpoint);
        let signed = signed.filter(|it| it.segment == segment.stem);
        if let Some((at, count)) = whole.or(signed.map(|it| (it.position(), it.count))) {
            let file = Arc::new(DiskFile::new(File::open(&segment.path)?));
            left.push(Written { file, stem: segment.stem.clone(), at, count, settled: 0 });
        }
    }
    Ok(left)
}

impl Tail {
    /// Reads a segment to its end. Up to the record `signed` nothing can be torn.
    fn read(segment: &SegmentFile, signed: u64) -> io::Result<Self> {
        let (mut reader, mut line) = (segment.open()?, Vec::new());
        let mut tail = Self::default();
        let first = read_line(&mut reader, &mut line)?;
        let Line::Whole(length) = first else {
            // Part of a header, or nothing: `good` says that there is nothing to keep.
            let Line::Torn(length) = first else { return Ok(tail) };
            // A torn header that was never signed; otherwise the file was cut.
            let good = if segment.first > signed { length } else { 0 };
            return Ok(Self { length, good, broken: good == 0, ..tail });
        };
        tail.length = length;
        let Ok((mut follower, _)) = Follower::begin(&line) else {
            tail.hole = segment.first > signed && line.contains(&0);
            tail.broken = !tail.hole;
            return tail.rest(&mut reader, &mut line);
        };
        (tail.begun, tail.good) = (true, length);
        let mut last = Vec::new();
        loop {
            (tail.at, tail.count) = (follower.at, follower.count);
            std::mem::swap(&mut line, &mut last);
            match read_line(&mut reader, &mut line)? {
                Line::End => {
                    tail.time = made(&last);
                    return Ok(tail);
                }
                Line::Torn(length) => {
                    tail.length += length;
                    tail.time = made(&last);
                    tail.broken = tail.at.seq < signed;
                    return Ok(tail);
                }
                Line::Whole(length) => {
                    tail.length += length;
                    if follower.follow(&line).is_err() {
                        // A hole that a loss of power has left: pages that never got to the disk.
                        tail.hole = tail.at.seq >= signed && line.contains(&0);
                        tail.broken = !tail.hole;
                        return tail.rest(&mut reader, &mut line);
                    }
                    tail.good += length;
                }
            }
        }
    }

    /// Reads what follows a line that is not what was written.
    fn rest(mut self, reader: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<Self> {
        loop {
            if self.broken
                && let Some(sealed) = Sealed::parse(line)
                && let Some(seq) = sealed.seq()
            {
                // The journal continues from the number and the chain in the last sealed line.
                self.at = Position { seq, head: sealed.chain };
            }
            match read_line(reader, line)? {
                Line::End => return Ok(self),
                Line::Torn(length) | Line::Whole(length) => self.length += length,
            }
        }
    }
}

/// Cuts a torn tail off. If it is more than part of a line, a copy is kept.
fn cut(path: &Path, tail: &Tail) -> io::Result<()> {
    if tail.hole {
        let bytes = segments::read_part(path, tail.good, tail.length.saturating_sub(tail.good))?;
        let mut torn = private::file();
        torn.write(true).create(true).truncate(true);
        torn.open(path.with_extension("torn"))?.write_all(&bytes)?;
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(tail.good)?;
    file.sync_data()
}

/// Writes the outcome of an intent that has none.
fn close(writer: &mut Writer, intent: crate::Record) -> io::Result<()> {
    spelled(&intent.closed_at_start(now()), |line| Ok(writer.append_anyway(line).map(drop)?))
        .map_err(|error| match error {
            Unrecordable::Unwritable(error) => io::Error::new(error.kind(), error),
            other => io::Error::other(other),
        })
}
