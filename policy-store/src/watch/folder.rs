//! The folder of policies: when it has changed, and nobody is about to change it further.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecursiveMode, Watcher};

use super::BundleStore;

/// Editors and `ConfigMap`s write in several steps: a folder is read once it has been quiet so long.
const QUIET: Duration = Duration::from_millis(100);
/// Where somebody writes without a pause, it is read this long after the first change.
const LONGEST_WAIT: Duration = Duration::from_millis(400);
/// And this long, where somebody has a file open to which they have written: half of it may be a good file.
const LONGEST_WRITE: Duration = Duration::from_secs(5);
/// The folder is looked at this often even if nothing is heard of it.
const UNHEARD: Duration = Duration::from_secs(10);

/// Reloads whenever the folder has changed and become quiet.
pub(super) fn watch(directory: &Path, store: &Weak<BundleStore>, mut seen: Vec<Mark>) {
    // The parent of a name without a folder is the one that we are in.
    let directory = &std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let (sender, events) = channel();
    let heard = move |event: notify::Result<notify::Event>| {
        if let Some(event) = event.ok().and_then(Heard::of) {
            let _gone = sender.send(event);
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
            if let Some(parent) = directory.parent() {
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
        wait_until_quiet(directory, &events);
    }
}

/// What is heard of the folder and of its parent.
enum Heard {
    /// Something has changed.
    Change,
    /// Somebody has written to a file, and may not be done with it.
    Written(PathBuf),
    /// Whoever wrote to a file has closed it. Only Linux tells of that; elsewhere the folder is read when it is quiet.
    Closed(PathBuf),
}

impl Heard {
    fn of(event: notify::Event) -> Option<Self> {
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

/// Waits for a first event, then for none, and until files of the folder are closed that are written to:
/// but not for ever, where there is always something.
fn wait_until_quiet(directory: &Path, events: &Receiver<Heard>) {
    let mut wait = UNHEARD;
    let mut began = None;
    let mut open = HashSet::new();
    loop {
        match events.recv_timeout(wait) {
            Ok(Heard::Written(path)) if path.starts_with(directory) => {
                open.insert(path);
            }
            Ok(Heard::Closed(path)) => {
                open.remove(&path);
            }
            Err(RecvTimeoutError::Timeout) if open.is_empty() => return,
            Ok(Heard::Change | Heard::Written(_)) | Err(RecvTimeoutError::Timeout) => {}
            // No watcher: the folder is looked at now and then all the same.
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(Duration::from_secs(1));
                return;
            }
        }
        let longest = if open.is_empty() { LONGEST_WAIT } else { LONGEST_WRITE };
        let until = *began.get_or_insert_with(Instant::now) + longest;
        wait = QUIET.min(until.saturating_duration_since(Instant::now()));
        if wait.is_zero() {
            return;
        }
    }
}
