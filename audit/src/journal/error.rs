//! What can be wrong with a journal, and with a record.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::signing::SigningError;

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory cannot be made, read or written.
    #[error("the audit journal `{}` cannot be opened", path.display())]
    Unusable {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another gate writes there.
    #[error(
        "the audit journal `{}` is in use by another gate (process {holder}): give each its own `audit.directory`",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Its process id, as far as it is known.
        holder: String,
    },
    /// It is not what was written.
    #[error(
        "the audit journal `{}` is not what was written:\n{}\n`cedargate audit verify` says more; keep a copy, and set `audit.on_damage: start` to go on behind it",
        path.display(),
        faults.join("\n")
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong, and where.
        faults: Vec<String>,
    },
    /// A key cannot be used.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// A thread that looks after the journal does not start.
    #[error("the audit journal's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// A record could not be written. Who needs it to be is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unrecordable {
    /// The file system did not take it.
    #[error("the audit journal cannot be written")]
    Unwritable(#[source] Arc<io::Error>),
    /// It has no spelling as JSON, which is a fault of this program.
    #[error("an audit record cannot be spelled")]
    Unspeakable(#[source] Arc<serde_json::Error>),
    /// The thread that looks after the journal is gone, which is a fault of this program.
    #[error("the audit journal is not looked after any more")]
    Abandoned,
}

impl From<io::Error> for Unrecordable {
    fn from(error: io::Error) -> Self {
        Self::Unwritable(Arc::new(error))
    }
}
