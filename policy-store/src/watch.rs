//! Keeps the newest good bundle, and swaps it in while requests run.
//!
//! A good bundle is published as one snapshot: a request is judged by exactly one. A bad one
//! changes nothing, and is said until a good one comes.

mod folder;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use crate::archive::Archive;
use crate::bundle::{Bundle, Findings, Loader, Sources, giving_way};
use crate::supervise::Supervisor;
use folder::{Mark, fingerprint};

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

/// Hears how each attempt ended, before what [`BundleStore::rejected`] says of it is known.
pub type Listener = dyn Fn(&Reload, &Published) + Send + Sync;

/// Gets ready for a bundle that is about to be in force.
pub type Rehearsal = dyn Fn(&Published) + Send + Sync;

/// The bundle in force, and the folder it comes from.
pub struct BundleStore {
    directory: PathBuf,
    archive: Option<Archive>,
    current: ArcSwap<Published>,
    /// What is wrong with the newest bundle, while that is a bad one.
    rejected: Mutex<Option<Findings>>,
    /// Held throughout a reload: two at once must not publish in the wrong order.
    work: Mutex<Work>,
    /// The folder's marks when it was first read.
    seen: Vec<Mark>,
    listener: Box<Listener>,
    rehearsal: OnceLock<Arc<Rehearsal>>,
}

/// What a reload works with.
#[derive(Default)]
struct Work {
    loader: Loader,
    /// Bundles that were in force. Whoever holds the last reference to a bundle pays for taking it
    /// apart: that is to be us and not a request.
    retired: Vec<Arc<Published>>,
}

impl std::fmt::Debug for BundleStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleStore").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl BundleStore {
    /// Loads the bundle in `directory`; when that is a bad one, the last good one of the archive.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, when there is no last good one that can be used.
    pub fn open(
        directory: &Path,
        archive: Archive,
        listener: Box<Listener>,
    ) -> Result<Arc<Self>, Findings> {
        let seen = fingerprint(directory);
        let mut work = Work::default();
        let (bundle, rejected) = match read(directory, &mut work.loader) {
            Ok(bundle) => (bundle, None),
            Err(findings) => match last_good(&archive, &mut work.loader) {
                Some(bundle) => (bundle, Some(findings)),
                None => return Err(findings),
            },
        };
        let archived = rejected.is_some();
        let first = Published { bundle, generation: 1, loaded_at: now(), archived };
        let store = Arc::new(Self {
            directory: directory.to_owned(),
            archive: Some(archive),
            current: ArcSwap::from_pointee(first),
            rejected: Mutex::new(rejected.clone()),
            work: Mutex::new(work),
            seen,
            listener,
            rehearsal: OnceLock::new(),
        });
        if let Some(findings) = rejected {
            (store.listener)(&Reload::Rejected(findings), &store.current.load());
        }
        Ok(store)
    }

    /// A store of one bundle that comes from no folder and never changes.
    pub fn fixed(bundle: Bundle) -> Arc<Self> {
        let first = Published { bundle, generation: 1, loaded_at: now(), archived: false };
        Arc::new(Self {
            directory: PathBuf::new(),
            archive: None,
            current: ArcSwap::from_pointee(first),
            rejected: Mutex::default(),
            work: Mutex::default(),
            seen: Vec::new(),
            listener: Box::new(|_, _| {}),
            rehearsal: OnceLock::new(),
        })
    }

    /// The bundle in force.
    pub fn current(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// What is wrong with the newest bundle, while that is a bad one.
    pub fn rejected(&self) -> Option<Findings> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folder again.
    pub fn reload(&self) -> Reload {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        let outcome = self.take_in(&mut work, &current);
        if outcome == Reload::Applied {
            work.retired.push(current);
        }
        // Whoever sees that it was rejected finds it counted.
        (self.listener)(&outcome, &self.current.load());
        let now = match &outcome {
            Reload::Rejected(findings) => Some(findings.clone()),
            Reload::Applied | Reload::Unchanged => None,
        };
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_none() && rejected.is_some() {
            tracing::info!("the policies in the folder are good again");
        }
        *rejected = now;
        outcome
    }

    fn take_in(&self, work: &mut Work, current: &Arc<Published>) -> Reload {
        let sources = match giving_way(|| Sources::read(&self.directory)) {
            Ok(sources) => sources,
            Err(findings) => return Reload::Rejected(findings),
        };
        if sources == *current.bundle.sources() && !current.archived {
            return Reload::Unchanged;
        }
        work.loader.give_way();
        let bundle = match load(sources, &mut work.loader) {
            Ok(bundle) => bundle,
            Err(findings) => return Reload::Rejected(findings),
        };
        // The same policies with other tests, or the archive's own: nothing that decides is new.
        let same = bundle.digest() == current.bundle.digest();
        if !same {
            giving_way(|| self.keep(&bundle));
        }
        let generation = current.generation + u64::from(!same);
        let loaded_at = if same { current.loaded_at } else { now() };
        let published = Arc::new(Published { bundle, generation, loaded_at, archived: false });
        if !same {
            self.rehearse(&published, &mut work.loader);
        }
        self.current.store(published);
        if same { Reload::Unchanged } else { Reload::Applied }
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

    /// Keeps the bundle in force as the last good one. By default that is in the journal's directory,
    /// which has to be there before.
    pub fn keep_current(&self) {
        self.keep(&self.current.load().bundle);
    }

    /// Keeps a bundle that is about to be in force. One that cannot be kept is put in force all the
    /// same: it may take back what the old one allows.
    fn keep(&self, bundle: &Bundle) {
        let keep = |archive: &Archive| archive.keep(bundle.digest(), bundle.sources());
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

fn read(directory: &Path, loader: &mut Loader) -> Result<Bundle, Findings> {
    load(Sources::read(directory)?, loader)
}

/// A panic in the loader rejects the bundle that caused it, and no other.
fn load(sources: Sources, loader: &mut Loader) -> Result<Bundle, Findings> {
    let file = sources.schema.clone();
    let bundle = std::panic::catch_unwind(AssertUnwindSafe(|| loader.load(sources)));
    bundle.unwrap_or_else(|_| {
        // What it remembers may be half written.
        *loader = Loader::default();
        let remedy = "report it, with the bundle";
        Err(Findings(vec![file.finding(0, 0, "the loader has failed on this bundle", remedy)]))
    })
}

/// The last good bundle, if it can be used.
fn last_good(archive: &Archive, loader: &mut Loader) -> Option<Bundle> {
    let sources = archive
        .last_good()
        .inspect_err(|error| tracing::error!(%error, "the last good policies cannot be read"))
        .ok()??;
    load(sources, loader)
        .inspect_err(|findings| {
            tracing::error!(%findings, "the last good policies are not accepted any more");
        })
        .ok()
}

#[expect(clippy::disallowed_methods, reason = "when a bundle was loaded, for people to read")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
