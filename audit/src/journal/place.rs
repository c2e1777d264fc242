//! The directory, and the lock that reserves it for one gate.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::JournalError;
use super::segment::{FileId, Segment, identity};

/// The file that is locked; it contains the id of the process that holds the lock.
const LOCK: &str = "lock";

/// How long a start waits for a gate that is shutting down.
const PATIENCE: Duration = Duration::from_millis(500);

/// The locked directory.
#[derive(Debug)]
pub(super) struct Place {
    directory: PathBuf,
    lock: Lock,
    durable: bool,
}

#[derive(Debug)]
struct Lock {
    /// The lock lives as long as the file is open.
    _file: File,
    id: FileId,
}

/// Why a directory could not be locked.
enum NotTaken {
    InUse,
    Failed(io::Error),
}

impl From<io::Error> for NotTaken {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Place {
    /// Creates the directory if it does not exist, and locks it. With `durable`, what is created in it is synced
    /// before it is used.
    pub(super) fn take(directory: PathBuf, durable: bool) -> Result<Self, JournalError> {
        let unusable = |source| JournalError::Unusable { path: directory.clone(), source };
        make(&directory, durable).map_err(unusable)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Lock::take(&directory) {
                Ok(lock) => return Ok(Self { directory, lock, durable }),
                Err(NotTaken::Failed(error)) => return Err(unusable(error)),
                Err(NotTaken::InUse) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(20));
                }
                Err(NotTaken::InUse) => {
                    let holder = holder(&directory);
                    return Err(JournalError::InUse { path: directory, holder });
                }
            }
        }
    }

    /// The directory.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether there is a directory at the path.
    pub(super) fn is_there(&self) -> bool {
        self.directory.is_dir()
    }

    /// Makes sure that the directory exists and is still locked by us. If it is gone, it is created again.
    pub(super) fn confirm(&mut self) -> io::Result<()> {
        let found = fs::metadata(self.directory.join(LOCK)).map(|found| identity(&found));
        if found.is_ok_and(|id| id == self.lock.id) {
            return Ok(());
        }
        make(&self.directory, self.durable)?;
        self.lock = match Lock::take(&self.directory) {
            Ok(lock) => lock,
            Err(NotTaken::Failed(error)) => return Err(error),
            Err(NotTaken::InUse) => return Err(io::Error::other("another gate has taken it")),
        };
        Ok(())
    }

    /// Creates a new segment.
    pub(super) fn begin(&self, stem: String) -> io::Result<Segment> {
        let segment = Segment::create(&self.directory, stem)?;
        if self.durable {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(segment)
    }
}

impl Lock {
    fn take(directory: &Path) -> Result<Self, NotTaken> {
        let path = directory.join(LOCK);
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotTaken::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let id = identity(&file.metadata()?);
        if identity(&fs::metadata(&path)?) != id {
            // The file was replaced between opening and locking: this lock protects nothing.
            return Err(NotTaken::InUse);
        }
        // The process id is only for the error message of another gate: on a full disk it may be missing.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file, id })
    }
}

/// The total size of the files in a directory.
pub(super) fn bytes_in(directory: &Path) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for entry in fs::read_dir(directory)? {
        match entry?.metadata() {
            Ok(found) if found.is_file() => bytes = bytes.saturating_add(found.len()),
            // The file was removed in the meantime.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(bytes)
}

/// The process that holds the lock, if the file says so.
fn holder(directory: &Path) -> String {
    let mut text = String::new();
    let read =
        File::open(directory.join(LOCK)).and_then(|file| file.take(32).read_to_string(&mut text));
    match text.trim() {
        pid if read.is_ok() && !pid.is_empty() => pid.to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// Creates the directory and its parents, readable for the owner alone.
fn make(directory: &Path, durable: bool) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    if durable {
        for made in directory.ancestors().filter(|made| !made.as_os_str().is_empty()) {
            File::open(made)?.sync_all()?;
        }
    }
    Ok(())
}
