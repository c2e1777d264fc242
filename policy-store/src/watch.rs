//! Keeps the newest good bundle, and swaps it in while requests run.
//!
//! A good bundle is published as one snapshot: a request is judged by exactly one. A bad one
//! changes nothing, and is said until a good one comes.

use std::os::unix::fs::MetadataExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher};

use crate::archive::Archive;
use crate::bundle::{Bundle, Findings, Loader, Sources, give_way, stand_firm};

/// Editors and `ConfigMap`s write in several steps: a folder is read once it has been quiet so long.
const QUIET: Duration = Duration::from_millis(100);
/// Where somebody writes without a pause, it is read this long after the first change.
const LONGEST_WAIT: Duration = Duration::from_millis(400);
/// The folder is looked at this often even if nothing is heard of it.
const UNHEARD: Duration = Duration::from_secs(10);

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

/// Hears how each attempt ended.
pub type Listener = dyn Fn(&Reload, &Published) + Send + Sync;

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
        *self.rejected.lock().unwrap_or_else(PoisonError::into_inner) = match &outcome {
            Reload::Rejected(findings) => Some(findings.clone()),
            Reload::Applied | Reload::Unchanged => None,
        };
        outcome
    }

    fn take_in(&self, work: &mut Work, current: &Arc<Published>) -> Reload {
        give_way();
        let sources = Sources::read(&self.directory);
        stand_firm();
        let sources = match sources {
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
            self.keep(&bundle);
        }
        let generation = current.generation + u64::from(!same);
        let loaded_at = if same { current.loaded_at } else { now() };
        let published = Published { bundle, generation, loaded_at, archived: false };
        self.current.store(Arc::new(published));
        if same { Reload::Unchanged } else { Reload::Applied }
    }

    /// Keeps the bundle in force as the last good one. By default that is in the journal's directory,
    /// which has to be there before.
    pub fn keep_current(&self) {
        self.keep(&self.current.load().bundle);
    }

    /// Keeps a bundle that is about to be in force. One that cannot be kept is put in force all the
    /// same: it may take back what the old one allows.
    fn keep(&self, bundle: &Bundle) {
        let kept = self.archive.as_ref().map_or(Ok(()), |it| it.keep(bundle.sources()));
        if let Err(error) = kept {
            tracing::error!(%error, digest = %bundle.digest(), "the policies in force cannot be kept on disk: a restart may not find them");
        }
    }

    /// Lets go of bundles that no request holds any more.
    fn clean_up(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.retired.retain(|old| Arc::strong_count(old) > 1);
    }

    /// Watches the folder from a thread of its own for as long as the store is held.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn watch(self: &Arc<Self>) -> std::io::Result<()> {
        let (store, directory) = (Arc::downgrade(self), self.directory.clone());
        let seen = self.seen.clone();
        let run = move || watch(&directory, &store, seen);
        std::thread::Builder::new().name("policies".to_owned()).spawn(run).map(drop)
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

/// Reloads whenever the folder has changed and become quiet.
fn watch(directory: &Path, store: &Weak<BundleStore>, mut seen: Vec<Mark>) {
    let (sender, events) = channel();
    let heard = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _gone = sender.send(());
        }
    };
    let mut watcher = notify::recommended_watcher(heard)
        .inspect_err(|error| tracing::warn!(%error, "the policy folder cannot be watched"))
        .ok();
    loop {
        if let Some(watcher) = watcher.as_mut() {
            // Again each time: a folder that was replaced is another folder to the system. Its
            // parent tells of the replacement.
            let _again = watcher.watch(directory, RecursiveMode::NonRecursive);
            let _again = watcher.watch(&directory.join("tests"), RecursiveMode::NonRecursive);
            if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty())
            {
                let _again = watcher.watch(parent, RecursiveMode::NonRecursive);
            }
        }
        let Some(held) = store.upgrade() else { return };
        held.clean_up();
        // Taken before the files are read: what changes in between is found the next time.
        let now = fingerprint(directory);
        if now != seen {
            seen = now;
            held.reload();
        }
        drop(held);
        wait_until_quiet(&events);
    }
}

/// What the system says of a file: it changes when anything does.
type Mark = (std::ffi::OsString, u64, u64, i64, i64, Option<SystemTime>);

/// The marks of the files of a bundle. The parent folder is full of other things that change.
fn fingerprint(directory: &Path) -> Vec<Mark> {
    let folders = [directory.to_owned(), directory.join("tests")];
    let entries = folders.iter().filter_map(|it| std::fs::read_dir(it).ok()).flatten().flatten();
    let mut files: Vec<Mark> = entries
        .filter_map(|entry| {
            let it = std::fs::metadata(entry.path()).ok()?;
            let changed = (it.ctime(), it.ctime_nsec());
            let name = entry.path().into_os_string();
            Some((name, it.ino(), it.len(), changed.0, changed.1, it.modified().ok()))
        })
        .collect();
    files.sort();
    files
}

/// Waits for a first event, then for none: but not for ever, where there is always something.
fn wait_until_quiet(events: &Receiver<()>) {
    let mut wait = UNHEARD;
    let mut until = None;
    loop {
        match events.recv_timeout(wait) {
            Ok(()) => {
                let until = *until.get_or_insert_with(|| Instant::now() + LONGEST_WAIT);
                wait = QUIET.min(until.saturating_duration_since(Instant::now()));
            }
            Err(RecvTimeoutError::Timeout) => return,
            // No watcher: the folder is looked at now and then all the same.
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(Duration::from_secs(1));
                return;
            }
        }
        if wait.is_zero() {
            return;
        }
    }
}
