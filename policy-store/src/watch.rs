//! Holds the newest good bundle, and swaps it in while requests run.
//!
//! A good bundle is published as one snapshot: each request is judged by exactly one. A bad bundle changes
//! nothing, and is reported until a good one comes.
//!
//! INVARIANT: the archive's last good bundle is one that a start accepts. The gate checks that before a new
//! bundle is in force. While the database does not answer, the check is impossible: the bundle then comes into
//! force, since it may be a revocation, but does not become the last good one.

mod admission;
mod folder;
mod opening;
mod reading;
mod settling;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use base::supervise::Supervisor;

use crate::archive::Archive;
use crate::bundle::{Bundle, Finding, Findings, Loader, Sources, giving_way};

use admission::guards_gone;
pub use admission::{
    Candidate, Emergency, Examined, Examiner, Listener, Occasion, Recorder, Remarks, TestCounts,
};
use folder::Mark;
pub use opening::Opening;

/// A bundle with its place in the history of this process.
#[derive(Debug)]
pub struct Published {
    /// The bundle.
    pub bundle: Bundle,
    /// The number of the bundle among those published by this process, from 1.
    pub generation: u64,
    /// When the bundle was loaded.
    pub loaded_at: SystemTime,
    /// Whether the bundle comes from the archive, because the folder had no good one at the start.
    pub archived: bool,
}

/// The outcome of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// A new bundle is in force.
    Applied,
    /// The folder holds the bundle that is in force.
    Unchanged,
    /// The folder holds a bad bundle; the old one stays in force.
    Rejected(Findings),
}

impl Reload {
    /// Returns the outcome as one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected(_) => "rejected",
        }
    }
}

/// A callback that prepares for a bundle that is about to come into force.
pub type Rehearsal = dyn Fn(&Published) + Send + Sync;

/// The bundle in force, and the folder it comes from.
pub struct BundleStore {
    directory: PathBuf,
    archive: Option<Archive>,
    current: ArcSwap<Published>,
    /// The remarks on the bundle in force.
    remarks: ArcSwap<Remarks>,
    /// What is wrong with the newest bundle, while it is a bad one.
    rejected: Mutex<Option<Findings>>,
    /// The lock that is held throughout a reload: two at a time could publish in the wrong order.
    work: Mutex<Work>,
    /// The marks of the folder when it was first read.
    seen: Vec<Mark>,
    listener: Box<Listener>,
    rehearsal: OnceLock<Arc<Rehearsal>>,
    examiner: OnceLock<Arc<Examiner>>,
    recorder: OnceLock<Arc<Recorder>>,
}

/// The state of reloads.
#[derive(Debug, Default)]
struct Work {
    loader: Loader,
    /// The findings about unreadable test files beside the bundle in force.
    unread: Vec<Finding>,
    /// The results for the bundle that admission refused last.
    refused: Option<Refused>,
    /// The bundles that were in force. The owner of the last reference to a bundle spends the time to drop it,
    /// and that must not be a request.
    retired: Vec<Arc<Published>>,
}

/// A bundle that admission has refused. When it is read again, it is refused again, or admitted in an
/// emergency, without another examination.
#[derive(Debug)]
struct Refused {
    sources: Sources,
    doubts: Vec<Finding>,
    /// The generation of the bundle that was in force.
    before: u64,
    examined: Examined,
}

/// The cause of reading the folder again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The watcher has seen a change; more of the change may follow.
    ByChange,
    /// A reload was requested.
    Plainly,
    /// An emergency reload was requested, which overrides admission.
    InEmergency,
}

