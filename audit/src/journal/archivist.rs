//! The archivist: compresses closed segments, and removes those that are no longer needed here.
//!
//! A file is replaced in steps that can be interrupted anywhere: the compressed file is written under another name,
//! synced and renamed, and then the plain file is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::notary::Notary;
use super::now;
use super::shared::Shared;
use crate::checkpoint::SignedCheckpoint;
use crate::segments::{self, SegmentFile};

/// The interval between two looks at the directory.
const EVERY: Duration = Duration::from_secs(2);
/// The number of bytes that are compressed between two rests: a fraction of a millisecond.
const CHUNK: usize = 1 << 16;
/// The ratio of a rest to the work before it. A quarter of a core compresses more than one core's requests can write.
const REST: u32 = 3;
/// The niceness of the archivist's thread (`setpriority(2)`): a ninth of the weight of the other threads.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// The level of zstd: measured on records, half the time of level 3, and no larger (a tenth of what they were).
const LEVEL: i32 = 1;

/// How far each sink has come.
#[derive(Debug, Clone, Default)]
pub struct Delivered(Vec<Taken>);

/// How far one sink has come.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The number of the last record that the sink has taken.
    pub records: Arc<AtomicU64>,
    /// The sink has all checkpoints of the segments that begin before this record.
    pub vouched: Arc<AtomicU64>,
    /// Whether the sink is a database, which takes checkpoints, too.
    database: bool,
}

impl Delivered {
    /// Adds a sink that takes records alone. The sink updates the returned value.
    pub fn sink(&mut self) -> Taken {
        self.add(u64::MAX, false)
    }

    /// Adds a sink that takes checkpoints as well.
    pub fn database(&mut self) -> Taken {
        self.add(0, true)
    }

    fn add(&mut self, vouched: u64, database: bool) -> Taken {
        let taken = Taken { records: Arc::default(), vouched: Arc::new(vouched.into()), database };
        self.0.push(taken.clone());
        taken
    }

    /// The record up to which the database has everything; `None` without a database, or before it was asked.
    pub(super) fn to_database(&self) -> Option<u64> {
        let databases = self.0.iter().filter(|sink| sink.database);
        databases.map(|sink| sink.records.load(Ordering::Relaxed)).min().filter(|seq| *seq > 0)
    }

    /// Whether every sink has the records up to `last` of the segment that begins with the record `first`, and its
    /// checkpoints. `false` if there is no sink.
    fn have(&self, first: u64, last: u64) -> bool {
        let has = |sink: &Taken| {
            sink.records.load(Ordering::Relaxed) >= last
                && sink.vouched.load(Ordering::Relaxed) > first
        };
        !self.0.is_empty() && self.0.iter().all(has)
    }
}

/// Takes care of segments that are no longer written.
#[derive(Debug)]
pub(super) struct Archivist {
    pub(super) directory: PathBuf,
    pub(super) notary: Arc<Notary>,
    /// How long a segment stays that every sink has; `None`: for ever.
    pub(super) keep: Option<Duration>,
    pub(super) delivered: Delivered,
}

impl Archivist {
    /// Runs until the other end of `stop` is dropped.
    pub(super) fn keep(&self, shared: &Shared, stop: &Receiver<()>) {
        // On Linux this affects this thread only. Elsewhere it would be the whole process.
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "the archivist is as important as others");
        }
        let mut failing = false;
        while stop.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            let done = self.tidy(shared, stop);
            if let Err(error) = &done
                && !failing
            {
                tracing::warn!(%error, "the audit journal cannot be tidied up");
            }
            failing = done.is_err();
        }
    }

    /// Compresses and removes segments once.
    pub(super) fn tidy(&self, shared: &Shared, stop: &Receiver<()>) -> io::Result<()> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        let current = shared.writer().stem().map(str::to_owned);
        let found = segments::list(&self.directory)?;
        for segment in &found {
            if Some(&segment.stem) == current.as_ref() || segment.compressed {
                continue;
            }
            if let Some(last) = closing(segment)? {
                let records = last.checkpoint.count;
                tracing::debug!(segment = %segment.stem, records, "compressed");
                let checkpoints = segments::checkpoints(&self.directory, &segment.stem);
                compress(&checkpoints, stop)?;
                compress(&segment.path, stop)?;
            }
        }
        self.prune(&found)?;
        shared.recount(&self.directory)
    }

    /// Removes segments that every sink has and that are old enough.
    fn prune(&self, found: &[SegmentFile]) -> io::Result<()> {
        let Some(keep) = self.keep else { return Ok(()) };
        for segment in found {
            let Some(last) = closing(segment)? else { break };
            let (seq, time) = (last.checkpoint.seq, last.checkpoint.time);
            if !self.delivered.have(segment.first, seq) || now() - time < keep {
                break;
            }
            self.notary.prune(&last)?;
            let records = segments::records(&self.directory, &segment.stem);
            let checkpoints = segments::checkpoints(&self.directory, &segment.stem);
            for path in [records, checkpoints] {
                remove(&segments::compressed(&path))?;
                remove(&path)?;
            }
            tracing::info!(segment = %segment.stem, "every sink has this audit segment: taken away");
        }
        Ok(())
    }
}

/// The last checkpoint of a closed segment. Its signatures are not verified.
pub(super) fn closing(segment: &SegmentFile) -> io::Result<Option<SignedCheckpoint>> {
    let text = segment.checkpoints()?;
    let last = text.split_inclusive(|byte| *byte == b'\n').next_back();
    let last = last.and_then(SignedCheckpoint::parse);
    Ok(last.filter(|last| last.checkpoint.closed))
}

/// Replaces the plain file by a compressed one, with rests: others need the core more, and where it is full, half of
/// it would be too much to take.
fn compress(path: &Path, stop: &Receiver<()>) -> io::Result<()> {
    let mut from = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let (target, fresh) = (segments::compressed(path), path.with_extension("new"));
    let mut options = OpenOptions::new();
    let to = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    let mut encoder = zstd::Encoder::new(to, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let began = Instant::now();
        let read = from.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        io::Write::write_all(&mut encoder, chunk.get(..read).unwrap_or_default())?;
        if stop.recv_timeout(began.elapsed() * REST) == Err(RecvTimeoutError::Disconnected) {
            return remove(&fresh);
        }
    }
    encoder.finish()?.sync_all()?;
    fs::rename(&fresh, &target)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    remove(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
