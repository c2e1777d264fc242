//! A file whose failure to get to the disk is not forgotten.
//!
//! The kernel tells of a failed write-back once for each open file, to whoever syncs first; the
//! next sync says that all is well, and it is not. More than one thread syncs a segment, and the
//! one that is told need not be the one that others wait for. So a file that failed once goes on
//! failing here.

use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// A file, and whether it has failed.
#[derive(Debug)]
pub(super) struct DiskFile {
    pub(super) file: File,
    failed: Mutex<bool>,
}

impl DiskFile {
    /// A file that has not failed yet.
    pub(super) fn new(file: File) -> Self {
        Self { file, failed: Mutex::new(false) }
    }

    /// Puts what was written on the disk (`fdatasync`). One sync after the other, so that nobody is
    /// told that all is well while another is told that it is not.
    ///
    /// # Errors
    ///
    /// When it cannot be done, or ever could not.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *failed {
            return Err(io::Error::other("it could not be synced before: what it has is unknown"));
        }
        self.file.sync_data().inspect_err(|_| *failed = true)
    }

    /// Whether it has failed.
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
        // A pipe has no disk to be put on.
        let (_reader, writer) = std::io::pipe().unwrap();
        let file = DiskFile::new(std::fs::File::from(std::os::fd::OwnedFd::from(writer)));
        assert!(!file.has_failed());
        assert!(file.sync().is_err() && file.has_failed());
    }
}
