//! The marks of gates, as far as queries about records need them.

use database::{DatabaseError, Pool};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::chain::number;
use super::{AuditTable, fault};

/// A clock that was set back: it affects the records of this journal from this number on, until the clock has caught
/// up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockBack {
    /// The id of the journal.
    pub instance: String,
    /// The number of the first record after the clock was set back.
    pub seq: u64,
    /// The greatest time before the clock was set back.
    pub greatest: OffsetDateTime,
}

const POSTGRES: &str = "select instance, seq, details ->> 'greatest' from audit_logs \
     where event_type = 'gate' and reason = 'clock_back' and instance is not null and seq is not null \
     order by instance, seq";
const SQLITE: &str = "select instance, seq, json_extract(details, '$.greatest') from audit_logs \
     where event_type = 'gate' and reason = 'clock_back' and instance is not null and seq is not null \
     order by instance, seq";

/// Finds the marks of a journal. Marks are few, and have an index.
const POSTGRES_MARKS: &str = "select seq, reason, details::text from audit_logs \
     where event_type = 'gate' and instance = $1 and seq is not null order by seq";
const SQLITE_MARKS: &str = "select seq, reason, details from audit_logs \
     where event_type = 'gate' and instance = $1 and seq is not null order by seq";

impl AuditTable {
    /// The places where clocks were set back, as marks say.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn clocks_back(&self) -> Result<Vec<ClockBack>, DatabaseError> {
        let found: Vec<(String, i64, Option<String>)> = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_as(SQLITE).fetch_all(pool).await,
            Pool::Postgres(pool) => sqlx::query_as(POSTGRES).fetch_all(pool).await,
        }
        .map_err(fault)?;
        let back = |(instance, seq, greatest): (String, i64, Option<String>)| {
            let greatest = OffsetDateTime::parse(&greatest?, &Rfc3339).ok()?;
            Some(ClockBack { instance, seq: number(seq), greatest })
        };
        Ok(found.into_iter().filter_map(back).collect())
    }

    /// The marks of the journal of `instance`: number, kind, details. They are read as they are in the table: only a
    /// verification of the records proves that the gate wrote them.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn marks(&self, instance: &str) -> Result<Vec<(u64, String, Value)>, DatabaseError> {
        let instance = instance.to_owned();
        let found: Vec<(i64, String, String)> = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_as(SQLITE_MARKS).bind(instance).fetch_all(pool).await,
            Pool::Postgres(pool) => {
                sqlx::query_as(POSTGRES_MARKS).bind(instance).fetch_all(pool).await
            }
        }
        .map_err(fault)?;
        let mark = |(seq, kind, details): (i64, String, String)| {
            (number(seq), kind, serde_json::from_str(&details).unwrap_or_default())
        };
        Ok(found.into_iter().map(mark).collect())
    }
}
