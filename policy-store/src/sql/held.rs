//! A connection while it is asked something, and what its failures mean.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::source::FactsError;

/// Goes back to the pool only once it was answered. A connection that is let go in the middle of a
/// question, because nobody waits any more, would keep its place in the pool until the answer comes:
/// for ever, where the network is gone.
pub(super) struct Held(Option<PoolConnection<Postgres>>);

impl Held {
    pub(super) async fn of(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// It was answered.
    pub(super) fn give_back(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

/// Whether the connection is gone, and another one may stand: the server has ended it, or the
/// network.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // `admin_shutdown`, `crash_shutdown`.
        sqlx::Error::Database(said) => matches!(said.code().as_deref(), Some("57P01" | "57P02")),
        _ => false,
    }
}

/// What the failure of a statement means for whoever needs facts (SQLSTATE: PostgreSQL, Appendix A).
pub(super) fn trouble(error: &sqlx::Error) -> FactsError {
    let sqlx::Error::Database(said) = error else {
        return FactsError::Unavailable(error.to_string());
    };
    let code = said.code().unwrap_or_default().into_owned();
    match (code.as_str(), code.get(..2)) {
        // The server has cut it short, as it was told.
        ("57014", _) => FactsError::Timeout,
        // Connections, sign-in, resources, the end of the server; and a busy or unreadable file.
        (_, Some("08" | "28" | "53" | "57" | "58")) => FactsError::Unavailable(error.to_string()),
        _ if code.len() != 5 => FactsError::Unavailable(error.to_string()),
        // It answers, and will not do what it is asked.
        _ => FactsError::Refused(error.to_string()),
    }
}
