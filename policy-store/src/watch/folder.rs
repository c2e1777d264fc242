//! The folder of policies: when it has changed, and nobody is about to change it further.

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

/// The folder is looked at this often even if nothing is heard of it.
const UNHEARD: Duration = Duration::from_secs(10);
/// The same where nothing can be heard of it.
const DEAF: Duration = Duration::from_secs(1);
/// A folder that changes is looked at this often: one that was put in the place of another is not heard of yet.
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

/// Reloads, and gives the folder's marks from before that: what changes in between is found the next time.
/// `None`: the bundle lacks a guard of the one in force, `may_wait`, and nothing was changed.
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

/// The folder, and what is heard of it.
struct Folder {
    directory: PathBuf,
    events: Receiver<Heard>,
    watcher: Option<RecommendedWatcher>,
    /// Files that somebody has written to and not closed.
    open: HashSet<PathBuf>,
}

impl Folder {
    fn new(directory: &Path) -> Self {
        // The parent of a name without a folder is the one that we are in.
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

    /// Listens to the folder that is there now: one that was replaced is another folder to the system. Its
    /// parent tells of the replacement.
    fn listen(&mut self) {
        let Some(watcher) = self.watcher.as_mut() else { return };
        let _again = watcher.watch(&self.directory, RecursiveMode::NonRecursive);
        let _again = watcher.watch(&self.directory.join("tests"), RecursiveMode::NonRecursive);
        if let Some(parent) = self.directory.parent() {
            let _again = watcher.watch(parent, RecursiveMode::NonRecursive);
        }
    }

    /// Waits until something is heard of the folder, or it is time to look at it all the same.
    fn wait(&mut self) {
        self.hear(UNHEARD);
    }

    /// Waits until nothing has changed for a while, `least` at the least, and until files are closed that were
    /// written to: but not for ever, where there is always something.
    fn settle(&mut self, least: Duration) {
        let began = Instant::now();
        let (mut changed, mut marks) = (began, fingerprint(&self.directory));
        loop {
            let wait = left(changed - began, changed.elapsed(), !self.open.is_empty(), least);
            if wait.is_zero() {
                // What is still open after so long, or was removed while it was, is not waited for again.
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

    /// Waits for events, for so long at the most. Whether there was any.
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
            // No watcher: the folder is looked at now and then all the same.
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

/// What is heard of the folder.
enum Heard {
    /// Something has changed.
    Change,
    /// Somebody has written to a file, and may not be done with it.
    Written(PathBuf),
    /// A file that was written to is closed. Only Linux tells of that; elsewhere the folder is read when it is quiet.
    Closed(PathBuf),
}

impl Heard {
    /// What an event says of `directory`. Its parent is full of other things that change.
    fn of(event: notify::Event, directory: &Path) -> Option<Self> {
        // Elsewhere than on Linux events may name a folder otherwise than it was asked for.
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

/// What the system says of a file: it changes when anything does.
pub(super) type Mark = (std::ffi::OsString, u64, u64, i64, i64, Option<SystemTime>);

/// The marks of the files of a bundle. The parent folder is full of other things that change.
pub(super) fn fingerprint(directory: &Path) -> Vec<Mark> {
    let folders = [directory.to_owned(), directory.join("tests")];
    let entries = folders.iter().filter_map(|it| std::fs::read_dir(it).ok()).flatten().flatten();
    let mut files: Vec<Mark> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let it = std::fs::metadata(&path).ok()?;
            let changed = (it.ctime(), it.ctime_nsec());
            // However the folder is named.
            let name = path.strip_prefix(directory).unwrap_or(&path).as_os_str().to_owned();
            Some((name, it.ino(), it.len(), changed.0, changed.1, it.modified().ok()))
        })
        .collect();
    files.sort();
    files
}
