//! What vouches for records, stored beside them: the checkpoints of each journal and the first lines of its segments.

use database::{DatabaseError, Pool};
use serde::Serialize;

use super::chain::number;
use super::{AuditTable, fault};

/// A line of a journal that is not a record, and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Voucher {
    /// The number of the record behind which the line stands.
    pub seq: u64,
    /// The number of the checkpoint in its journal, from 1; 0 for a first line, or a checkpoint without a number.
    pub number: u64,
    /// The SHA-256 of the line: 64 hexadecimal digits.
    pub digest: String,
    /// The line, without its line feed.
    pub line: String,
}

/// A position between two vouchers: behind this record, number and digest.
pub type After = (u64, u64, String);

/// `$2` is a JSON list. A line that exists already stays as it is.
const POSTGRES: &str = "insert into audit_checkpoints (instance, seq, number, digest, line) \
     select $1, seq, number, digest, line \
     from jsonb_to_recordset($2::jsonb) r (seq bigint, number bigint, digest text, line text) \
     on conflict do nothing";
const SQLITE: &str = "insert into audit_checkpoints (instance, seq, number, digest, line) \
     select $1, r.value ->> 'seq', r.value ->> 'number', r.value ->> 'digest', r.value ->> 'line' \
     from json_each($2) r where true on conflict do nothing";
const NEXT: &str = "select seq, number, digest, line from audit_checkpoints \
     where instance = $1 and (seq, number, digest) > ($2, $3, $4) \
     order by seq, number, digest limit $5";
const LAST: &str = "select seq, number, digest, line from audit_checkpoints where instance = $1 \
     order by seq desc, number desc, digest desc limit 1";
/// Goes from one journal to the next by the index: there are few journals and many lines.
const INSTANCES: &str = "with recursive known (instance) as ( \
     select min(instance) from audit_checkpoints union all \
     select (select min(instance) from audit_checkpoints where instance > known.instance) \
     from known where known.instance is not null) \
     select instance from known where instance is not null";

type Row = (i64, i64, String, String);

impl AuditTable {
    /// Stores lines of the journal of `instance`. A line that exists already stays as it is.
    ///
    /// # Errors
    ///
    /// Fails if the database does not take the lines.
    pub async fn vouch(&self, instance: &str, lines: &[Voucher]) -> Result<(), DatabaseError> {
        let list = serde_json::to_string(lines).unwrap_or_default();
        let instance = instance.to_owned();
        match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query(SQLITE).bind(instance).bind(list).execute(pool).await.map(drop)
            }
            Pool::Postgres(pool) => {
                sqlx::query(POSTGRES).bind(instance).bind(list).execute(pool).await.map(drop)
            }
        }
        .map_err(fault)
    }

    /// The last line of a journal in the order of [`vouchers`](Self::vouchers).
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn last_voucher(&self, instance: &str) -> Result<Option<Voucher>, DatabaseError> {
        let instance = instance.to_owned();
        let found: Option<Row> = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_as(LAST).bind(instance).fetch_optional(pool).await,
            Pool::Postgres(pool) => sqlx::query_as(LAST).bind(instance).fetch_optional(pool).await,
        }
        .map_err(fault)?;
        Ok(found.map(voucher))
    }

    /// The lines of the journal of `instance` behind `after`, ordered by record, number and digest; at most `limit`.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn vouchers(
        &self,
        instance: &str,
        after: Option<&After>,
        limit: u32,
    ) -> Result<Vec<Voucher>, DatabaseError> {
        let (seq, number, digest) = match after {
            None => (-1, -1, String::new()),
            Some((seq, number, digest)) => (place(*seq), place(*number), digest.clone()),
        };
        let (instance, limit) = (instance.to_owned(), i64::from(limit));
        let found: Vec<Row> = match &self.pool {
            Pool::Sqlite(pool) => {
                let query = sqlx::query_as(NEXT).bind(instance).bind(seq).bind(number);
                query.bind(digest).bind(limit).fetch_all(pool).await
            }
            Pool::Postgres(pool) => {
                let query = sqlx::query_as(NEXT).bind(instance).bind(seq).bind(number);
                query.bind(digest).bind(limit).fetch_all(pool).await
            }
        }
        .map_err(fault)?;
        Ok(found.into_iter().map(voucher).collect())
    }

    /// The ids of the journals that have vouchers here.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn vouched(&self) -> Result<Vec<String>, DatabaseError> {
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(INSTANCES).fetch_all(pool).await,
            Pool::Postgres(pool) => sqlx::query_scalar(INSTANCES).fetch_all(pool).await,
        }
        .map_err(fault)
    }
}

fn voucher((seq, count, digest, line): Row) -> Voucher {
    Voucher { seq: number(seq), number: number(count), digest, line }
}

fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
