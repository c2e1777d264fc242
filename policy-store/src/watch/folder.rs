//! Watches the folder of policies: waits until it has changed, and until the change is complete.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::BundleStore;
use super::settling::{QUIET, QUIET_WITHOUT_GUARD, left};

/// The interval at which the folder is checked even without events.
const UNHEARD: Duration = Duration::from_secs(10);
/// The interval at which the folder is checked if it cannot be watched.
const DEAF: Duration = Duration::from_secs(1);
/// The interval at which a changing folder is checked: a folder that has replaced another one sends no events
/// yet.
const LOOK: Duration = Duration::from_millis(50);

/// Reloads whenever the folder has changed and become quiet.
pub(super) fn watch(directory: &Path, store: &Weak<BundleStore>, mut seen: Vec<Mark>) {
    let mut folder = Folder::new(directory);
    loop {
        folder.listen();
        let Some(held) = store.upgrade() else { return };
        held.clean_up();
        drop(held);
        if fingerprint(&folder.directory) != seen {
            folder.settle(QUIET);
            seen = reload(&folder, store, true).unwrap_or_else(|| {
                folder.settle(QUIET_WITHOUT_GUARD);
                reload(&folder, store, false).unwrap_or_default()
            });
        }
        folder.wait();
    }
}

/// Reloads, and returns the folder's marks from before the reload, so that a change during it is found the next
/// time. Returns `None` if `may_wait` is set and the bundle lacks a guard of the one in force: then nothing was
/// changed.
fn reload(folder: &Folder, store: &Weak<BundleStore>, may_wait: bool) -> Option<Vec<Mark>> {
    let seen = fingerprint(&folder.directory);
    let done = store.upgrade().is_none_or(|store| {
        if may_wait {
            store.reload_unless_guards_are_gone().is_some()
        } else {
            store.reload();
            true
        }
    });
    done.then_some(seen)
}

/// The folder, and the events about it.
struct Folder {
    directory: PathBuf,
    events: Receiver<Heard>,
    watcher: Option<RecommendedWatcher>,
    /// The files that were written to and not closed.
    open: HashSet<PathBuf>,
}

impl Folder {
    fn new(directory: &Path) -> Self {
        // A relative name without a folder has the current directory as its parent.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let (sender, events) = channel();
        let concerned = directory.clone();
        let heard = move |event: notify::Result<notify::Event>| {
            if let Some(event) = event.ok().and_then(|event| Heard::of(event, &concerned)) {
                let _gone = sender.send(event);
            }
        };
        let watcher = notify::recommended_watcher(heard)
            .inspect_err(|error| tracing::warn!(%error, "the policy folder cannot be watched"))
            .ok();
        Self { directory, events, watcher, open: HashSet::new() }
    }

    /// Listens to the folder that exists now: a folder that was replaced is another one for the system. Events
    /// about its parent report the replacement.
    fn listen(&mut self) {
        let Some(watcher) = self.watcher.as_mut() else { return };
        let _again = watcher.watch(&self.directory, RecursiveMode::NonRecursive);
        let _again = watcher.watch(&self.directory.join("tests"), RecursiveMode::NonRecursive);
        if let Some(parent) = self.directory.parent() {
            let _again = watcher.watch(parent, RecursiveMode::NonRecursive);
        }
    }

    /// Waits for an event about the folder, or for the next regular check.
    fn wait(&mut self) {
        self.hear(UNHEARD);
    }

    /// Waits until nothing has changed for a while, at least for `least`, and until all files that were written
    /// to are closed. The wait ends even if the folder never becomes quiet.
    fn settle(&mut self, least: Duration) {
        let began = Instant::now();
        let (mut changed, mut marks) = (began, fingerprint(&self.directory));
        loop {
            let wait = left(changed - began, changed.elapsed(), !self.open.is_empty(), least);
            if wait.is_zero() {
                // A file that is still open after so long, or was removed while it was open, is not waited for
                // again.
                self.open.clear();
                return;
            }
            let heard = self.hear(wait.min(LOOK));
            let now = fingerprint(&self.directory);
            if heard || now != marks {
                (changed, marks) = (Instant::now(), now);
            }
        }
    }

    /// Waits for events, at most for `longest`. Returns whether there was any.
    fn hear(&mut self, longest: Duration) -> bool {
        match self.events.recv_timeout(longest) {
            Ok(event) => {
                self.note(event);
                while let Ok(event) = self.events.try_recv() {
                    self.note(event);
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            // There is no watcher: the folder is checked at regular intervals all the same.
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(DEAF.min(longest));
                false
            }
        }
    }

    fn note(&mut self, event: Heard) {
        match event {
            Heard::Change => {}
            Heard::Written(path) => drop(self.open.insert(path)),
            Heard::Closed(path) => drop(self.open.remove(&path)),
        }
    }
}

/// An event about the folder.
enum Heard {
    /// Something has changed.
    Change,
    /// A file was written to; its writer may not have finished.
    Written(PathBuf),
    /// A file that was written to was closed. Only Linux reports this; elsewhere the folder is read once it is
    /// quiet.
    Closed(PathBuf),
}

impl Heard {
    /// Converts an event that concerns `directory`. The parent folder has many other entries that change.
    fn of(event: notify::Event, directory: &Path) -> Option<Self> {
        // Systems other than Linux may report a folder under another name than the one that was given.
        let concerns = |path: &PathBuf| path.starts_with(directory) || !cfg!(target_os = "linux");
        if !event.paths.is_empty() && !event.paths.iter().any(concerns) {
            return None;
        }
        let path = event.paths.into_iter().next();
        match (event.kind, path) {
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), Some(path)) => {
                Some(Self::Closed(path))
            }
            (EventKind::Access(_), _) => None,
            (EventKind::Modify(ModifyKind::Data(_)), Some(path)) => Some(Self::Written(path)),
            _ => Some(Self::Change),
        }
    }
}

/// The metadata of a file that changes whenever the file does.
pub(super) type Mark = (std::ffi::OsString, u64, u64, i64, i64, Option<SystemTime>);

/// Returns the marks of the entries in a bundle's folder and in its folder of tests.
pub(super) fn fingerprint(directory: &Path) -> Vec<Mark> {
    let folders = [directory.to_owned(), directory.join("tests")];
    let entries = folders.iter().filter_map(|it| std::fs::read_dir(it).ok()).flatten().flatten();
    let mut files: Vec<Mark> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let it = std::fs::metadata(&path).ok()?;
            let changed = (it.ctime(), it.ctime_nsec());
            // The name is relative, so that the path of the folder does not matter.
            let name = path.strip_prefix(directory).unwrap_or(&path).as_os_str().to_owned();
            Some((name, it.ino(), it.len(), changed.0, changed.1, it.modified().ok()))
        })
        .collect();
    files.sort();
    files
}
