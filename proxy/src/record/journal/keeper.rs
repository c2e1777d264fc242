//! The journal's thread: one sync for all who wait, and what has to happen though nobody asks.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Unrecordable;
use super::disk::DiskFile;
use super::shared::Shared;

/// How often the thread looks after what waits.
const TICK: Duration = Duration::from_millis(200);
/// How long an outcome waits at the most for a record to be written with.
const GATHER: Duration = Duration::from_millis(10);

/// Somebody waits until what is in this file is on the disk.
#[derive(Debug)]
pub(super) struct SyncRequest {
    pub(super) file: Arc<DiskFile>,
    pub(super) done: oneshot::Sender<Result<(), Unrecordable>>,
}

/// Runs until nobody can ask for anything any more.
pub(super) fn keep(shared: &Shared, work: &Receiver<SyncRequest>) {
    let mut next = Instant::now() + TICK;
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
            shared.tick();
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
    fn tick(&self) {
        let due = self.writer().due();
        if let Some(file) = due {
            // So that little is left to be synced while everybody waits.
            let _ = self.sync(&file);
        }
        self.writer().tend();
        // Failures are said by the writer, once; what was counted goes on being counted.
        let _ = self.write_summary(false);
        let unsynced = self.writer().take_unsynced();
        if let Some((file, seq)) = unsynced
            && self.sync(&file).is_ok()
        {
            self.synced().fetch_max(seq, Ordering::Relaxed);
        }
    }

    fn sync(&self, file: &Arc<DiskFile>) -> io::Result<()> {
        self.count_sync();
        file.sync().inspect_err(|error| {
            tracing::error!(error = error as &dyn Error, "the audit journal cannot be synced");
            self.writer().distrust(file);
        })
    }
}
