//! The databases that the gate uses: connections to SQLite and PostgreSQL, the password that a file holds, and the
//! migrations of the tables.

mod password;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use base::private;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};

pub use password::PasswordFile;

/// The maximum number of connections of one [`Pool`].
pub const CONNECTIONS: u32 = 8;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL is not that of a supported database.
    #[error("`{0}` is not a database URL: it begins with `sqlite:` or `postgres:`")]
    Url(String),
    /// The driver refused.
    #[error("the database cannot be used")]
    Driver(#[from] sqlx::Error),
    /// The password's file cannot be read.
    #[error("the database's password cannot be read from `{path}`: {error}", path = .0.display(), error = .1)]
    Password(PathBuf, std::io::Error),
    /// A migration failed.
    #[error("the database cannot be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The audit table is not as this version needs it.
    #[error("the table `audit_logs` is missing or of an older version: run `cedargate migrate`")]
    Unmigrated,
    /// The removal of records was requested that have to be kept; the cutoff.
    #[error(
        "records are kept for six years (45 CFR 164.316(b)(2)(i)): the cutoff {0} is younger, and nothing was removed"
    )]
    Kept(String),
}

impl DatabaseError {
    /// Whether the database refuses this data, and would take other data: a data exception or the violation of a
    /// constraint (SQLSTATE classes 22 and 23). A missing partition is reported as a violation, too, but of no
    /// constraint.
    pub fn is_about_the_data(&self) -> bool {
        /// The SQLSTATE of `check_violation`.
        const CHECK: &str = "23514";
        let Self::Driver(sqlx::Error::Database(error)) = self else { return false };
        let code = error.code().unwrap_or_default();
        if code == CHECK && error.constraint().is_none() {
            return false;
        }
        let class = code.len() == 5 && (code.starts_with("22") || code.starts_with("23"));
        class || error.kind() != sqlx::error::ErrorKind::Other
    }
}

/// A pool of connections to one of the two databases.
#[derive(Debug, Clone)]
pub enum Pool {
    /// Connections to a file of SQLite.
    Sqlite(SqlitePool),
    /// Connections to a PostgreSQL server.
    Postgres(PgPool),
}

impl Pool {
    /// A pool that connects on first use: a database that is down must not stop the start. `timeout` bounds the wait
    /// for a connection, and each statement.
    ///
    /// # Errors
    ///
    /// Fails if `url` is not a URL of SQLite or PostgreSQL.
    pub fn open(url: &str, timeout: Duration) -> Result<Self, DatabaseError> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?.busy_timeout(timeout);
            let pool =
                SqlitePoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(timeout);
            return Ok(Self::Sqlite(pool.connect_lazy_with(options)));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let limit = timeout.as_millis().max(1).to_string();
            let options = PgConnectOptions::from_str(url)?
                .application_name("cedargate")
                .options([("statement_timeout", limit.as_str())]);
            // A connection is not tested before each statement: `source.rs` repeats a statement over another
            // connection if one is broken.
            let pool = PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(timeout)
                .test_before_acquire(false);
            return Ok(Self::Postgres(pool.connect_lazy_with(options)));
        }
        Err(DatabaseError::Url(scheme(url).to_owned()))
    }
}

/// Brings the schema of the database at `url` up to date; creates an SQLite file that is missing.
///
/// # Errors
///
/// Fails if the database cannot be reached, or was migrated by a newer version.
pub async fn migrate(url: &str) -> Result<(), DatabaseError> {
    if url.starts_with("sqlite:") {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        if let Some(file) = sqlite_file(url) {
            // If the file cannot be created, SQLite reports the failure, with a better reason.
            let _made = private::file().write(true).create_new(true).open(file);
        }
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::migrate!("../migrations/sqlite").run(&pool).await?;
        pool.close().await;
        return Ok(());
    }
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
        sqlx::migrate!("../migrations/postgres").run(&pool).await?;
        pool.close().await;
        return Ok(());
    }
    Err(DatabaseError::Url(scheme(url).to_owned()))
}

/// The file of an SQLite database. SQLite gives the files beside it (`-wal`, `-shm`) the same permissions, and would
/// make it readable for everyone. `None` if the database is not one of SQLite, or is in memory.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options =
        SqliteConnectOptions::from_str(url).ok().filter(|_| url.starts_with("sqlite:"))?;
    let file = options.get_filename();
    let name = file.as_os_str().as_encoded_bytes();
    let in_memory = name.is_empty() || name == b":memory:" || name.starts_with(b"file:");
    (!in_memory).then(|| file.to_owned())
}

/// The part of a URL that may be shown: never a password.
fn scheme(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}
