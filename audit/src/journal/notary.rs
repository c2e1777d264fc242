//! The notary: signs once a second how far the journal is.
//!
//! INVARIANT: what a checkpoint is about was on the disk before the checkpoint was, so that a loss of power never
//! makes a checkpoint wrong, whatever the durability. The exception is a segment that the disk has failed to take:
//! this is logged, and the segment is left. A segment's last checkpoint is written before the first one of the
//! segment after it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::archivist::Delivered;
use super::now;
use super::shared::Shared;
use super::writer::Written;
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::segments;
use crate::signing::{PublicKey, Signer, SigningError};

/// The interval between two checkpoints.
const EVERY: Duration = Duration::from_secs(1);

/// Signs for a journal.
#[derive(Debug)]
pub(super) struct Notary {
    directory: PathBuf,
    instance: Arc<str>,
    signer: Signer,
    /// The keys that were trusted at the start.
    trusted: Vec<PublicKey>,
    failing: AtomicBool,
    /// A lock: checkpoints are made one after the other.
    turn: Mutex<()>,
    /// The number of the last checkpoint.
    number: Arc<AtomicU64>,
    /// How far the sinks have come.
    delivered: Delivered,
    /// What the last checkpoint says about the database.
    claimed: AtomicU64,
}

/// The state from which a notary continues.
#[derive(Debug)]
pub(super) struct Before {
    /// The keys that were trusted at the start.
    pub(super) trusted: Vec<PublicKey>,
    /// The number of the last checkpoint.
    pub(super) number: u64,
    /// How far the sinks have come.
    pub(super) delivered: Delivered,
}

impl Notary {
    /// A notary that signs with these keys. Puts their public halves beside the journal.
    pub(super) fn new(
        directory: PathBuf,
        instance: Arc<str>,
        signer: Signer,
        before: Before,
    ) -> Result<Self, SigningError> {
        let (failing, turn, claimed) = Default::default();
        let Before { trusted, number, delivered } = before;
        let number = Arc::new(number.into());
        let notary = Self {
            directory,
            instance,
            signer,
            trusted,
            failing,
            turn,
            number,
            delivered,
            claimed,
        };
        notary.publish_keys()?;
        Ok(notary)
    }

