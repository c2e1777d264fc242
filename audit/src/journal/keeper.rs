//! The keeper: one sync for all requests that wait, and the periodic work of the journal.

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

/// The interval of the periodic work.
const TICK: Duration = Duration::from_millis(200);
/// The maximum time that an outcome waits for a record to be written with.
const GATHER: Duration = Duration::from_millis(10);

/// The duration above which a sync shows that the disk is busy: the next sync, which every request waits for while a
/// segment ends, would take long, too.
const QUICK: Duration = Duration::from_millis(4);
/// The maximum number of ticks that the end of a segment waits for a disk that is not busy.
const PATIENCE: u32 = 25;

/// A request to sync this file. A caller waits for the result.
#[derive(Debug)]
pub(super) struct SyncRequest {
    pub(super) file: Arc<DiskFile>,
    pub(super) done: oneshot::Sender<Result<(), Unrecordable>>,
}

/// Runs until the other end of `work` is dropped.
pub(super) fn keep(shared: &Shared, work: &Receiver<SyncRequest>) {
    let mut next = Instant::now() + TICK;
    let mut put_off = 0;
    loop {
        match work.recv_timeout(GATHER) {
            Ok(first) => {
                // All callers that have asked by now have written by now, so the next sync is theirs, too.
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
    /// Syncs each file once and answers every request. Returns the number of syncs.
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
            // A caller that has stopped waiting need not know.
            let _ = request.done.send(outcome);
        }
        files.len()
    }

    /// Writes waiting outcomes and summaries, which would otherwise wait for the next request; ends a segment that is
    /// due, and syncs. `put_off` is how often the end of the segment was put off.
    fn tick(&self, put_off: &mut u32) {
        self.writer().mind_clock();
        self.write_outage(false);
        let file = self.writer().due();
        let due = file.is_some();
        let may_end = file.is_some_and(|file| self.is_quick(&file) || *put_off >= PATIENCE);
        *put_off = if due && !may_end { put_off.saturating_add(1) } else { 0 };
        self.writer().tend(may_end);
        // The writer logs failures, once. What was counted stays counted.
        let _ = self.write_summary(false);
        let unsynced = self.writer().take_unsynced();
        if let Some((file, seq)) = unsynced
            && self.sync(&file).is_ok()
        {
            self.synced().fetch_max(seq, Ordering::Relaxed);
        }
    }

    /// Syncs a segment that is to end, so that little is left to sync while every request waits. Returns whether that
    /// was quick.
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
