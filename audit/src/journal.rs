//! The journal: records on the local disk, written before the gate acts on them.
//!
//! A journal is a directory of segments (`segments.rs` names them, `seal.rs` describes a line), written by the one
//! process that holds the lock of the directory. A line is whole or absent: a write that fails is cut off again, and
//! what a dying process tore is cut off at the next start.
//!
//! INVARIANT: when [`Journal::append`] or [`Journal::commit`] says `Ok`, the line is in a file that
//! was at its place within the last 10 ms: in the kernel (`process`) or on the disk (`disk`, and then
//! only [`Journal::commit`]). After an error the next call tries again; nothing needs a restart.
//!
//! A record is written in place, under a lock that is held for one `write`: handing it to a thread and waiting for
//! the answer costs fifty times as much, and memory that is mapped onto a file ends the process when the disk fails
//! (`docs/adr/0004`). Three threads do what no request waits for: `keeper` syncs files and writes what waits,
//! `notary` signs, `archivist` compresses and removes segments.

mod archivist;
mod config;
mod disk;
mod error;
mod keeper;
mod notary;
mod notes;
mod opening;
mod place;
mod recovery;
mod segment;
mod shared;
mod strangers;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::oneshot;

use self::disk::DiskFile;
use self::keeper::SyncRequest;
use self::notary::Notary;
use self::shared::Shared;
use super::entry::Record;
use super::seal::Position;
use base::chain;

pub use self::archivist::{Delivered, Taken};
pub use self::config::{Durability, JournalConfig, OnDamage};
pub use self::error::{JournalError, Unrecordable};
pub(super) use self::notary::replace;
pub use self::recovery::{ClockBack, Recovered, Tear};

/// The percentage of the quota from which on the journal warns.
const NEARLY: u64 = 80;

/// Numbers of records in this process, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lines in the journal, closed intents and summaries included.
    pub written: u64,
    /// Records that were refused or lost.
    pub failed: u64,
    /// Anonymous records that are in the journal only as part of a summary.
    pub summarized: u64,
}

