//! The journal: records on the local disk, before anybody acts on them.
//!
//! A directory of segments, `audit-<UTC time>-<random>.jsonl`, written by the one process that
//! holds the directory's lock. A line is whole or it is not there: a write that fails is cut off
//! again, and what a dying process tore is cut off at the next start.
//!
//! INVARIANT: when [`Journal::append`] or [`Journal::commit`] says `Ok`, the line is in a file that
//! was at its path during the call: in the kernel (`process`) or on the disk (`disk`, and then
//! only [`Journal::commit`]). After an error the next call tries again; nothing needs a restart.
//!
//! A record is written in place, under a lock that is held for one `stat` and one `write`: handing
//! it to a thread and waiting for the answer costs more (`notes/measured.md`). All lines pass
//! the `writer`, which is where a sequence number and a chain of hashes will go.

mod keeper;
mod place;
mod recovery;
mod segment;
mod shared;
mod strangers;
mod writer;

pub(super) use segment::is_segment;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::oneshot;

use self::keeper::SyncRequest;
use self::place::Place;
use self::shared::Shared;
use super::entry::Record;

pub use self::recovery::{Recovered, Tear};

/// What a record survives that was said to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The death of the process.
    #[default]
    Process,
    /// The loss of power.
    Disk,
    /// Nothing is promised: a record that cannot be written refuses no request.
    None,
}

/// Where the journal is and what it promises.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// The directory; made when it is not there.
    pub directory: PathBuf,
    /// What a record survives.
    pub durability: Durability,
    /// How many records of nobody are written one by one in a second.
    pub anonymous_per_second: u32,
}

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory cannot be made, read or written.
    #[error("the audit journal `{}` cannot be opened", path.display())]
    Unusable {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another gate writes there.
    #[error(
        "the audit journal `{}` is in use by another gate (process {holder}): give each its own `audit.directory`",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Its process id, as far as it is known.
        holder: String,
    },
    /// The thread that looks after the journal does not start.
    #[error("the audit journal's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// A record could not be written. Who needs it to be is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unrecordable {
    /// The file system did not take it.
    #[error("the audit journal cannot be written")]
    Unwritable(#[source] Arc<io::Error>),
    /// It has no spelling as JSON, which is a fault of this program.
    #[error("an audit record cannot be spelled")]
    Unspeakable(#[source] Arc<serde_json::Error>),
    /// The thread that looks after the journal is gone, which is a fault of this program.
    #[error("the audit journal is not looked after any more")]
    Abandoned,
}

impl From<io::Error> for Unrecordable {
    fn from(error: io::Error) -> Self {
        Self::Unwritable(Arc::new(error))
    }
}

/// What became of records in this process, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lines in the journal, closed intents and summaries included.
    pub written: u64,
    /// Records that were refused or lost.
    pub failed: u64,
    /// Records of nobody that are in the journal as part of a summary only.
    pub summarized: u64,
}

