//! The one writer of lines: finds the segment to write to, and keeps outcomes until they can be.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::place::Place;
use super::segment::Segment;

/// How much room outcomes may take that cannot be written now. No intent is written either while
/// they wait, so that there are no more of them than requests were on their way.
const KEPT: usize = 64 << 20;

/// Outcomes wait for the next write up to this much: a system call costs more than what it writes.
const GATHERED: usize = 64 * 1024;

/// What is behind the journal's lock.
#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    segment: Option<Segment>,
    waiting: VecDeque<(Instant, Box<[u8]>)>,
    waiting_bytes: usize,
    /// Lines that are written together; kept, so that it need not be made again.
    gathered: Vec<u8>,
    written: u64,
    bytes: u64,
    /// Something was written since the last sync.
    unsynced: bool,
    /// The last attempt to write failed.
    failing: bool,
}

impl Writer {
    /// Begins a segment in a place.
    pub(super) fn begin(place: Place) -> io::Result<Self> {
        let mut writer = Self {
            place,
            segment: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            gathered: Vec::new(),
            written: 0,
            bytes: 0,
            unsynced: false,
            failing: false,
        };
        writer.segment()?;
        Ok(writer)
    }

    /// Writes a line, after all that wait: with one write, as long as they are few.
    pub(super) fn append(&mut self, line: &[u8]) -> io::Result<Arc<File>> {
        let written = if self.waiting_bytes.saturating_add(line.len()) > GATHERED {
            self.flush().and_then(|()| self.write(line, 1))
        } else {
            self.write_with_waiting(line)
        };
        self.noted(written)
    }

    /// Keeps a line for the next write, which the next record or the journal's thread makes; where
    /// many wait, writes them. Fails when there is no room.
    pub(super) fn append_or_keep(&mut self, line: &[u8]) -> io::Result<()> {
        let bytes = self.waiting_bytes.saturating_add(line.len());
        if bytes > GATHERED {
            let Err(error) = self.append(line) else { return Ok(()) };
            if bytes > KEPT {
                return Err(error);
            }
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back((Instant::now(), line.into()));
        Ok(())
    }

    fn write_with_waiting(&mut self, line: &[u8]) -> io::Result<Arc<File>> {
        if self.waiting.is_empty() {
            return self.write(line, 1);
        }
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.clear();
        self.waiting.iter().for_each(|(_, waiting)| gathered.extend_from_slice(waiting));
        gathered.extend_from_slice(line);
        let lines = self.waiting.len() as u64 + 1;
        let written = self.write(&gathered, lines);
        self.gathered = gathered;
        if written.is_ok() {
            self.waiting.clear();
            self.waiting_bytes = 0;
        }
        written
    }

    /// Writes what waits, oldest first.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let mut gathered = std::mem::take(&mut self.gathered);
            gathered.clear();
            let mut lines = 0;
            for (_, waiting) in &self.waiting {
                if lines > 0 && gathered.len() + waiting.len() > GATHERED {
                    break;
                }
                gathered.extend_from_slice(waiting);
                lines += 1;
            }
            let written = self.write(&gathered, lines as u64);
            let bytes = gathered.len();
            self.gathered = gathered;
            written?;
            self.waiting.drain(..lines);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
        Ok(())
    }

    /// Whether a line could be written now.
    pub(super) fn check(&mut self) -> io::Result<()> {
        let flushed = self.flush();
        let probed = flushed.and_then(|()| self.segment()?.probe());
        self.noted(probed)
    }

    /// Looks after what waits, and after the lock. Makes no directory: that is for a request to do,
    /// so that an operator who moves one away and back finds the path free in between.
    pub(super) fn tend(&mut self) {
        if self.place.is_there() && self.place.confirm().is_err() {
            self.give_up();
        }
        self.write_waiting();
    }

    /// Writes what waits for company only: after a failure `tend` tries again, and less often.
    pub(super) fn write_gathered(&mut self) {
        if !self.failing {
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
            Some(segment) if self.unsynced => segment.file().sync_data()?,
            _ => {}
        }
        self.unsynced = false;
        Ok(())
    }

    /// The file to sync, if something was written since this was asked last.
    pub(super) fn take_unsynced(&mut self) -> Option<Arc<File>> {
        let file = self.segment.as_ref().map(|segment| Arc::clone(segment.file()));
        std::mem::take(&mut self.unsynced).then_some(file).flatten()
    }

    /// Gives up the segment of this file. After a sync that failed nobody knows which of its lines
    /// are on the disk, and asking again is answered with a lie.
    pub(super) fn distrust(&mut self, file: &Arc<File>) {
        self.segment.take_if(|segment| Arc::ptr_eq(segment.file(), file));
    }

    /// How many lines were written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How long all segments are together.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// For how long the oldest line has waited.
    pub(super) fn lag(&self) -> Duration {
        self.waiting.front().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }

    /// Writes so many whole lines, or none of them.
    fn write(&mut self, text: &[u8], lines: u64) -> io::Result<Arc<File>> {
        let segment = self.segment()?;
        segment.write(text)?;
        let file = Arc::clone(segment.file());
        self.unsynced = true;
        self.written = self.written.saturating_add(lines);
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        Ok(file)
    }

    /// The segment, made sure of; a new one when the old one is not where it was.
    fn segment(&mut self) -> io::Result<&mut Segment> {
        if let Some(segment) = &mut self.segment
            && let Err(error) = segment.confirm()
        {
            tracing::error!(%error, "the audit segment is not what it was");
            self.give_up();
        }
        match &mut self.segment {
            Some(segment) => Ok(segment),
            none => {
                self.place.confirm()?;
                let begun = self.place.begin()?;
                self.bytes = self.place.segments()?.iter().map(|(_, size)| size).sum();
                Ok(none.insert(begun))
            }
        }
    }

    /// Leaves the segment; what it has goes to the disk, wherever it is now.
    fn give_up(&mut self) {
        if let Err(error) = self.sync() {
            tracing::error!(%error, "the audit segment that is left cannot be synced");
        }
        self.segment = None;
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
