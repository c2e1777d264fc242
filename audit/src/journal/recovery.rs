//! The start: what the last process left torn or open is put in order, and the chain goes on.
//!
//! A torn tail is what a dying process, or a loss of power, leaves: part of a line, or zeros where
//! lines should be, behind everything that was signed. It is cut off. Everything else that is
//! not what was written is damage, and is left as it is.

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

/// So many faults are told.
const TOLD: usize = 20;

/// What was found at the start, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// How many segments there were.
    pub segments: usize,
    /// The number of the last record.
    pub records: u64,
    /// The end that was cut back to the last whole record.
    pub torn: Option<Tear>,
    /// How many intents had no outcome and have one now, with `success: null`.
    pub closed: u64,
    /// What is not as it was written, and is gone on with nevertheless.
    pub damage: Vec<String>,
    /// The clock is behind what the journal says, and how.
    pub clock_back: Option<ClockBack>,
}

/// An end that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tear {
    /// Of which segment.
    pub segment: PathBuf,
    /// How many bytes. More than part of a line is kept beside the segment, as `<segment>.torn`.
    pub bytes: u64,
}

/// What is known before anything is changed.
pub(super) struct Found {
    pub(super) segments: Vec<SegmentFile>,
    pub(super) newest: Option<SignedCheckpoint>,
    pub(super) damage: Vec<String>,
    /// What the checkpoints say that go on from one start to the next.
    last_signed: LastSigned,
}

/// What the newest checkpoints say of themselves and of the database.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastSigned {
    pub(super) number: Option<u64>,
    pub(super) delivered: Option<u64>,
}

impl Found {
    /// Looks at the directory; trusts these keys.
    pub(super) fn look(directory: &Path, trusted: &[PublicKey]) -> io::Result<Self> {
        let segments = segments::list(directory)?;
        let mut texts = vec![segments::read_or_empty(&directory.join(segments::HEAD))?];
        // The newest two: the last one may not have got so far as to be signed.
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

    /// What the newest checkpoints say of themselves and of the database.
    pub(super) fn last_signed(&self) -> LastSigned {
        self.last_signed
    }

    /// Takes note of what is not as it was written. A hole at the end is no damage, but what a loss
    /// of power leaves.
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

    /// Of which journal this is.
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
    /// So many bytes are whole lines that follow from each other.
    good: u64,
    count: u64,
    at: Position,
    length: u64,
    /// When its last record was made, as that says.
    time: Option<OffsetDateTime>,
    /// The header is good.
    begun: bool,
    /// What follows the good lines is a torn tail, and of more than one line.
    hole: bool,
    /// What follows them is something else.
    broken: bool,
}

/// Puts in order what is in the place, and goes on with it.
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
    // What a clock writes that was set back stands in a segment of its own, whose name says how far it had come.
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

/// Where the journal goes on.
struct Resumed {
    at: Position,
    /// When the last record was made, as that says.
    time: Option<OffsetDateTime>,
    /// The segment, if it goes on in one that is there.
    segment: Option<Segment>,
}

/// Where the journal goes on, and in which segment, if not in a new one.
fn resume(directory: &Path, found: &mut Found, recovered: &mut Recovered) -> io::Result<Resumed> {
    let signed = found.signed();
    while let Some(last) = found.segments.last().cloned() {
        let tail = match Tail::read(&last, signed.seq) {
            // It is gone on behind a journal that cannot be read to its end.
            Err(_) if !found.damage.is_empty() => Tail { broken: true, ..Tail::default() },
            read => read?,
        };
        if !tail.begun && !tail.broken && (tail.hole || tail.length == tail.good) {
            // Nothing of it was ever on the disk but part of its header.
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

/// The segments that have ended and of which nobody has signed that: the process died within a
/// second of it.
fn unsigned(found: &Found, resumed: Option<&str>) -> io::Result<Vec<Written>> {
    let mut left = Vec::new();
    for segment in found.segments.iter().filter(|it| Some(it.stem.as_str()) != resumed) {
        if closing(segment)?.is_some() {
            continue;
        }
        let tail = Tail::read(segment, 0)?;
        let whole = (tail.begun && !tail.broken).then_some((tail.at, tail.count));
        // Of one that is damaged and gone on behind, what was signed before is said again.
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
            // A header that was never signed; else the file was cut.
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

    /// What follows a line that is not what was written.
    fn rest(mut self, reader: &mut impl io::BufRead, line: &mut Vec<u8>) -> io::Result<Self> {
        loop {
            if self.broken
                && let Some(sealed) = Sealed::parse(line)
                && let Some(seq) = sealed.seq()
            {
                // It goes on from what the last line says of itself.
                self.at = Position { seq, head: sealed.chain };
            }
            match read_line(reader, line)? {
                Line::End => return Ok(self),
                Line::Torn(length) | Line::Whole(length) => self.length += length,
            }
        }
    }
}

/// Cuts a torn tail off. More than part of a line is kept.
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

/// Writes the outcome that nobody wrote.
fn close(writer: &mut Writer, intent: crate::Record) -> io::Result<()> {
    spelled(&intent.closed_at_start(now()), |line| Ok(writer.append_anyway(line).map(drop)?))
        .map_err(|error| match error {
            Unrecordable::Unwritable(error) => io::Error::new(error.kind(), error),
            other => io::Error::other(other),
        })
}
