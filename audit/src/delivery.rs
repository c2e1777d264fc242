//! Delivers records from the journal to its sinks: the audit table in a database, and standard output.
//!
//! No request waits for delivery. Each sink has a thread and a cursor of its own. A database stores itself which
//! record of this journal it has taken last, so that every record arrives exactly once, whichever process dies when;
//! the cursor of standard output is kept beside the journal, and records that were printed just before a crash are
//! printed again.
//!
//! A database also gets what vouches for records, in the journal's order: checkpoints after the records that they are
//! about, the first line of a segment before its records.
//!
//! INVARIANT: a sink gets only records that are on the disk. A loss of power takes back nothing that a sink has.

mod notice;
mod sink;
mod tail;
mod vouchers;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::chain;
use base::supervise::Supervisor;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use crate::Journal;
use crate::journal::Taken;

use notice::Notices;
pub use sink::{Sink, SinkError};
use tail::{Entry, Tail};
use vouchers::Vouchers;

/// How long a courier waits if the journal has no new records.
const IDLE: Duration = Duration::from_millis(100);
/// How often a courier looks for what vouches for records if nothing new was signed.
const LOOK: Duration = Duration::from_secs(1);
/// The time until the next attempt after a sink has failed.
const BACKOFF: Duration = Duration::from_secs(2);
/// The maximum number of records in one statement.
const BATCH: usize = 500;
/// The maximum time that a courier gets to end.
const FAREWELL: Duration = Duration::from_secs(1);
/// After a batch of this size a courier rests as long as it has worked: it is behind, but others need the core, too.
const BEHIND: usize = BATCH;

/// The task of a courier: one journal and one sink.
struct Errand {
    directory: PathBuf,
    instance: Arc<str>,
    /// The journal, which takes marks about the sink. The reference is weak, so that dropping the journal releases
    /// its directory.
    journal: Weak<Journal>,
    sink: Sink,
    /// The number of the last record that is on the disk.
    synced: Arc<AtomicU64>,
    /// The number of the last checkpoint.
    signed: Arc<AtomicU64>,
    /// How far the sink has come.
    delivered: Taken,
    /// The supervisor that keeps the courier alive.
    supervisor: Arc<Supervisor>,
}

/// The courier of a sink, which works in a thread of its own until it is dropped.
#[derive(Debug)]
pub struct Courier {
    synced: Arc<AtomicU64>,
    signed: Arc<AtomicU64>,
    delivered: Arc<AtomicU64>,
    /// Whether the sink takes checkpoints, too.
    vouched: bool,
    progress: Arc<Progress>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The progress of a sink, for the metrics.
#[derive(Debug)]
pub struct Progress {
    sink: &'static str,
    taken: AtomicU64,
    refused: AtomicU64,
    /// The time of the oldest record that waits for the sink, in microseconds of Unix time; 0 if none waits.
    oldest: AtomicI64,
    failing: AtomicBool,
    /// The number of the last checkpoint that the sink has.
    signed: AtomicU64,
}

impl Courier {
    /// Starts to deliver the records of `journal`, which is kept in `directory`, to `sink`, in a thread that
    /// `supervisor` keeps alive. The journal reads in `delivered` how far the sink has come.
    ///
    /// # Errors
    ///
    /// Fails if the system has no thread for the courier.
    pub fn send(
        journal: &Arc<Journal>,
        directory: &Path,
        sink: Sink,
        delivered: Taken,
        supervisor: &Arc<Supervisor>,
    ) -> io::Result<Self> {
        let errand = Errand {
            directory: directory.to_owned(),
            instance: Arc::clone(journal.instance()),
            journal: Arc::downgrade(journal),
            sink,
            synced: Arc::clone(journal.synced_to()),
            signed: Arc::clone(journal.signed_to()),
            delivered,
            supervisor: Arc::clone(supervisor),
        };
        let (stop, mut stopped) = oneshot::channel();
        let progress = Arc::new(Progress::of(errand.sink.name()));
        let (synced, signed) = (Arc::clone(&errand.synced), Arc::clone(&errand.signed));
        let (delivered, vouched) =
            (Arc::clone(&errand.delivered.records), errand.sink.table().is_some());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let supervisor = Arc::clone(&errand.supervisor);
        let mut round = Round {
            errand,
            tail: None,
            vouchers: None,
            looked: Instant::now(),
            notices: Notices::default(),
            progress: Arc::clone(&progress),
            batch: Vec::new(),
        };
        let thread = supervisor.thread("audit-courier", move || {
            runtime.block_on(async {
                tokio::select! {
                    () = round.keep_going() => {}
                    _ = &mut stopped => {}
                }
            });
        })?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { synced, signed, delivered, vouched, progress, stop, thread })
    }

