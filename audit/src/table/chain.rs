//! A journal's records by their numbers, to be verified and compared with the journal.

use database::{DatabaseError, Pool};
use serde_json::{Map, Value};
use sqlx::Row as _;
use sqlx::types::Json;

use super::record::{self, details, restore};
use super::{AuditTable, fault};

/// The last record of a journal that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its number in the journal, from 1.
    pub seq: u64,
    /// The head of the journal's hash chain after it: SHA-256, 64 hexadecimal digits.
    pub chain: String,
}

/// The records of one journal that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Which journal.
    pub instance: String,
    /// The number of the first of them.
    pub first: u64,
    /// The number of the last of them.
    pub last: u64,
}

/// A record of a journal, as the table's columns have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its number, as the column says.
    pub seq: u64,
    /// The hash chain after it, as the column says.
    pub chain: String,
    /// The members of the record and of its seal, in the journal's order.
    pub record: Map<String, Value>,
    /// Whether the text of `details` was kept. Versions before did not in PostgreSQL, and `jsonb` forgets the order
    /// of members, over which the hash is.
    pub exact: bool,
    /// Whether the two columns that PostgreSQL has of `details` say the same.
    pub agrees: bool,
}

const LAST: &str = "select seq, chain from audit_logs where instance = $1 and seq is not null \
     order by seq desc limit 1";
const EXTENTS: &str = "select instance, coalesce(min(seq), 0), coalesce(max(seq), 0) from audit_logs \
     where instance is not null group by instance order by instance";
/// Records without a seal that are younger than the first one with it: nobody adds such any more.
const UNSEALED: &str = "select count(*) from audit_logs where (instance is null or seq is null) and timestamp > \
     (select min(timestamp) from audit_logs where instance is not null)";

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
        let position = |(seq, chain): (i64, Option<String>)| Position {
            seq: number(seq),
            chain: chain.unwrap_or_default(),
        };
        Ok(found.map(position))
    }

    /// Which journals the table has records of, and from which number to which.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked.
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

    /// How many records without a seal are younger than the first sealed one.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked.
    pub async fn unsealed(&self) -> Result<u64, DatabaseError> {
        let count: i64 = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(UNSEALED).fetch_one(pool).await,
            Pool::Postgres(pool) => sqlx::query_scalar(UNSEALED).fetch_one(pool).await,
        }
        .map_err(fault)?;
        Ok(number(count))
    }

    /// The records from the journal of `instance`, in the order of their numbers: those after number `after` (0:
    /// from the first), at most `limit`. Records that retention has removed are not among them.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked.
    pub async fn kept(
        &self,
        instance: &str,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Kept>, DatabaseError> {
        // No journal gets that far; nothing comes after it.
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
    /// Of the columns. `exact`: `details` is text in the journal's order.
    fn of(columns: Map<String, Value>, exact: bool) -> Self {
        let text = details(&columns);
        let agrees = text.as_ref().is_none_or(|text| columns.get("details") == Some(text));
        // A text that is no JSON is none of ours.
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

/// A number that no journal has is like no journal's: 0.
pub(super) fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}