/// The journal of one gate. When it is dropped, it writes what is left and releases the directory.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    notary: Arc<Notary>,
    instance: Arc<str>,
    quota: Option<u64>,
    claimed: Option<u64>,
    syncs: Option<Sender<SyncRequest>>,
    /// The threads end when these senders are dropped.
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Journal {
    /// Writes a record. The record is in the kernel when this returns, which takes microseconds, and on the disk
    /// within about a second. [`Self::commit`] waits for the configured durability.
    ///
    /// # Errors
    ///
    /// Fails if the record cannot be written, unless the durability is `none`.
    pub fn append(&self, record: &Record) -> Result<(), Unrecordable> {
        self.shared.forgive(self.shared.append(record).map(drop))
    }

    /// Writes a record; when this returns, the record is as durable as configured.
    ///
    /// # Errors
    ///
    /// Fails if the record cannot be made as durable, unless the durability is `none`.
    pub async fn commit(&self, record: &Record) -> Result<(), Unrecordable> {
        if self.shared.durability() == Durability::Process {
            return self.shared.append_with_others(record).await;
        }
        match self.shared.append(record) {
            Ok(Some(file)) if self.shared.durability() == Durability::Disk => {
                self.synced(file).await
            }
            other => self.shared.forgive(other.map(drop)),
        }
    }

    /// Takes an outcome, which is written with the next record, and within 10 ms. While nothing can be written, the
    /// outcome is kept in memory, and then written first of all.
    pub fn append_outcome(&self, record: &Record) {
        self.shared.append_outcome(record);
    }

    /// Writes the record of an anonymous refusal, or counts it for the summary of this second if there were too many
    /// already.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub fn append_anonymous(&self, record: &Record) -> Result<(), Unrecordable> {
        if self.shared.counts_stranger(record) { Ok(()) } else { self.append(record) }
    }

    /// As [`Self::append_anonymous`], but as durable as configured.
    ///
    /// # Errors
    ///
    /// As [`Self::commit`].
    pub async fn commit_anonymous(&self, record: &Record) -> Result<(), Unrecordable> {
        if self.shared.counts_stranger(record) { Ok(()) } else { self.commit(record).await }
    }

    /// Makes the intent of an anonymous request durable, or counts it for the summary of this second. Returns whether
    /// it was only counted: then its outcome goes to [`Self::count_outcome`].
    ///
    /// # Errors
    ///
    /// As [`Self::commit`]. While summaries cannot be written, no intent is merely counted, so that no request is
    /// forwarded that no record could tell of.
    pub async fn commit_or_count(&self, intent: &Record) -> Result<bool, Unrecordable> {
        if self.shared.counts_stranger(intent) {
            return Ok(true);
        }
        self.commit(intent).await.map(|()| false)
    }

    /// Counts the outcome of a request whose intent was counted. If the outcome names a user, both are recorded as
    /// well, so that a flood of requests hides no sign-in.
    pub fn count_outcome(&self, outcome: &Record) {
        self.shared.count_outcome(outcome);
        if outcome.user_id.is_some() {
            self.append_outcome(&outcome.intent_of_outcome());
            self.append_outcome(outcome);
        }
    }

    /// Whether a record could be written now, with a warning if there is one. Tries a write, and leaves no trace.
    ///
    /// # Errors
    ///
    /// Fails with the reason if no record could be written.
    pub fn check(&self) -> Result<Option<String>, Unrecordable> {
        if self.threads.iter().any(JoinHandle::is_finished) {
            return Err(Unrecordable::Abandoned);
        }
        let checked = self.shared.writer().check().map_err(Unrecordable::from);
        if self.shared.durability() == Durability::None {
            let why = checked.err().map(|error| format!("; now: {error}")).unwrap_or_default();
            return Ok(Some(format!("`audit.durability: none`: records may be lost{why}")));
        }
        checked.map(|()| self.warning())
    }

    fn warning(&self) -> Option<String> {
        let bytes = self.bytes();
        let nearly = |quota: &u64| bytes.saturating_mul(100) >= quota.saturating_mul(NEARLY);
        if let Some(quota) = self.quota.filter(nearly) {
            return Some(format!(
                "{bytes} bytes of `audit.quota: {quota}` are used: at the quota requests are refused"
            ));
        }
        self.notary.is_failing().then(|| "the journal is written, but cannot be signed".to_owned())
    }

    /// Writes waiting summaries and outcomes, syncs everything to the disk, and signs it.
    ///
    /// # Errors
    ///
    /// Fails if something is left that cannot be written.
    pub fn close(&self) -> Result<(), Unrecordable> {
        let summarized = self.shared.write_summary(true);
        self.shared.write_outage(true);
        {
            let mut writer = self.shared.writer();
            writer.flush()?;
            writer.sync()?;
        }
        self.notary.attest(&self.shared)?;
        summarized
    }

    /// The configured durability.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.shared.durability()
    }

    /// The id of the journal.
    #[must_use]
    pub fn instance(&self) -> &Arc<str> {
        &self.instance
    }

    /// How often files were synced to the disk.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.syncs()
    }

    /// Writes a mark, even if the quota is used up.
    ///
    /// # Errors
    ///
    /// Fails if the mark cannot be written.
    pub(super) fn write_mark(&self, mark: &Record) -> Result<(), Unrecordable> {
        self.shared.write_mark(mark)
    }

    /// How often the clock was found to have been set back, the start included.
    #[must_use]
    pub fn clocks_back(&self) -> u64 {
        self.shared.writer().clocks_back()
    }

    /// The number of the last checkpoint.
    pub(crate) fn signed_to(&self) -> &Arc<AtomicU64> {
        self.notary.number()
    }

    /// The record up to which the database had taken everything, as the journal said when it was opened.
    pub(crate) fn claimed(&self) -> Option<u64> {
        self.claimed
    }

    /// The position of the last record.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.writer().at()
    }

    /// The number of the last record that is known to be on the disk.
    pub(crate) fn synced_to(&self) -> &Arc<AtomicU64> {
        self.shared.synced()
    }

    /// The numbers of records so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// The size of the directory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes()
    }

    /// The maximum size of the directory, in bytes, if there is one.
    #[must_use]
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }

    /// How long the oldest outcome has waited that is not written yet.
    #[must_use]
    pub fn lag(&self) -> Duration {
        self.shared.writer().lag()
    }

    /// Requests a sync and waits for it, together with all callers that wait now.
    async fn synced(&self, file: Arc<DiskFile>) -> Result<(), Unrecordable> {
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
            tracing::error!(error = %chain(&error), "audit records are lost");
        }
        // Without senders the threads end, and with them the last hold on the directory.
        self.syncs = None;
        self.stops.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The wall clock, for work that no request causes.
#[expect(
    clippy::disallowed_methods,
    reason = "names of segments and closed intents have no request"
)]
pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Makes a write beyond the process's file-size limit (`RLIMIT_FSIZE`) an error like a full disk, instead of the end
/// of the process. Called at the start, inside the runtime.
///
/// # Errors
///
/// Fails if the signal cannot be caught.
pub fn ignore_file_size_signal() -> io::Result<()> {
    /// The number of the signal on Linux, on all architectures but MIPS and SPARC.
    const SIGXFSZ: i32 = 25;
    // The handler stays when the stream is dropped.
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)).map(drop)
}

#[cfg(test)]
mod tests;
