//! Keeps the newest good bundle, and swaps it in while requests run.
//!
//! A good bundle is published as one snapshot: a request is judged by exactly one. A bad one
//! changes nothing, and is said until a good one comes.
//!
//! INVARIANT: the archive's last good bundle is one that a start accepts. Whether a start would accept a new
//! one is asked before it is in force; while the database does not answer, nobody knows, and the bundle goes
//! in force (it may be a revocation) without being called good.

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
    /// Counts the bundles that were published, from 1.
    pub generation: u64,
    /// When.
    pub loaded_at: SystemTime,
    /// Whether it comes from the archive: the folder had no good one at the start.
    pub archived: bool,
}

/// How an attempt to reload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// A new bundle is in force.
    Applied,
    /// The folder holds the bundle that is in force.
    Unchanged,
    /// The folder holds a bad bundle; the old one stays.
    Rejected(Findings),
}

impl Reload {
    /// It in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected(_) => "rejected",
        }
    }
}

/// Gets ready for a bundle that is about to be in force.
pub type Rehearsal = dyn Fn(&Published) + Send + Sync;

/// The bundle in force, and the folder it comes from.
pub struct BundleStore {
    directory: PathBuf,
    archive: Option<Archive>,
    current: ArcSwap<Published>,
    /// What has to be known about the bundle in force.
    remarks: ArcSwap<Remarks>,
    /// What is wrong with the newest bundle, while that is a bad one.
    rejected: Mutex<Option<Findings>>,
    /// Held throughout a reload: two at once must not publish in the wrong order.
    work: Mutex<Work>,
    /// The folder's marks when it was first read.
    seen: Vec<Mark>,
    listener: Box<Listener>,
    rehearsal: OnceLock<Arc<Rehearsal>>,
    examiner: OnceLock<Arc<Examiner>>,
    recorder: OnceLock<Arc<Recorder>>,
}

/// What a reload works with.
#[derive(Debug, Default)]
struct Work {
    loader: Loader,
    /// The files of tests beside the bundle in force that cannot be read.
    unread: Vec<Finding>,
    /// What was found out about the bundle that admission has refused last.
    refused: Option<Refused>,
    /// Bundles that were in force. Whoever holds the last reference to a bundle pays for taking it
    /// apart: that is to be us and not a request.
    retired: Vec<Arc<Published>>,
}

/// A bundle that admission has refused: read again, it is refused again, or admitted in an emergency, without being
/// examined anew.
#[derive(Debug)]
struct Refused {
    sources: Sources,
    doubts: Vec<Finding>,
    /// The generation of the bundle that was in force.
    before: u64,
    examined: Examined,
}

/// Who wants the folder to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The watcher has seen a change: the rest of it may still come.
    ByChange,
    /// Somebody has asked for a reload.
    Plainly,
    /// Somebody has asked for the folder's bundle whatever admission says.
    InEmergency,
}

impl std::fmt::Debug for BundleStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleStore").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl BundleStore {
    /// Loads the bundle in `directory`; when that is a bad one, the last one of the archive that can be used.
    /// Nobody examines them, and a bundle with doubts is a bad one.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, when there is none in the archive that can be used.
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

    /// A store of one bundle that comes from no folder and never changes.
    pub fn fixed(bundle: Bundle) -> Arc<Self> {
        Self::holding(opening::first(bundle, false))
    }

    /// The same for a bundle that others hold, too.
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

    /// The bundle in force.
    pub fn current(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// What has to be known about the bundle in force.
    pub fn remarks(&self) -> Arc<Remarks> {
        self.remarks.load_full()
    }

    /// What is wrong with the newest bundle, while that is a bad one.
    pub fn rejected(&self) -> Option<Findings> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folder again.
    pub fn reload(&self) -> Reload {
        self.look(Asked::Plainly).unwrap_or(Reload::Unchanged)
    }

    /// Reads the folder again, and puts its bundle in force whatever admission says, once: the next reload is
    /// judged again. Nothing overrides that a bundle cannot be asked, or that a start would refuse it.
    pub fn reload_in_emergency(&self) -> Reload {
        self.look(Asked::InEmergency).unwrap_or(Reload::Unchanged)
    }

    /// Reads the folder again, unless its bundle lacks a guard that the one in force has: then nothing is done,
    /// and `None` is given.
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
        // Whoever sees that it was rejected finds it counted.
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
        // The same policies with other tests, or the archive's own: nothing that decides is new.
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

    /// From now on `rehearsal` is called before a bundle is put in force, on the thread that made it and
    /// with room for its policies to be evaluated; in between it lets others go first by
    /// [`breathe`](crate::bundle::breathe). The bundle waits for it. Only the first one is taken.
    pub fn rehearse_by(&self, rehearsal: Arc<Rehearsal>) {
        let _first = self.rehearsal.set(rehearsal);
    }

    /// A bundle that nobody is ready for is put in force all the same.
    fn rehearse(&self, next: &Arc<Published>, loader: &mut Loader) {
        let Some(rehearsal) = self.rehearsal.get() else { return };
        let (rehearsal, next) = (Arc::clone(rehearsal), Arc::clone(next));
        let rehearse = AssertUnwindSafe(|| loader.run(move || rehearsal(&next)));
        if std::panic::catch_unwind(rehearse).is_err() {
            tracing::error!("what was to get ready for new policies has failed; they are in force");
        }
    }

    /// Keeps the bundle in force in the archive, and calls it the last good one if a start is known to accept
    /// it. By default that is in the journal's directory, which has to be there before.
    pub fn keep_current(&self, startable: bool) {
        self.keep(&self.current.load().bundle, startable);
    }

    /// Says that a start accepts the bundle of this generation: if it is still in force, it is the last good
    /// one from now on.
    pub fn confirm(&self, generation: u64) {
        let _one_at_a_time = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load();
        if current.generation == generation {
            self.keep(&current.bundle, true);
        }
    }

    /// Keeps a bundle that is about to be in force. One that cannot be kept is put in force all the
    /// same: it may take back what the old one allows.
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

    /// Lets go of bundles that no request holds any more.
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

    /// Watches the folder from a thread of its own for as long as the store is held.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn watch(self: &Arc<Self>, supervisor: &Supervisor) -> std::io::Result<()> {
        let (store, directory) = (Arc::downgrade(self), self.directory.clone());
        // One that is started again reads the folder once more: it does not know what it missed.
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
