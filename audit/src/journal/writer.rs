//! The one writer of lines: seals them, finds the segment to write to, and keeps outcomes until they can be written.

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

/// The maximum size of the outcomes that wait while nothing can be written. No intent is written meanwhile, so that
/// there are no more outcomes than requests were under way.
const KEPT: usize = 64 << 20;

/// The maximum size of the outcomes that wait for the next write: a system call costs more than what it writes. With
/// the durability `none` intents and denials wait as well: this makes it cheaper, and these records may be lost.
const GATHERED: usize = 64 * 1024;

/// The limits of the journal and its segments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The size of a segment above which another one follows.
    pub(super) segment_bytes: u64,
    /// The age of a segment above which another one follows.
    pub(super) segment_age: Duration,
    /// The size of the directory from which on no request is recorded.
    pub(super) quota: Option<u64>,
}

/// The written part of a segment: what a checkpoint is about.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) file: Arc<DiskFile>,
    pub(super) stem: String,
    pub(super) at: Position,
    pub(super) count: u64,
    pub(super) settled: u64,
}

/// The state behind the journal's lock.
#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    bounds: Bounds,
    instance: Arc<str>,
    sealer: Sealer,
    segment: Option<Segment>,
    /// Segments that were left and have no closing checkpoint yet.
    left: Vec<Written>,
    waiting: Waiting,
    /// The waiting records that requests wait for.
    group: Group,
    /// The buffer for lines that are written together, which is reused.
    gathered: Vec<u8>,
    written: u64,
    /// The size of the directory.
    bytes: Arc<AtomicU64>,
    /// The number of intents without an outcome that this process has written.
    open: u64,
    /// The number up to which every intent has its outcome.
    settled: u64,
    /// The number up to which checkpoints were requested.
    vouched: u64,
    /// Whether something was written since the last sync.
    unsynced: bool,
    /// Whether the last attempt to write failed.
    failing: bool,
    clock: Clock,
}

impl Writer {
    /// A writer that continues in `segment`, or in a new one, at the sealer's position.
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

    /// Writes a record, after all that wait: with one write, as long as those are few.
    pub(super) fn append(&mut self, line: &[u8], phase: Phase) -> io::Result<Arc<DiskFile>> {
        let written = self.room().and_then(|()| self.append_here(line));
        if written.is_ok() {
            self.count_open(phase);
        }
        self.noted(written)
    }

    /// Writes a record even if the quota is used up: what has begun is written to its end.
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

    /// Keeps a record for the next write, which the next record or the journal's thread makes; if many wait, writes
    /// them. Fails if there is no room.
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

    /// Writes the waiting records, oldest first.
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

    /// Writes what waits, checks the place, and ends a segment that is due if it `may_end` now. Creates no directory:
    /// a request does that, so that an operator who moves the directory away and back finds the path free in between.
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

    /// Writes records that wait only to be written together. After a failure nothing is written here: `tend` tries
    /// again, and less often.
    pub(super) fn write_gathered(&mut self) {
        if !self.failing {
            self.confirm_place();
            self.write_waiting();
        }
    }

    /// Writes the waiting records, if there are any. If that fails, they keep waiting, and the failure is logged.
    fn write_waiting(&mut self) {
        if !self.waiting.is_empty() {
            let flushed = self.flush();
            let _ = self.noted(flushed);
        }
    }

    /// Syncs everything to the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        match &self.segment {
            Some(segment) if self.unsynced => segment.file().sync()?,
            _ => {}
        }
        self.unsynced = false;
        Ok(())
    }

    /// The file to sync and the number of its last record, if something was written since the last call.
    pub(super) fn take_unsynced(&mut self) -> Option<(Arc<DiskFile>, u64)> {
        let file = self.segment.as_ref().map(|segment| Arc::clone(segment.file()));
        let unsynced = std::mem::take(&mut self.unsynced);
        // Segments that were left before are synced by the notary, which has to come first.
        file.filter(|_| unsynced && self.left.is_empty()).map(|file| (file, self.sealer.at.seq))
    }

    /// Leaves the segment of this file. After a failed sync it is unknown which of its lines are on the disk, and
    /// another sync would wrongly report success.
    pub(super) fn distrust(&mut self, file: &Arc<DiskFile>) {
        if self.segment.as_ref().is_some_and(|segment| Arc::ptr_eq(segment.file(), file)) {
            self.leave();
        }
    }

    /// The segments that were left since the last call.
    pub(super) fn take_left(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.left)
    }

    /// Takes back segments for which no checkpoint could be written.
    pub(super) fn give_back(&mut self, left: Vec<Written>) {
        self.left.splice(0..0, left);
    }

    /// The position of the journal, if it is further than at the last call. A segment that begins after the newest
    /// checkpoint has one, even while it has no record.
    pub(super) fn take_unvouched(&mut self) -> Option<Written> {
        if self.sealer.at.seq == self.vouched {
            return None;
        }
        let written = self.so_far()?;
        self.vouched = written.at.seq;
        Some(written)
    }

    /// Requests a checkpoint again, because the last one could not be written.
    pub(super) fn unvouched(&mut self) {
        self.vouched = u64::MAX;
    }

    /// Notes that every intent up to here has its outcome.
    pub(super) fn settle(&mut self) {
        self.settled = self.sealer.at.seq;
    }

    /// Continues with the number up to which every intent is known to have its outcome.
    pub(super) fn settled_before(&mut self, seq: u64) {
        self.settled = seq;
    }

    /// The number of lines that were written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// The position of the last record.
    pub(super) fn at(&self) -> Position {
        self.sealer.at
    }

    /// The stem of the segment that is being written.
    pub(super) fn stem(&self) -> Option<&str> {
        self.segment.as_ref().map(Segment::stem)
    }

    /// Whether a segment was left and has no closing checkpoint yet.
    pub(super) fn has_left(&self) -> bool {
        !self.left.is_empty()
    }

    /// The total size of the files.
    pub(super) fn bytes(&self) -> &Arc<AtomicU64> {
        &self.bytes
    }

    /// How long the oldest line has waited.
    pub(super) fn lag(&self) -> Duration {
        self.waiting.since().map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Seals and writes the first `count` waiting lines, then `last`: all of them, or none.
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

    /// Logs when writing begins to fail, and when it works again.
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
