//! What can stop the backend as a whole. What a single request can do wrong is in `problem`.

use std::{io, net::SocketAddr, path::PathBuf};

/// The backend could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The backend believes its headers, so nobody but the gate beside it may reach it.
    #[error("the backend listens on loopback only, not on `{0}`")]
    NotLoopback(SocketAddr),
    /// The scheme of the database's URL says neither `SQLite` nor `PostgreSQL`.
    #[error("database `{0}` is neither `sqlite://…` nor `postgres://…`")]
    UnknownDatabase(String),
    /// A key file could not be read.
    #[error("file `{path}` could not be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key set is not one, or its first key has no `kid`.
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
    /// The demo data that are compiled in do not fit the schema.
    #[error("demo data are not as expected: {0}")]
    Demo(String),
}
