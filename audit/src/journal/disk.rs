//! A file that remembers a failed sync.
//!
//! The kernel reports a failed write-back once for each open file, to the first thread that syncs; the next sync
//! reports success, which is wrong. More than one thread syncs a segment, and the one that gets the error need not be
//! the one that others wait for. So a file that failed once keeps failing here.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// A file, and whether a sync of it has failed.
#[derive(Debug)]
pub(super) struct DiskFile {
    pub(super) file: File,
    failed: Mutex<bool>,
}

impl DiskFile {
    /// A file without a failed sync.
    pub(super) fn new(file: File) -> Self {
        Self { file, failed: Mutex::new(false) }
    }

    /// Syncs what was written to the disk (`fdatasync`). Syncs run one after the other, so that no caller gets
    /// success while another gets a failure.
    ///
    /// # Errors
    ///
    /// Fails if the sync fails, or an earlier one has failed.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *failed {
            return Err(io::Error::other("it could not be synced before: what it has is unknown"));
        }
        self.file.sync_data().inspect_err(|_| *failed = true)
    }

    /// Whether a sync has failed.
    pub(super) fn has_failed(&self) -> bool {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::DiskFile;

    #[test]
    fn a_file_that_failed_once_goes_on_failing() {
        let file = DiskFile::new(tempfile::tempfile().unwrap());
        file.sync().unwrap();
        *file.failed.lock().unwrap() = true;
        assert!(file.sync().is_err() && file.has_failed());
    }

    #[test]
    fn a_failure_is_noted() {
        // A pipe cannot be synced.
        let (_reader, writer) = std::io::pipe().unwrap();
        let file = DiskFile::new(std::fs::File::from(std::os::fd::OwnedFd::from(writer)));
        assert!(!file.has_failed());
        assert!(file.sync().is_err() && file.has_failed());
    }
}