    /// Runs until the other end of `stop` is dropped.
    pub(super) fn keep(&self, shared: &Shared, stop: &Receiver<()>) {
        while stop.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
            // `attest` logs a failure once; the next attempt is in a second.
            let _ = self.attest(shared);
        }
    }

    /// Whether the last attempt to sign has failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// The number of the last checkpoint.
    pub(super) fn number(&self) -> &Arc<AtomicU64> {
        &self.number
    }

    /// Signs what was written since the last call: syncs it to the disk, then signs.
    pub(super) fn attest(&self, shared: &Shared) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let attested = self.close_left(shared).and_then(|()| self.attest_newest(shared));
        let failed = attested.is_err();
        if let Err(error) = &attested
            && !self.failing.load(Ordering::Relaxed)
        {
            tracing::error!(%error, "the audit journal cannot be signed");
        }
        self.failing.store(failed, Ordering::Relaxed);
        attested
    }

    fn close_left(&self, shared: &Shared) -> io::Result<()> {
        let left = shared.writer().take_left();
        for (index, written) in left.iter().enumerate() {
            shared.count_sync();
            let stated = self.state(written, true);
            shared
                .synced()
                .fetch_max(stated.as_ref().map_or(0, |()| written.at.seq), Ordering::Relaxed);
            if let Err(error) = stated {
                let rest = left.get(index..).unwrap_or_default().to_vec();
                shared.writer().give_back(rest);
                return Err(error);
            }
        }
        Ok(())
    }

    fn attest_newest(&self, shared: &Shared) -> io::Result<()> {
        let written = {
            let mut writer = shared.writer();
            // The end of delivery is signed as well: what the database lacks afterwards was removed there.
            if self.delivered.to_database() >= Some(writer.at().seq) && self.is_unclaimed() {
                writer.unvouched();
            }
            // A segment that was left since then comes first.
            if writer.has_left() { None } else { writer.take_unvouched() }
        };
        let Some(written) = written else { return Ok(()) };
        shared.count_sync();
        self.state(&written, false).inspect_err(|_| {
            let mut writer = shared.writer();
            writer.unvouched();
            if written.file.has_failed() {
                writer.distrust(&written.file);
            }
        })?;
        shared.synced().fetch_max(written.at.seq, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the database has taken more than the last checkpoint says.
    fn is_unclaimed(&self) -> bool {
        self.delivered.to_database() > Some(self.claimed.load(Ordering::Relaxed))
    }

    fn state(&self, written: &Written, closed: bool) -> io::Result<()> {
        let synced = written.file.sync();
        // A segment that could not be synced is signed all the same: if its records are lost, the checkpoint shows
        // it.
        match synced {
            Err(error) if closed => {
                tracing::error!(segment = %written.stem, %error, "an audit segment may not be on the disk");
            }
            synced => synced?,
        }
        let checkpoint = self.checkpoint(written, closed);
        let (number, claimed) = (checkpoint.number, checkpoint.delivered);
        let line = checkpoint.sign(&self.signer)?;
        if !self.directory.join(segments::PUBLIC_KEYS).exists() {
            self.publish_keys().map_err(io::Error::other)?;
        }
        append(&segments::checkpoints(&self.directory, &written.stem), &line)?;
        self.number.store(number.unwrap_or_default(), Ordering::Relaxed);
        self.claimed.store(claimed.unwrap_or_default(), Ordering::Relaxed);
        replace(&self.directory.join(segments::HEAD), &line)
    }

    /// Signs that everything up to the end of a segment was removed. `last` has to be signed itself, so that nobody
    /// has other records removed by changing it.
    pub(super) fn prune(&self, last: &SignedCheckpoint) -> io::Result<()> {
        if !last.verify(&mut self.trusted.clone()) {
            let segment = &last.checkpoint.segment;
            return Err(io::Error::other(format!("the last checkpoint of {segment} is not ours")));
        }
        let last = last.checkpoint.clone();
        let pruned = Checkpoint { pruned: true, closed: false, time: now(), ..last };
        let line = pruned.sign(&self.signer)?;
        replace(&self.directory.join(segments::PRUNED), &line)
    }

    fn checkpoint(&self, written: &Written, closed: bool) -> Checkpoint {
        Checkpoint {
            instance: self.instance.to_string(),
            segment: written.stem.clone(),
            seq: written.at.seq,
            head: written.at.head,
            time: now(),
            count: written.count,
            settled: written.settled,
            closed,
            pruned: false,
            number: Some(self.number.load(Ordering::Relaxed).saturating_add(1)),
            delivered: self.delivered.to_database(),
            keys: Vec::new(),
        }
    }

    /// Adds the public keys to the file of all keys that were ever used.
    fn publish_keys(&self) -> Result<(), SigningError> {
        let file = self.directory.join(segments::PUBLIC_KEYS);
        let mut keys = if file.exists() { PublicKey::read_all(&file)? } else { Vec::new() };
        let new: Vec<_> = self.signer.keys().filter(|key| !keys.contains(key)).collect();
        if new.is_empty() {
            return Ok(());
        }
        keys.extend(new);
        let pem: String = keys.iter().map(|key| key.to_pem()).collect();
        replace(&file, pem.as_bytes()).map_err(|error| SigningError::File(file, error))
    }
}

/// Appends whole lines to a file, and syncs it. What a failed attempt has left is cut off first.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(path)?;
    let whole = whole(path)?;
    if file.metadata()?.len() > whole {
        file.set_len(whole)?;
    }
    file.write_all(lines)?;
    file.sync_data()
}

/// The length of the whole lines of a file.
fn whole(path: &Path) -> io::Result<u64> {
    /// The maximum length of a checkpoint.
    const REACH: u64 = 64 * 1024;
    let length = fs::metadata(path)?.len();
    let from = length.saturating_sub(REACH);
    let tail = segments::read_part(path, from, REACH)?;
    Ok(memchr::memrchr(b'\n', &tail).map_or(0, |end| from + end as u64 + 1))
}

/// Replaces a file atomically: a reader gets the old text or the new one.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text)?;
    file.sync_data()?;
    fs::rename(fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new("."))).and_then(|it| it.sync_all())
}
