//! Files and directories that only their owner may read: keys, records, databases.
//!
//! A umask takes permissions away and gives none, so what is created here is private whatever the umask is. Existing
//! files and directories are left as they are; their users warn if others may read them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Options that create a file for its owner alone.
pub fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Creates a directory, and its missing parents, for its owner alone.
///
/// # Errors
///
/// Fails if the directory cannot be created.
pub fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The permissions of an existing file or directory, if anyone but its owner has any.
pub fn too_open(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Warns if others than its owner may use an existing file or directory. `what` names it in the log.
pub fn warn_if_open(what: &str, path: &Path) {
    if let Some(mode) = too_open(path) {
        let (path, mode) = (path.display(), format!("{mode:04o}"));
        tracing::warn!(what, %path, mode, "others than its owner may use this; take that away with `chmod go=`");
    }
}
