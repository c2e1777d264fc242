//! Retention: the only way that records are removed.

use database::{DatabaseError, Pool};
use sqlx::{Sqlite, SqlitePool, Transaction};
use time::OffsetDateTime;

use super::chain::number;
use super::record::stamp;
use super::{AuditTable, fault};

/// The SQLSTATE of a cutoff that is too young (`migrations/postgres/0009_audit_retention.sql`).
const TOO_YOUNG: &str = "CG006";

/// Whether a cutoff leaves the last six years alone, by the database's clock. An unknown answer means no.
const SQLITE_IS_OLD: &str =
    "select coalesce($1 <= strftime('%Y-%m-%dT%H:%M:%f', 'now', '-6 years', 'floor'), false)";
const SQLITE_MONTHS: &str = "select substr(timestamp, 1, 7), count(*) from audit_logs \
     where timestamp < $1 group by 1 order by 1";

/// Notes what is removed, before it is removed. One row for each journal.
const SQLITE_TOLD: &str = "insert into audit_retained \
     (id, instance, first, last, head, records, cutoff, removed_at) \
     select lower(hex(randomblob(16))), r.instance, r.first, r.last, (select b.chain from audit_logs b \
     where b.instance = r.instance and b.seq = r.last), r.records, \
     $1, strftime('%Y-%m-%dT%H:%M:%f000Z', 'now') \
     from (select instance, min(seq) as first, max(seq) as last, count(*) as records from audit_logs \
     where timestamp < $1 and instance is not null and seq is not null group by instance) r";

macro_rules! removals {
    ($time:literal, $end:literal) => {
        concat!(
            "select id, instance, first, last, head, records, ",
            $time,
            "cutoff",
            $end,
            ", ",
            $time,
            "removed_at",
            $end,
            " from audit_retained r where not exists (select 1 from audit_retained_signed s \
             where s.id = r.id and s.instance = $1) order by removed_at, id limit 100"
        )
    };
}
const SQLITE_REMOVALS: &str = removals!("", "");
const POSTGRES_REMOVALS: &str =
    removals!("to_char(", " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
const SIGNED: &str =
    "insert into audit_retained_signed (id, instance) values ($1, $2) on conflict do nothing";

/// Records of a journal that retention has removed, according to the database. Nothing of this is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The id of the row.
    pub id: String,
    /// The id of the journal.
    pub instance: String,
    /// The number of the first removed record.
    pub first: u64,
    /// The number of the last removed record.
    pub last: u64,
    /// The hash chain after the last removed record.
    pub head: Option<String>,
    /// The number of removed records.
    pub records: u64,
    /// The time before which records were removed: RFC 3339.
    pub cutoff: String,
    /// The time of the removal, by the database's clock: RFC 3339.
    pub removed_at: String,
}

/// The records that retention has removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retained {
    /// The months, oldest first.
    pub months: Vec<Month>,
}

/// The records of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// The name of the month in the database: a partition (`audit_logs_2019_03`), or the month itself (`2019-03`).
    pub name: String,
    /// The number of records.
    pub records: u64,
}

impl Retained {
    /// The total number of records.
    pub fn records(&self) -> u64 {
        self.months.iter().map(|month| month.records).sum()
    }
}

impl AuditTable {
    /// Removes records older than `cutoff`: in Postgres the months that lie wholly before it, in SQLite each such
    /// record. Either all of them or none. Returns what was removed.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Kept`], with nothing removed, if `cutoff` is younger than six years (45 CFR
    /// 164.316(b)(2)(i)), by the database's clock; other errors if the database fails. Only the owner of the table
    /// may remove records, and roles that the owner has granted it to.
    pub async fn retain(&self, cutoff: OffsetDateTime) -> Result<Retained, DatabaseError> {
        self.pass(cutoff, false).await
    }

    /// What [`retain`](Self::retain) would remove. Removes nothing.
    ///
    /// # Errors
    ///
    /// As [`retain`](Self::retain).
    pub async fn expired(&self, cutoff: OffsetDateTime) -> Result<Retained, DatabaseError> {
        self.pass(cutoff, true).await
    }

