//! Files and directories that only their owner may read: keys, records, databases.
//!
//! A umask takes permissions away and gives none, so what is made here is private whatever the umask is. What is
//! there already is left as it is; who uses it warns when others may read it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Options that make a file for its owner alone.
pub fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Makes a directory, and those above it that are missing, for its owner alone.
///
/// # Errors
///
/// When it cannot be made.
pub fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The permissions of a file or directory that is there, if anybody but its owner has any.
pub fn too_open(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Warns when somebody else may use a file or directory that is there. `what` names it in the log.
pub fn warn_if_open(what: &str, path: &Path) {
    if let Some(mode) = too_open(path) {
        let (path, mode) = (path.display(), format!("{mode:04o}"));
        tracing::warn!(what, %path, mode, "others than its owner may use this; take that away with `chmod go=`");
    }
}