/// The journal of one gate. It writes what is left and gives the directory back when it is dropped.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    syncs: Option<Sender<SyncRequest>>,
    keeper: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal: takes the directory, cuts off what was torn, closes the intents that
    /// nobody closed, and begins a new segment.
    ///
    /// # Errors
    ///
    /// When the directory cannot be used, or another gate uses it.
    pub fn open(config: JournalConfig) -> Result<(Arc<Self>, Recovered), JournalError> {
        let durable = config.durability == Durability::Disk;
        let place = Place::take(config.directory, durable)?;
        let (writer, recovered) = recovery::recover(place)?;
        let shared = Shared::new(writer, config.durability, config.anonymous_per_second);
        let (syncs, work) = channel();
        let kept = Arc::clone(&shared);
        let keeper = std::thread::Builder::new()
            .name("audit-journal".into())
            .spawn(move || keeper::keep(&kept, &work))
            .map_err(JournalError::Thread)?;
        Ok((Arc::new(Self { shared, syncs: Some(syncs), keeper: Some(keeper) }), recovered))
    }

    /// Writes a record. It is in the kernel when this returns, which takes microseconds. On the
    /// disk it will be within a fraction of a second; who has to know when calls [`Self::commit`].
    ///
    /// # Errors
    ///
    /// When it cannot be written, unless the durability is `none`.
    pub fn append(&self, record: &impl Serialize) -> Result<(), Unrecordable> {
        self.shared.forgive(self.shared.append(record).map(drop))
    }

    /// Writes a record; when this returns, it is as durable as was configured.
    ///
    /// # Errors
    ///
    /// When it cannot be made so, unless the durability is `none`.
    pub async fn commit(&self, record: &(impl Serialize + Sync)) -> Result<(), Unrecordable> {
        match self.shared.append(record) {
            Ok(file) if self.shared.durability() == Durability::Disk => self.synced(file).await,
            other => self.shared.forgive(other.map(drop)),
        }
    }

    /// Takes an outcome. It is written with the next record, and within 10 ms; while nothing can be
    /// written it is kept in memory, and then written first of all.
    pub fn append_outcome(&self, record: &impl Serialize) {
        self.shared.append_outcome(record);
    }

    /// Writes a record of nobody, or counts it for the summary of this second when there were too
    /// many already.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub fn append_anonymous(&self, record: &Record) -> Result<(), Unrecordable> {
        if self.shared.counts_stranger(record) { Ok(()) } else { self.append(record) }
    }

    /// As [`Self::append_anonymous`], but as durable as was configured.
    ///
    /// # Errors
    ///
    /// As [`Self::commit`].
    pub async fn commit_anonymous(&self, record: &Record) -> Result<(), Unrecordable> {
        if self.shared.counts_stranger(record) { Ok(()) } else { self.commit(record).await }
    }

    /// Whether a record could be written now. Tries it, and leaves no trace.
    ///
    /// # Errors
    ///
    /// Says why not.
    pub fn check(&self) -> Result<(), Unrecordable> {
        if self.keeper.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(Unrecordable::Abandoned);
        }
        let checked = self.shared.writer().check().map_err(Unrecordable::from);
        if self.shared.durability() == Durability::None { Ok(()) } else { checked }
    }

    /// Writes summaries and outcomes that wait, and puts everything on the disk.
    ///
    /// # Errors
    ///
    /// When something is left that cannot be written.
    pub fn close(&self) -> Result<(), Unrecordable> {
        let summarized = self.shared.write_summary(true);
        let mut writer = self.shared.writer();
        writer.flush()?;
        writer.sync()?;
        summarized
    }

    /// What the durability was configured to be.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.shared.durability()
    }

    /// What became of the records so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// How many bytes of records there are in the directory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.writer().bytes()
    }

    /// For how long the oldest outcome has waited that is not written yet.
    #[must_use]
    pub fn lag(&self) -> Duration {
        self.shared.writer().lag()
    }

    /// Asks for a sync and waits for it, together with all who ask now.
    async fn synced(&self, file: Arc<File>) -> Result<(), Unrecordable> {
        let (done, answer) = oneshot::channel();
        let request = SyncRequest { file, done };
        let asked = self.syncs.as_ref().is_some_and(|syncs| syncs.send(request).is_ok());
        let synced = if asked { answer.await.ok() } else { None };
        synced.unwrap_or(Err(Unrecordable::Abandoned)).inspect_err(|_| self.shared.count_failure())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(error = &error as &dyn std::error::Error, "audit records are lost");
        }
        // Without a sender the thread ends, and with it the last hold on the directory.
        self.syncs = None;
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// The wall clock, for what no request is the reason of.
#[expect(
    clippy::disallowed_methods,
    reason = "names of segments and closed intents have no request"
)]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Makes a write beyond the process's file-size limit (`RLIMIT_FSIZE`) an error like a full disk,
/// instead of the end of the process. For the start, inside the runtime.
///
/// # Errors
///
/// When the signal cannot be caught.
pub fn ignore_file_size_signal() -> io::Result<()> {
    /// Of Linux, on all architectures but MIPS and SPARC.
    const SIGXFSZ: i32 = 25;
    // The handler stays when the stream is dropped.
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)).map(drop)
}

#[cfg(test)]
mod tests;
