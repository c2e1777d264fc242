//! Where a journal's records stand in the table, to be compared with the journal.

use super::{AuditTable, fault};
use crate::sql::{DatabaseError, Pool};

/// The last record of a journal that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its number in the journal, from 1.
    pub seq: u64,
    /// The head of the journal's hash chain after it: SHA-256, 64 hexadecimal digits.
    pub chain: String,
}

const LAST: &str = "select seq, chain from audit_logs where instance = $1 and seq is not null \
     order by seq desc limit 1";
const AFTER: &str = "select seq, chain from audit_logs where instance = $1 and seq > $2 \
     order by seq limit $3";

impl AuditTable {
    /// The record with the greatest number of those from the journal of `instance`; none when the
    /// table has none of it.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked.
    pub async fn position(&self, instance: &str) -> Result<Option<Position>, DatabaseError> {
        let found: Option<(i64, Option<String>)> = match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query_as(LAST).bind(instance.to_owned()).fetch_optional(pool).await
            }
            Pool::Postgres(pool) => {
                sqlx::query_as(LAST).bind(instance.to_owned()).fetch_optional(pool).await
            }
        }
        .map_err(fault)?;
        Ok(found.map(sealed).map(|(seq, chain)| Position { seq, chain }))
    }

    /// The numbers and chain heads of records from the journal of `instance`, in order: those after
    /// number `after` (0: from the first), at most `limit`. Records that retention has removed are
    /// not among them.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked.
    pub async fn chains(
        &self,
        instance: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, String)>, DatabaseError> {
        // No journal gets that far; nothing comes after it.
        let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::from(limit));
        let instance = instance.to_owned();
        let found: Vec<(i64, Option<String>)> = match &self.pool {
            Pool::Sqlite(pool) => {
                let query = sqlx::query_as(AFTER).bind(instance).bind(after).bind(limit);
                query.fetch_all(pool).await
            }
            Pool::Postgres(pool) => {
                let query = sqlx::query_as(AFTER).bind(instance).bind(after).bind(limit);
                query.fetch_all(pool).await
            }
        }
        .map_err(fault)?;
        Ok(found.into_iter().map(sealed).collect())
    }
}

/// A number that no journal has, and a head that is missing, are like no journal's: 0 and nothing.
fn sealed((seq, chain): (i64, Option<String>)) -> (u64, String) {
    (u64::try_from(seq).unwrap_or(0), chain.unwrap_or_default())
}
