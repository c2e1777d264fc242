//! Errors that stop the backend as a whole. The errors of a single request are in `problem`.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why the backend could not start, or could not continue.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The address is not loopback. The backend trusts its headers, so only the gate beside it may reach it.
    #[error("the backend listens on loopback only, not on `{0}`")]
    NotLoopback(SocketAddr),
    /// The scheme of the database's URL is neither that of `SQLite` nor that of `PostgreSQL`.
    #[error("database `{0}` is neither `sqlite://…` nor `postgres://…`")]
    UnknownDatabase(String),
    /// A key file could not be read.
    #[error("file `{path}` could not be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not a key set, or its first key has no `kid`.
    #[error("key set `{0}` has no first key with a `kid`")]
    KeySet(PathBuf),
    /// The issuer's key is not an Ed25519 private key in PKCS#8 PEM.
    #[error("issuer key is not an Ed25519 key in PKCS#8 PEM")]
    IssuerKey(#[from] jsonwebtoken::errors::Error),
    /// The socket could not be bound or served.
    #[error("socket failed")]
    Socket(#[from] io::Error),
    /// The database could not be opened or refused a statement.
    #[error("database failed")]
    Database(#[from] sqlx::Error),
    /// A password could not be hashed.
    #[error("password could not be hashed")]
    Password,
    /// The compiled-in demo data do not fit the schema.
    #[error("demo data are not as expected: {0}")]
    Demo(String),
}
