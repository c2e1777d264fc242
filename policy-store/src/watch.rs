//! Keeps the newest good bundle, and swaps it in while requests run.
//!
//! A good bundle is published as one snapshot: a request is judged by exactly one. A bad one
//! changes nothing, and is said until a good one comes.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher};

use crate::bundle::{Bundle, Findings};

/// Editors and `ConfigMap`s write in several steps: a folder is read once it has been quiet so long.
const QUIET: Duration = Duration::from_millis(100);
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
    current: ArcSwap<Published>,
    rejected: Mutex<Option<Findings>>,
    listener: Box<Listener>,
}

impl std::fmt::Debug for BundleStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleStore").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl BundleStore {
    /// Loads the bundle in `directory`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn open(directory: &Path, listener: Box<Listener>) -> Result<Arc<Self>, Findings> {
        let bundle = Bundle::load(directory)?;
        let first = Published { bundle, generation: 1, loaded_at: now() };
        Ok(Arc::new(Self {
            directory: directory.to_owned(),
            current: ArcSwap::from_pointee(first),
            rejected: Mutex::new(None),
            listener,
        }))
    }

    /// A store of one bundle that comes from no folder and never changes.
    pub fn fixed(bundle: Bundle) -> Arc<Self> {
        let first = Published { bundle, generation: 1, loaded_at: now() };
        Arc::new(Self {
            directory: PathBuf::new(),
            current: ArcSwap::from_pointee(first),
            rejected: Mutex::new(None),
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
        // Held throughout: two reloads at once must not publish in the wrong order.
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        let outcome = match Bundle::load(&self.directory) {
            Err(findings) => Reload::Rejected(findings),
            Ok(bundle) if bundle.digest() == current.bundle.digest() => Reload::Unchanged,
            Ok(bundle) => {
                let generation = current.generation + 1;
                self.current.store(Arc::new(Published { bundle, generation, loaded_at: now() }));
                Reload::Applied
            }
        };
        *rejected = match &outcome {
            Reload::Rejected(findings) => Some(findings.clone()),
            Reload::Applied | Reload::Unchanged => None,
        };
        drop(rejected);
        (self.listener)(&outcome, &self.current.load());
        outcome
    }

    /// Watches the folder from a thread of its own for as long as the store is held.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub fn watch(self: &Arc<Self>) -> std::io::Result<()> {
        let (store, directory) = (Arc::downgrade(self), self.directory.clone());
        let run = move || watch(&directory, &store);
        std::thread::Builder::new().name("policies".to_owned()).spawn(run).map(drop)
    }
}

#[expect(clippy::disallowed_methods, reason = "when a bundle was loaded, for people to read")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Reloads whenever the folder has changed and become quiet.
fn watch(directory: &Path, store: &Weak<BundleStore>) {
    let (sender, events) = channel();
    let heard = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _gone = sender.send(());
        }
    };
    let mut watcher = notify::recommended_watcher(heard)
        .inspect_err(|error| tracing::warn!(%error, "the policy folder cannot be watched"))
        .ok();
    // Nothing yet: what changed since the bundle was loaded is found at the first look.
    let mut seen = Vec::new();
    loop {
        if let Some(watcher) = watcher.as_mut() {
            // Again each time: a folder that was replaced is another folder to the system. Its
            // parent tells of the replacement.
            let _again = watcher.watch(directory, RecursiveMode::NonRecursive);
            if let Some(parent) = directory.parent().filter(|parent| !parent.as_os_str().is_empty())
            {
                let _again = watcher.watch(parent, RecursiveMode::NonRecursive);
            }
        }
        wait_until_quiet(&events);
        let Some(store) = store.upgrade() else { return };
        let now = fingerprint(directory);
        if now != seen {
            seen = now;
            store.reload();
        }
    }
}

/// Names, lengths and times of the files of a bundle: what changes when anything does. The parent
/// folder is full of other things that change.
fn fingerprint(directory: &Path) -> Vec<(std::ffi::OsString, u64, Option<SystemTime>)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let about = std::fs::metadata(entry.path()).ok()?;
            Some((entry.file_name(), about.len(), about.modified().ok()))
        })
        .collect();
    files.sort();
    files
}

/// Waits for a first event, then for none: but not for ever, where there is always something.
fn wait_until_quiet(events: &Receiver<()>) {
    let mut wait = UNHEARD;
    for _ in 0..1_000 {
        match events.recv_timeout(wait) {
            Ok(()) => wait = QUIET,
            Err(RecvTimeoutError::Timeout) => return,
            // No watcher: the folder is looked at now and then all the same.
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(Duration::from_secs(1));
                return;
            }
        }
    }
}
