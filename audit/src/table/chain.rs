//! A journal's records by their numbers, for verification and comparison with the journal.

use database::{DatabaseError, Pool};
use serde_json::{Map, Value};
use sqlx::Row as _;
use sqlx::types::Json;

use super::record::{self, details, restore};
use super::{AuditTable, fault};

/// The last record of a journal that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The number of the record in its journal, from 1.
    pub seq: u64,
    /// The head of the journal's hash chain after the record: SHA-256, 64 hexadecimal digits.
    pub chain: String,
}

/// The records of one journal that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The id of the journal.
    pub instance: String,
    /// The number of the first record.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
}

/// A record of a journal, as the table's columns have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The number of the record, as the column says.
    pub seq: u64,
    /// The hash chain after the record, as the column says.
    pub chain: String,
    /// The members of the record and of its seal, in the journal's order.
    pub record: Map<String, Value>,
    /// Whether the text of `details` was kept. Older versions did not keep it in PostgreSQL, and `jsonb` forgets the
    /// order of members, which the hash is over.
    pub exact: bool,
    /// Whether the two columns that PostgreSQL has for `details` agree.
    pub agrees: bool,
}

const LAST: &str = "select seq, chain from audit_logs where instance = $1 and seq is not null \
     order by seq desc limit 1";
const EXTENTS: &str = "select instance, coalesce(min(seq), 0), coalesce(max(seq), 0) from audit_logs \
     where instance is not null group by instance order by instance";
/// Counts records without a seal that are younger than the first one with a seal: no gate adds such records any more.
const UNSEALED: &str = "select count(*) from audit_logs where (instance is null or seq is null) and timestamp > \
     (select min(timestamp) from audit_logs where instance is not null)";

impl AuditTable {
    /// The record with the greatest number from the journal of `instance`; `None` if the table has none of that
    /// journal.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
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
        let position = |(seq, chain): (i64, Option<String>)| Position {
            seq: number(seq),
            chain: chain.unwrap_or_default(),
        };
        Ok(found.map(position))
    }

    /// The journals that the table has records of, with their first and last numbers.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn extents(&self) -> Result<Vec<Extent>, DatabaseError> {
        let found: Vec<(String, i64, i64)> = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_as(EXTENTS).fetch_all(pool).await,
            Pool::Postgres(pool) => sqlx::query_as(EXTENTS).fetch_all(pool).await,
        }
        .map_err(fault)?;
        let extent =
            |(instance, first, last)| Extent { instance, first: number(first), last: number(last) };
        Ok(found.into_iter().map(extent).collect())
    }

    /// The number of records without a seal that are younger than the first sealed one.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn unsealed(&self) -> Result<u64, DatabaseError> {
        let count: i64 = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(UNSEALED).fetch_one(pool).await,
            Pool::Postgres(pool) => sqlx::query_scalar(UNSEALED).fetch_one(pool).await,
        }
        .map_err(fault)?;
        Ok(number(count))
    }

    /// The records from the journal of `instance`, in the order of their numbers: at most `limit` of those after
    /// number `after` (0: from the first). Records that retention has removed are missing.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn kept(
        &self,
        instance: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Kept>, DatabaseError> {
        // No journal has a number beyond `i64`: nothing comes after it.
        let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::from(limit));
        let instance = instance.to_owned();
        match &self.pool {
            Pool::Sqlite(pool) => {
                let sql = sqlx::AssertSqlSafe(after_sql(record::SQLITE));
                let query = sqlx::query(sql).bind(instance).bind(after).bind(limit);
                let rows = query.fetch_all(pool).await.map_err(fault)?;
                let read = |row: &sqlx::sqlite::SqliteRow| {
                    let text = row.try_get::<&str, _>(0)?;
                    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
                };
                rows.iter().map(|row| Ok(Kept::of(read(row)?, true))).collect()
            }
            Pool::Postgres(pool) => {
                let sql = sqlx::AssertSqlSafe(after_sql(record::POSTGRES));
                let query = sqlx::query(sql).bind(instance).bind(after).bind(limit);
                let rows = query.fetch_all(pool).await.map_err(fault)?;
                rows.iter()
                    .map(|row| Ok(Kept::of(row.try_get::<Json<_>, _>(0)?.0, false)))
                    .collect()
            }
        }
    }
}

fn after_sql(record: &str) -> String {
    format!(
        "select {record} from audit_logs a where a.instance = $1 and a.seq > $2 \
         order by a.seq limit $3"
    )
}

impl Kept {
    /// A record from the columns. `exact`: `details` is text in the journal's order.
    fn of(columns: Map<String, Value>, exact: bool) -> Self {
        let text = details(&columns);
        let agrees = text.as_ref().is_none_or(|text| columns.get("details") == Some(text));
        // A text that is not JSON was not written by a gate.
        let spoiled = columns.get("details_text").is_some_and(Value::is_string) && text.is_none();
        let seq = columns.get("seq").and_then(Value::as_u64).unwrap_or_default();
        let chain = columns.get("chain").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            seq,
            chain,
            exact: exact || text.is_some(),
            agrees: agrees && !spoiled,
            record: restore(columns),
        }
    }
}

/// Converts a number; a negative one, which no journal has, becomes 0, which no journal has either.
pub(super) fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}