    /// The progress of the sink.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Whether the sink has everything that is on the disk, or is failing now.
    pub fn is_done(&self) -> bool {
        let signed = self.progress.signed.load(Ordering::Relaxed);
        let vouched = !self.vouched || signed >= self.signed.load(Ordering::Relaxed);
        (vouched && self.delivered.load(Ordering::Relaxed) >= self.synced.load(Ordering::Relaxed))
            || self.progress.failing.load(Ordering::Relaxed)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop = None;
        // The reader of standard output may have stopped reading: the shutdown does not wait for it.
        let deadline = Instant::now() + FAREWELL;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            if Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Progress {
    fn of(sink: &'static str) -> Self {
        Self {
            sink,
            taken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            oldest: AtomicI64::new(0),
            failing: AtomicBool::new(false),
            signed: AtomicU64::new(0),
        }
    }

    /// The name of the sink: `sqlite`, `postgres` or `stdout`.
    pub fn sink(&self) -> &'static str {
        self.sink
    }

    /// The number of records that the sink has taken since the start.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The number of records that the sink has refused since the start because of what is in them.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The age, at `now`, of the oldest record that the sink has not taken; zero if there is none.
    pub fn lag(&self, now: OffsetDateTime) -> Duration {
        match self.oldest.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            micros => {
                let now = now.unix_timestamp_nanos() / 1_000;
                Duration::from_micros(u64::try_from(now - i128::from(micros)).unwrap_or_default())
            }
        }
    }

    /// Counts records as waiting from now on, if the sink does not answer and it is unknown what waits.
    fn waits_at_least_since_now(&self) {
        let now = i64::try_from(wall_clock().unix_timestamp_nanos() / 1_000).unwrap_or_default();
        let _known = self.oldest.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn waits(&self, entry: Option<&Entry>) {
        #[derive(Deserialize)]
        struct Made {
            #[serde(with = "super::encode::micros")]
            timestamp: OffsetDateTime,
        }
        let made = entry.and_then(|entry| serde_json::from_str::<Made>(&entry.line).ok());
        let micros = made.map_or(0, |made| made.timestamp.unix_timestamp_nanos() / 1_000);
        self.oldest.store(i64::try_from(micros).unwrap_or_default(), Ordering::Relaxed);
    }
}

/// The state of a courier from one round to the next.
struct Round {
    errand: Errand,
    tail: Option<Tail>,
    vouchers: Option<Vouchers>,
    /// When the courier last looked for what vouches for records.
    looked: Instant,
    notices: Notices,
    progress: Arc<Progress>,
    /// Records that were read and not taken yet.
    batch: Vec<Entry>,
}

impl Round {
    async fn keep_going(&mut self) {
        self.errand.sink.begin(&self.errand.supervisor);
        self.forget();
        loop {
            let wait = self.go().await;
            tokio::time::sleep(wait).await;
        }
    }

    /// Delivers one batch. Returns how long to wait before the next one.
    async fn go(&mut self) -> Duration {
        let began = Instant::now();
        let delivered = self.deliver().await;
        let failed = delivered.is_err();
        let said = self.progress.failing.swap(failed, Ordering::Relaxed);
        match delivered {
            Ok(0) => IDLE,
            Ok(records) if records >= BEHIND => began.elapsed(),
            Ok(_) => Duration::ZERO,
            Err(error) => {
                self.progress.waits_at_least_since_now();
                if !said {
                    let sink = self.errand.sink.name();
                    tracing::warn!(sink, error = %chain(&error), "audit records wait for their sink");
                }
                BACKOFF
            }
        }
    }

