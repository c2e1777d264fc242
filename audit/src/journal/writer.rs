//! The one writer of lines: seals them, finds the segment to write to, and keeps outcomes until
//! they can be written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::disk::DiskFile;
use super::place::{Place, bytes_in};
use super::segment::Segment;
use crate::Phase;
use crate::seal::{Position, Sealer};

mod clock;
mod group;
mod turn;
mod waiting;

pub(super) use clock::Clock;
pub(super) use group::Fate;
use group::Group;
use waiting::Waiting;

/// How much room outcomes may take that cannot be written now. No intent is written either while
/// they wait, so that there are no more of them than requests were on their way.
const KEPT: usize = 64 << 20;

/// Outcomes wait for the next write up to this much: a system call costs more than what it writes. With the
/// durability `none` intents and denials wait as well: that is what makes it cheaper, and what may be lost.
const GATHERED: usize = 64 * 1024;

/// How large the journal and its parts may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// A segment that is larger is followed by another one.
    pub(super) segment_bytes: u64,
    /// And one that is older.
    pub(super) segment_age: Duration,
    /// No request is recorded when the directory has so many bytes.
    pub(super) quota: Option<u64>,
}

/// A segment as far as it is written: what a checkpoint is about.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) file: Arc<DiskFile>,
    pub(super) stem: String,
    pub(super) at: Position,
    pub(super) count: u64,
    pub(super) settled: u64,
}

/// What is behind the journal's lock.
#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    bounds: Bounds,
    instance: Arc<str>,
    sealer: Sealer,
    segment: Option<Segment>,
    /// Segments that are left, of which nobody has said so yet.
    left: Vec<Written>,
    waiting: Waiting,
    /// Those of them that requests wait for.
    group: Group,
    /// Lines that are written together; kept, so that it need not be made again.
    gathered: Vec<u8>,
    written: u64,
    /// How much is in the directory.
    bytes: Arc<AtomicU64>,
    /// Intents without an outcome, as far as this process has written them.
    open: u64,
    /// Every intent up to this number has its outcome.
    settled: u64,
    /// Up to this number checkpoints were asked for.
    vouched: u64,
    /// Something was written since the last sync.
    unsynced: bool,
    /// The last attempt to write failed.
    failing: bool,
    clock: Clock,
}

impl Writer {
    /// Goes on in `segment`, or begins one, at the sealer's place.
    pub(super) fn begin(
        place: Place,
        bounds: Bounds,
        instance: Arc<str>,
        (sealer, clock): (Sealer, Clock),
        segment: Option<Segment>,
    ) -> io::Result<Self> {
        let bytes = bytes_in(place.directory())?;
        let mut writer = Self {
            place,
            bounds,
            instance,
            vouched: 0,
            settled: 0,
            sealer,
            segment,
            left: Vec::new(),
            waiting: Waiting::default(),
            group: Group::default(),
            gathered: Vec::new(),
            written: 0,
            bytes: Arc::new(AtomicU64::new(bytes)),
            open: 0,
            unsynced: false,
            failing: false,
            clock,
        };
        writer.segment()?;
        Ok(writer)
    }

    /// Writes a record, after all that wait: with one write, as long as they are few.
    pub(super) fn append(&mut self, line: &[u8], phase: Phase) -> io::Result<Arc<DiskFile>> {
        let written = self.room().and_then(|()| self.append_here(line));
        if written.is_ok() {
            self.count_open(phase);
        }
        self.noted(written)
    }

    /// Writes a record whatever the quota is: what has begun is written to its end.
    pub(super) fn append_anyway(&mut self, line: &[u8]) -> io::Result<Arc<DiskFile>> {
        let written = self.append_here(line);
        self.noted(written)
    }

    fn append_here(&mut self, line: &[u8]) -> io::Result<Arc<DiskFile>> {
        if self.waiting.bytes().saturating_add(line.len()) > GATHERED {
            self.flush()?;
        }
        self.write(self.waiting.count(), Some(line))
    }

    /// Keeps a record for the next write, which the next record or the journal's thread makes;
    /// where many wait, writes them. Fails when there is no room.
    pub(super) fn append_or_keep(&mut self, line: &[u8], phase: Phase) -> io::Result<()> {
        self.count_open(phase);
        let bytes = self.waiting.bytes().saturating_add(line.len());
        if bytes > GATHERED {
            let Err(error) = self.append_anyway(line) else { return Ok(()) };
            if bytes > KEPT {
                return Err(error);
            }
        }
        self.waiting.push(line, phase, false);
        Ok(())
    }

    fn count_open(&mut self, phase: Phase) {
        match phase {
            Phase::Intent => self.open = self.open.saturating_add(1),
            Phase::Outcome => self.open = self.open.saturating_sub(1),
            Phase::Denial => {}
        }
    }