impl std::fmt::Debug for BundleStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleStore").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl BundleStore {
    /// Loads the bundle in `directory`, or, if that is a bad one, the newest usable one of the archive. No
    /// examiner is asked: a bundle with doubts counts as bad unless it was in force before.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the folder's bundle, if the archive has no usable one.
    pub fn open(
        directory: &Path,
        archive: Archive,
        listener: Box<Listener>,
    ) -> Result<Arc<Self>, Findings> {
        let mut opening = Opening::new(directory, archive);
        while let Some(candidate) = opening.next_candidate() {
            let examined = Examined::unasked(&candidate);
            match examined.objections() {
                None => return Ok(opening.take(candidate, examined, listener)),
                Some(findings) => opening.refuse(&candidate, findings),
            }
        }
        Err(opening.rejected().cloned().unwrap_or(Findings(Vec::new())))
    }

    /// Returns a store of one bundle that comes from no folder and never changes.
    pub fn fixed(bundle: Bundle) -> Arc<Self> {
        Self::holding(opening::first(bundle, false))
    }

    /// Returns a store of one bundle that never changes and has other owners, too.
    pub fn holding(published: Arc<Published>) -> Arc<Self> {
        Arc::new(Self {
            directory: PathBuf::new(),
            archive: None,
            current: ArcSwap::new(published),
            remarks: ArcSwap::default(),
            rejected: Mutex::default(),
            work: Mutex::default(),
            seen: Vec::new(),
            listener: Box::new(|_, _, _| {}),
            rehearsal: OnceLock::new(),
            examiner: OnceLock::new(),
            recorder: OnceLock::new(),
        })
    }

    /// Returns the bundle in force.
    pub fn current(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Returns the remarks on the bundle in force.
    pub fn remarks(&self) -> Arc<Remarks> {
        self.remarks.load_full()
    }

    /// Returns what is wrong with the newest bundle, while it is a bad one.
    pub fn rejected(&self) -> Option<Findings> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folder again.
    pub fn reload(&self) -> Reload {
        self.look(Asked::Plainly).unwrap_or(Reload::Unchanged)
    }

    /// Reads the folder again, and puts its bundle in force whatever admission says. This holds once: the next
    /// reload is judged again. A bundle that cannot decide requests, or that a start would refuse, is refused
    /// all the same.
    pub fn reload_in_emergency(&self) -> Reload {
        self.look(Asked::InEmergency).unwrap_or(Reload::Unchanged)
    }

    /// Reads the folder again. Does nothing and returns `None` if its bundle lacks a guard that the bundle in
    /// force has.
    fn reload_unless_guards_are_gone(&self) -> Option<Reload> {
        self.look(Asked::ByChange)
    }

    fn look(&self, asked: Asked) -> Option<Reload> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        let outcome = self.take_in(&mut work, &current, asked)?;
        if outcome == Reload::Applied {
            work.retired.push(current);
        }
        // The listener comes first: a rejection that others can see is already counted.
        (self.listener)(&outcome, &self.current.load(), &self.remarks.load());
        let now = match &outcome {
            Reload::Rejected(findings) => Some(findings.clone()),
            Reload::Applied | Reload::Unchanged => None,
        };
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_none() && rejected.is_some() {
            tracing::info!("the policies in the folder are good again");
        }
        *rejected = now;
        Some(outcome)
    }

    fn take_in(&self, work: &mut Work, current: &Arc<Published>, asked: Asked) -> Option<Reload> {
        let (sources, unread) = match giving_way(|| reading::still(&self.directory)) {
            Ok(read) => read,
            Err(findings) => return Some(Reload::Rejected(findings)),
        };
        let known = sources == *current.bundle.sources() && unread == work.unread;
        if known && !current.archived {
            return Some(Reload::Unchanged);
        }
        work.loader.give_way();
        let (bundle, mut doubts) = match reading::load(sources, &mut work.loader) {
            Ok(loaded) => loaded,
            Err(findings) => return Some(Reload::Rejected(findings)),
        };
        doubts.extend(unread.iter().cloned());
        // With equal digests only the tests differ, or the bundle is the archive's own: nothing that decides is
        // new.
        let same = bundle.digest() == current.bundle.digest();
        let generation = current.generation + u64::from(!same);
        let loaded_at = if same { current.loaded_at } else { now() };
        let next = Arc::new(Published { bundle, generation, loaded_at, archived: false });
        if asked == Asked::ByChange {
            let gone = guards_gone(current, &next);
            if !gone.is_empty() {
                tracing::info!(
                    gone = %gone.join(", "),
                    "guards are gone from the policy folder; waiting for the rest of the change"
                );
                return None;
            }
        }
        let emergency = asked == Asked::InEmergency;
        let occasion = if emergency { Occasion::Emergency } else { Occasion::Reload };
        let before = Some(Arc::clone(current));
        let next_too = Arc::clone(&next);
        let candidate = Candidate { next: next_too, before, doubts, occasion, known: None };
        let examined = self.examined(candidate, work);
        let startable = examined.startable;
        let remarks = match self.admit(examined, &next, current, emergency) {
            Ok(remarks) => remarks,
            Err(findings) => return Some(Reload::Rejected(findings)),
        };
        work.unread = unread;
        if !same {
            giving_way(|| self.keep(&next.bundle, startable));
            self.rehearse(&next, &mut work.loader);
        }
        self.current.store(next);
        self.remarks.store(Arc::new(remarks));
        Some(if same { Reload::Unchanged } else { Reload::Applied })
    }

    /// Calls `rehearsal` from now on before a bundle is put in force, on the thread that made it, with enough
    /// stack to evaluate its policies. The rehearsal calls [`breathe`](crate::bundle::breathe) to let requests
    /// go first. The bundle waits for the rehearsal. Only the first rehearsal that is set is used.
    pub fn rehearse_by(&self, rehearsal: Arc<Rehearsal>) {
        let _first = self.rehearsal.set(rehearsal);
    }

    /// Rehearses a bundle. If that fails, the bundle comes into force all the same.
    fn rehearse(&self, next: &Arc<Published>, loader: &mut Loader) {
        let Some(rehearsal) = self.rehearsal.get() else { return };
        let (rehearsal, next) = (Arc::clone(rehearsal), Arc::clone(next));
        let rehearse = AssertUnwindSafe(|| loader.run(move || rehearsal(&next)));
        if std::panic::catch_unwind(rehearse).is_err() {
            tracing::error!("what was to get ready for new policies has failed; they are in force");
        }
    }

    /// Keeps the bundle in force in the archive, and confirms it as the last good one if a start is known to
    /// accept it. The default archive is in the journal's directory, which must exist before.
    pub fn keep_current(&self, startable: bool) {
        self.keep(&self.current.load().bundle, startable);
    }

    /// Confirms that a start accepts the bundle of this generation: if the bundle is still in force, it becomes
    /// the last good one.
    pub fn confirm(&self, generation: u64) {
        let _one_at_a_time = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load();
        if current.generation == generation {
            self.keep(&current.bundle, true);
        }
    }

    /// Keeps a bundle that is about to come into force. A bundle that cannot be kept comes into force all the
    /// same: it may revoke what the old one allows.
    fn keep(&self, bundle: &Bundle, startable: bool) {
        let keep = |archive: &Archive| {
            archive.keep(bundle.digest(), bundle.sources())?;
            if startable { archive.confirm(bundle.digest()) } else { Ok(()) }
        };
        let kept = self.archive.as_ref().map_or(Ok(()), keep);
        if let Err(error) = kept {
            tracing::error!(%error, digest = %bundle.digest(), "the policies in force cannot be kept on disk: a restart may not find them");
        }
    }

    /// Drops the bundles that no request uses any more.
    fn clean_up(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let retired = std::mem::take(&mut work.retired);
        giving_way(|| {
            for old in retired {
                match Arc::try_unwrap(old) {
                    Ok(old) => old.bundle.take_apart(),
                    Err(held) => work.retired.push(held),
                }
            }
        });
    }

    /// Watches the folder from a thread of its own until the store is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the system cannot start a thread.
    pub fn watch(self: &Arc<Self>, supervisor: &Supervisor) -> std::io::Result<()> {
        let (store, directory) = (Arc::downgrade(self), self.directory.clone());
        // A watcher that was restarted reads the folder again: it does not know what it has missed.
        let seen = self.seen.clone();
        let run = move || folder::watch(&directory, &store, seen.clone());
        supervisor.thread("policies", run).map(drop)
    }
}

#[expect(clippy::disallowed_methods, reason = "when a bundle was loaded, for people to read")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