    async fn deliver(&mut self) -> Result<usize, SinkError> {
        let synced = self.errand.synced.load(Ordering::Relaxed);
        if self.batch.is_empty() {
            let tail = match &mut self.tail {
                Some(tail) => tail,
                none => none.insert(begin(&self.errand, &mut self.notices).await?),
            };
            self.batch = tail.read(synced, BATCH)?;
            self.progress.waits(self.batch.first());
        }
        self.vouch().await.inspect_err(|_| self.forget())?;
        self.notices.look(&self.errand).await?;
        let Some(last) = self.batch.last().map(|entry| entry.at.seq) else { return Ok(0) };
        let lines: Vec<&str> = self.batch.iter().map(|entry| entry.line.as_str()).collect();
        let stored = self.errand.sink.store(&lines, last, &self.errand.journal).await;
        // The sink may have taken the batch all the same, so it is asked again for its position.
        let (taken, refused) = stored.inspect_err(|_| self.forget())?;
        self.progress.taken.fetch_add(taken, Ordering::Relaxed);
        self.progress.refused.fetch_add(refused, Ordering::Relaxed);
        self.errand.delivered.records.store(last, Ordering::Relaxed);
        let count = self.batch.len();
        self.batch.clear();
        if last >= synced {
            self.progress.waits(None);
        }
        Ok(count)
    }

    /// Forgets what was read. After a failure the position of the sink is unknown, and the sink is asked again.
    fn forget(&mut self) {
        self.tail = None;
        self.vouchers = None;
        self.batch = Vec::new();
    }

    /// Delivers what vouches for the records that the sink has, and the first line of the segment that follows.
    async fn vouch(&mut self) -> Result<(), SinkError> {
        let Some(table) = self.errand.sink.table() else { return Ok(()) };
        let instance = &self.errand.instance;
        if self.vouchers.is_none() {
            let last = table.last_voucher(instance).await?;
            self.vouchers = Some(Vouchers::behind(&self.errand.directory, last.as_ref())?);
        }
        let Some(vouchers) = &mut self.vouchers else { return Ok(()) };
        let signed = self.errand.signed.load(Ordering::Relaxed);
        let known = self.progress.signed.load(Ordering::Relaxed);
        // A new segment is looked for all the same: once it has begun, the one before it may be removed.
        if known >= signed && self.batch.is_empty() && self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        let delivered = self.errand.delivered.records.load(Ordering::Relaxed);
        loop {
            let lines = vouchers.read(delivered, BATCH)?;
            self.errand.delivered.vouched.store(vouchers.segment(), Ordering::Relaxed);
            if lines.is_empty() {
                return Ok(());
            }
            self.errand.sink.vouch(instance, &lines).await?;
            let last = lines.iter().map(|it| it.number).max().unwrap_or_default();
            self.progress.signed.fetch_max(last, Ordering::Relaxed);
        }
    }
}

/// Asks the sink for its position, and makes sure that it has records of this journal.
async fn begin(errand: &Errand, notices: &mut Notices) -> Result<Tail, SinkError> {
    let at = errand.sink.position(&errand.instance).await?;
    let seq = at.as_ref().map_or(0, |at| at.seq);
    let chain = at.and_then(|at| at.chain);
    if let Some(chain) = chain {
        let mut tail = Tail::new(&errand.directory, seq.saturating_sub(1));
        let found = tail.read(seq, 1)?;
        let ours = found.first().filter(|entry| entry.at.seq == seq);
        let ahead = seq > errand.synced.load(Ordering::Relaxed);
        if ours.is_some_and(|entry| entry.at.head.to_string() != chain) || (ours.is_none() && ahead)
        {
            return Err(SinkError::Forked { seq, instance: errand.instance.to_string() });
        }
    }
    notices.begun(errand, seq)?;
    errand.delivered.records.store(seq, Ordering::Relaxed);
    Ok(Tail::new(&errand.directory, seq))
}

#[expect(clippy::disallowed_methods, reason = "since when a sink fails is asked by no request")]
fn wall_clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
