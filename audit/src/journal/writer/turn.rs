//! The change from one segment to the next.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use time::{Duration, OffsetDateTime};

use super::Writer;
use crate::journal::disk::DiskFile;
use crate::journal::now;
use crate::journal::segment::Segment;
use crate::lines::NewHeader;
use crate::segments;

impl Writer {
    /// Whether the quota leaves room for a request.
    pub(in crate::journal) fn room(&self) -> io::Result<()> {
        match self.bounds.quota {
            Some(quota) if self.bytes.load(Ordering::Relaxed) >= quota => Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!("`audit.quota` is reached: {quota} bytes"),
            )),
            _ => Ok(()),
        }
    }

    /// The segment's file, if it is large or old enough to be followed by another one.
    pub(in crate::journal) fn due(&self) -> Option<Arc<DiskFile>> {
        let segment = self.segment.as_ref().filter(|segment| segment.count > 0)?;
        let large = segment.bytes() >= self.bounds.segment_bytes;
        let due = large || segment.since.elapsed() >= self.bounds.segment_age;
        due.then(|| Arc::clone(segment.file()))
    }

    /// Ends the segment and begins another one. The old segment is synced before the new one exists: after a loss of
    /// power the end of a segment is never missing before another.
    pub(in crate::journal) fn turn(&mut self) -> io::Result<()> {
        let synced = self.sync();
        self.leave();
        synced?;
        self.segment().map(drop)
    }

    /// The current segment; a new one if there is none, or the old one is far too large: mostly the journal's thread
    /// ends a segment, when all but its last part is on the disk.
    pub(super) fn segment(&mut self) -> io::Result<&mut Segment> {
        let bound = self.bounds.segment_bytes.saturating_mul(2);
        if self.segment.as_ref().is_some_and(|it| it.count > 0 && it.bytes() >= bound) {
            self.turn()?;
        }
        if let Some(segment) = &mut self.segment {
            segment.mend()?;
        } else {
            self.segment = Some(self.begin_segment()?);
        }
        self.segment.as_mut().ok_or_else(|| io::Error::other("there is no segment"))
    }

    pub(super) fn begin_segment(&mut self) -> io::Result<Segment> {
        self.place.confirm()?;
        let (at, now) = (self.sealer.at, now());
        let first = at.seq.saturating_add(1);
        let stem = self.next_stem(first, now);
        let header = NewHeader::new(&self.instance, first, at.head, now);
        let mut line = Vec::new();
        self.sealer.seal_header(&serde_json::to_vec(&header)?, &mut line);
        let begun = self.place.begin(stem).and_then(|mut segment| match segment.write(&line) {
            Ok(()) => Ok(segment),
            Err(error) => {
                segment.discard();
                Err(error)
            }
        });
        match &begun {
            Ok(_) => self.unsynced = true,
            Err(_) => self.sealer.at = at,
        }
        self.bytes.fetch_add(line.len() as u64, Ordering::Relaxed);
        begun
    }

    /// The stem of the segment that begins now. Its time is the greatest of the journal so far, so that names tell
    /// which segments can contain records of a time, however often the clock is set back; its first line has the time
    /// of the clock.
    fn next_stem(&mut self, first: u64, now: OffsetDateTime) -> String {
        let greatest = &mut self.clock.greatest;
        *greatest = now.max(*greatest);
        loop {
            let stem = segments::stem(first, *greatest);
            let records = segments::records(self.place.directory(), &stem);
            if !records.exists() && !segments::compressed(&records).exists() {
                return stem;
            }
            // An empty segment has this name, which was begun while the clock was behind.
            *greatest = greatest.saturating_add(Duration::MICROSECOND);
        }
    }

    /// Leaves the segment if its file is no longer at its place.
    pub(super) fn confirm_place(&mut self) {
        let confirmed = self.segment.as_ref().map_or(Ok(()), Segment::confirm);
        if let Err(error) = confirmed {
            tracing::error!(%error, "the audit segment is not where it was");
            self.give_up();
        }
    }

    /// Leaves the segment, and syncs its file, wherever that is now.
    pub(super) fn give_up(&mut self) {
        if let Err(error) = self.sync() {
            tracing::error!(%error, "the audit segment that is left cannot be synced");
        }
        self.leave();
    }

    pub(super) fn leave(&mut self) {
        self.left.extend(self.so_far());
        self.segment = None;
    }
}