    /// Writes what waits, oldest first.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            self.write(self.waiting.fitting(GATHERED).max(1), None)?;
        }
        Ok(())
    }

    /// Whether a record could be written now.
    pub(super) fn check(&mut self) -> io::Result<()> {
        let flushed = self.flush().and_then(|()| self.room());
        let probed = flushed.and_then(|()| {
            self.confirm_place();
            self.segment()?.probe()
        });
        self.noted(probed)
    }

    /// Looks after what waits and the place, and ends a segment that is due, if it `may_end` now. Makes no directory:
    /// that is for a request to do, so that an operator who moves one away and back finds the path free in between.
    pub(super) fn tend(&mut self, may_end: bool) {
        if self.place.is_there() {
            self.confirm_place();
            if self.place.confirm().is_err() {
                self.give_up();
            }
            if may_end && self.due().is_some() {
                let turned = self.turn();
                let _ = self.noted(turned);
            }
        }
        self.write_waiting();
    }

    /// Writes what waits for company only: after a failure `tend` tries again, and less often.
    pub(super) fn write_gathered(&mut self) {
        if !self.failing {
            self.confirm_place();
            self.write_waiting();
        }
    }

    /// Writes what waits, if anything does. What cannot be written goes on waiting, and that is
    /// said.
    fn write_waiting(&mut self) {
        if !self.waiting.is_empty() {
            let flushed = self.flush();
            let _ = self.noted(flushed);
        }
    }

    /// Puts everything on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match &self.segment {
            Some(segment) if self.unsynced => segment.file().sync()?,
            _ => {}
        }
        self.unsynced = false;
        Ok(())
    }

    /// The file to sync, if something was written since this was asked last, and the number of its
    /// last record.
    pub(super) fn take_unsynced(&mut self) -> Option<(Arc<DiskFile>, u64)> {
        let file = self.segment.as_ref().map(|segment| Arc::clone(segment.file()));
        let unsynced = std::mem::take(&mut self.unsynced);
        // What was left before is synced by the notary, who comes first then.
        file.filter(|_| unsynced && self.left.is_empty()).map(|file| (file, self.sealer.at.seq))
    }

    /// Gives up the segment of this file. After a sync that failed nobody knows which of its lines
    /// are on the disk, and asking again is answered with a lie.
    pub(super) fn distrust(&mut self, file: &Arc<DiskFile>) {
        if self.segment.as_ref().is_some_and(|segment| Arc::ptr_eq(segment.file(), file)) {
            self.leave();
        }
    }

    /// The segments that were left since this was asked last.
    pub(super) fn take_left(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.left)
    }

    /// Takes segments back of which nothing could be said.
    pub(super) fn give_back(&mut self, left: Vec<Written>) {
        self.left.splice(0..0, left);
    }

    /// How far the journal is, if that is further than when this was asked last. A segment that
    /// begins after the newest checkpoint has one, even while it has no record.
    pub(super) fn take_unvouched(&mut self) -> Option<Written> {
        if self.sealer.at.seq == self.vouched {
            return None;
        }
        let written = self.so_far()?;
        self.vouched = written.at.seq;
        Some(written)
    }

    /// What was asked for could not be said: it is asked for again.
    pub(super) fn unvouched(&mut self) {
        self.vouched = u64::MAX;
    }

    /// Every intent up to here has its outcome.
    pub(super) fn settle(&mut self) {
        self.settled = self.sealer.at.seq;
    }

    /// Goes on with what is known to be settled.
    pub(super) fn settled_before(&mut self, seq: u64) {
        self.settled = seq;
    }

    /// How many lines were written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How far the journal is.
    pub(super) fn at(&self) -> Position {
        self.sealer.at
    }

    /// The segment that is being written.
    pub(super) fn stem(&self) -> Option<&str> {
        self.segment.as_ref().map(Segment::stem)
    }

    /// Whether a segment was left of which nobody has said so.
    pub(super) fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// How long all files are together.
    pub(super) fn bytes(&self) -> &Arc<AtomicU64> {
        &self.bytes
    }

    /// For how long the oldest line has waited.
    pub(super) fn lag(&self) -> Duration {
        self.waiting.since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Seals and writes the first `count` lines that wait, and one more: all of them, or none.
    fn write(&mut self, count: usize, last: Option<&[u8]>) -> io::Result<Arc<DiskFile>> {
        self.waiting.tried();
        self.look_at_clock();
        self.segment()?;
        let before = self.sealer.at;
        self.gathered.clear();
        self.seal_clock();
        for waiting in self.waiting.first(count) {
            self.sealer.seal(waiting, &mut self.gathered);
        }
        if let Some(line) = last {
            self.sealer.seal(line, &mut self.gathered);
        }
        let Some(segment) = &mut self.segment else {
            return Err(io::Error::other("there is no segment"));
        };
        if let Err(error) = segment.write(&self.gathered) {
            self.sealer.at = before;
            return Err(error);
        }
        self.clock.marked();
        let file = Arc::clone(segment.file());
        let lines = self.sealer.at.seq.saturating_sub(before.seq);
        segment.count = segment.count.saturating_add(lines);
        self.written = self.written.saturating_add(lines);
        self.bytes.fetch_add(self.gathered.len() as u64, Ordering::Relaxed);
        self.unsynced = true;
        self.group.written(self.waiting.remove_first(count));
        if self.open == 0 && self.waiting.is_empty() && last.is_none() {
            self.settle();
        }
        Ok(file)
    }

    fn so_far(&self) -> Option<Written> {
        let segment = self.segment.as_ref()?;
        Some(Written {
            file: Arc::clone(segment.file()),
            stem: segment.stem().to_owned(),
            at: self.sealer.at,
            count: segment.count,
            settled: self.settled,
        })
    }

    /// Says when writing begins to fail, and when it works again.
    fn noted<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        let directory = self.place.directory().display();
        match &result {
            Err(error) if !self.failing => {
                tracing::error!(%directory, %error, "the audit journal cannot be written");
            }
            Ok(_) if self.failing => {
                tracing::warn!(%directory, "the audit journal can be written again");
            }
            _ => {}
        }
        self.failing = result.is_err();
        result
    }
}