    /// Removals that the gate of `instance` has not signed yet; some of them, oldest first.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be queried.
    pub async fn removals(&self, instance: &str) -> Result<Vec<Removal>, DatabaseError> {
        type Row = (String, String, i64, i64, Option<String>, i64, String, String);
        let instance = instance.to_owned();
        let found: Vec<Row> = match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query_as(SQLITE_REMOVALS).bind(instance).fetch_all(pool).await
            }
            Pool::Postgres(pool) => {
                sqlx::query_as(POSTGRES_REMOVALS).bind(instance).fetch_all(pool).await
            }
        }
        .map_err(fault)?;
        let removal = |(id, instance, first, last, head, records, cutoff, removed_at): Row| {
            let (first, last, records) = (number(first), number(last), number(records));
            Removal { id, instance, first, last, head, records, cutoff, removed_at }
        };
        Ok(found.into_iter().map(removal).collect())
    }

    /// Notes that the gate of `instance` has signed the removal with this id in its journal.
    ///
    /// # Errors
    ///
    /// Fails if the database does not take it.
    pub async fn removal_signed(&self, id: &str, instance: &str) -> Result<(), DatabaseError> {
        let (id, instance) = (id.to_owned(), instance.to_owned());
        match &self.pool {
            Pool::Sqlite(pool) => {
                sqlx::query(SIGNED).bind(id).bind(instance).execute(pool).await.map(drop)
            }
            Pool::Postgres(pool) => {
                sqlx::query(SIGNED).bind(id).bind(instance).execute(pool).await.map(drop)
            }
        }
        .map_err(fault)
    }

    async fn pass(&self, cutoff: OffsetDateTime, dry_run: bool) -> Result<Retained, DatabaseError> {
        let months: Vec<(String, i64)> = match &self.pool {
            Pool::Sqlite(pool) => in_sqlite(pool, cutoff, dry_run).await?,
            Pool::Postgres(pool) => {
                let sql = "select partition, records from cedargate_audit_retain($1, $2)";
                let rows = sqlx::query_as(sql).bind(cutoff).bind(dry_run).fetch_all(pool).await;
                rows.map_err(|error| kept(error, cutoff))?
            }
        };
        let month =
            |(name, records)| Month { name, records: u64::try_from(records).unwrap_or_default() };
        Ok(Retained { months: months.into_iter().map(month).collect() })
    }
}

/// Removes in one transaction that locks the database for writing from the start, so that nothing comes between
/// counting and removing.
async fn in_sqlite(
    pool: &SqlitePool,
    cutoff: OffsetDateTime,
    dry_run: bool,
) -> Result<Vec<(String, i64)>, DatabaseError> {
    let mut transaction: Transaction<'_, Sqlite> = pool.begin_with("begin immediate").await?;
    let at = stamp(cutoff);
    let is_old = sqlx::query_scalar::<_, bool>(SQLITE_IS_OLD).bind(at.clone());
    if !is_old.fetch_one(&mut *transaction).await? {
        return Err(DatabaseError::Kept(at));
    }
    let months = sqlx::query_as(SQLITE_MONTHS).bind(at.clone());
    let months = months.fetch_all(&mut *transaction).await.map_err(fault)?;
    if !dry_run {
        let told = sqlx::query(SQLITE_TOLD).bind(at.clone());
        told.execute(&mut *transaction).await.map_err(fault)?;
        let delete = sqlx::query("delete from audit_logs where timestamp < $1").bind(at);
        delete.execute(&mut *transaction).await.map_err(fault)?;
        transaction.commit().await?;
    }
    Ok(months)
}

fn kept(error: sqlx::Error, cutoff: OffsetDateTime) -> DatabaseError {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(TOO_YOUNG) {
        return DatabaseError::Kept(stamp(cutoff));
    }
    fault(error)
}
