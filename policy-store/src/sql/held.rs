//! A pooled connection while a question is in progress, and the meaning of its errors.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::source::FactsError;

/// A connection that returns to the pool only after its answer has come. If it is dropped earlier, because no
/// request waits any more, it is detached: otherwise it would keep its place in the pool until the answer
/// comes, which is for ever if the network is down.
pub(super) struct Held(Option<PoolConnection<Postgres>>);

impl Held {
    pub(super) async fn of(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Returns the connection to the pool, because its answer has come.
    pub(super) fn give_back(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

/// Whether the connection is lost but another one may work: the server or the network has ended it.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // `admin_shutdown`, `crash_shutdown`.
        sqlx::Error::Database(said) => matches!(said.code().as_deref(), Some("57P01" | "57P02")),
        _ => false,
    }
}

/// Returns what the failure of a statement means for a request that needs facts (SQLSTATE: PostgreSQL, Appendix
/// A).
pub(super) fn trouble(error: &sqlx::Error) -> FactsError {
    let sqlx::Error::Database(said) = error else {
        return FactsError::Unavailable(error.to_string());
    };
    let code = said.code().unwrap_or_default().into_owned();
    match (code.as_str(), code.get(..2)) {
        // The server has cancelled the statement at its timeout.
        ("57014", _) => FactsError::Timeout,
        // Connections, sign-in, resources, shutdown of the server; and a busy or unreadable file.
        (_, Some("08" | "28" | "53" | "57" | "58")) => FactsError::Unavailable(error.to_string()),
        _ if code.len() != 5 => FactsError::Unavailable(error.to_string()),
        // The server answers, but refuses the statement.
        _ => FactsError::Refused(error.to_string()),
    }
}
