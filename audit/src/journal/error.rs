//! The errors of a journal, and of a record.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::signing::SigningError;

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory cannot be created, read or written.
    #[error("the audit journal `{}` cannot be opened", path.display())]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another gate uses the directory.
    #[error(
        "the audit journal `{}` is in use by another gate (process {holder}): give each its own `audit.directory`",
        path.display()
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process id of the other gate, if it is known.
        holder: String,
    },
    /// The journal is not what was written.
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
    /// A thread of the journal cannot be started.
    #[error("the audit journal's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Why a record could not be written. A request that needs the record is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unrecordable {
    /// The file system did not take the record.
    #[error("the audit journal cannot be written")]
    Unwritable(#[source] Arc<io::Error>),
    /// The record has no spelling as JSON, which is a fault of this program.
    #[error("an audit record cannot be spelled")]
    Unspeakable(#[source] Arc<serde_json::Error>),
    /// A thread of the journal has ended, which is a fault of this program.
    #[error("the audit journal is not looked after any more")]
    Abandoned,
}

impl From<io::Error> for Unrecordable {
    fn from(error: io::Error) -> Self {
        Self::Unwritable(Arc::new(error))
    }
}
