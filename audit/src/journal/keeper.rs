//! The journal's thread: one sync for all who wait, and what has to happen though nobody asks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Unrecordable;
use super::disk::DiskFile;
use super::shared::Shared;
use base::chain;

/// How often the thread looks after what waits.
const TICK: Duration = Duration::from_millis(200);
/// How long an outcome waits at the most for a record to be written with.
const GATHER: Duration = Duration::from_millis(10);

/// A sync that takes longer tells of a disk that is busy: the next one, for which everybody waits
/// while a segment ends, would take long, too.
const QUICK: Duration = Duration::from_millis(4);
/// A segment that is to end waits so many ticks for a disk that is not busy.
const PATIENCE: u32 = 25;

/// Somebody waits until what is in this file is on the disk.
#[derive(Debug)]
pub(super) struct SyncRequest {
    pub(super) file: Arc<DiskFile>,
    pub(super) done: oneshot::Sender<Result<(), Unrecordable>>,
}

/// Runs until nobody can ask for anything any more.
pub(super) fn keep(shared: &Shared, work: &Receiver<SyncRequest>) {
    let mut next = Instant::now() + TICK;
    let mut put_off = 0;
    loop {
        match work.recv_timeout(GATHER) {
            Ok(first) => {
                // Whoever has asked by now has written by now: the sync that follows is theirs too.
                let all: Vec<_> = std::iter::once(first).chain(work.try_iter()).collect();
                shared.sync_for(all);
            }
            Err(RecvTimeoutError::Timeout) => shared.writer().write_gathered(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if Instant::now() >= next {
            shared.tick(&mut put_off);
            next = Instant::now() + TICK;
        }
    }
}

impl Shared {
    /// Syncs each file once and answers everybody. Says how many syncs that took.
    pub(super) fn sync_for(&self, requests: Vec<SyncRequest>) -> usize {
        let mut files: Vec<(Arc<DiskFile>, Result<(), Unrecordable>)> = Vec::with_capacity(1);
        for request in requests {
            let known = files.iter().find(|(file, _)| Arc::ptr_eq(file, &request.file));
            let outcome = if let Some((_, outcome)) = known {
                outcome.clone()
            } else {
                let outcome = self.sync(&request.file).map_err(Unrecordable::from);
                files.push((request.file, outcome.clone()));
                outcome
            };
            // Who does not wait any more need not know.
            let _ = request.done.send(outcome);
        }
        files.len()
    }

    /// Writes outcomes and summaries that wait; without it they would wait for the next request.
    /// `put_off`: so often the end of a segment has been.
    fn tick(&self, put_off: &mut u32) {
        self.writer().mind_clock();
        self.write_outage(false);
        let file = self.writer().due();
        let due = file.is_some();
        let may_end = file.is_some_and(|file| self.is_quick(&file) || *put_off >= PATIENCE);
        *put_off = if due && !may_end { put_off.saturating_add(1) } else { 0 };
        self.writer().tend(may_end);
        // Failures are said by the writer, once; what was counted goes on being counted.
        let _ = self.write_summary(false);
        let unsynced = self.writer().take_unsynced();
        if let Some((file, seq)) = unsynced
            && self.sync(&file).is_ok()
        {
            self.synced().fetch_max(seq, Ordering::Relaxed);
        }
    }

    /// Syncs what a segment has that is to end, so that little is left to be synced while everybody
    /// waits; whether that was quick.
    fn is_quick(&self, file: &Arc<DiskFile>) -> bool {
        let began = Instant::now();
        self.sync(file).is_ok() && began.elapsed() < QUICK
    }

    fn sync(&self, file: &Arc<DiskFile>) -> io::Result<()> {
        self.count_sync();
        file.sync().inspect_err(|error| {
            tracing::error!(error = %chain(error), "the audit journal cannot be synced");
            self.writer().distrust(file);
        })
    }
}
