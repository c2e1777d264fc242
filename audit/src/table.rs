//! The audit table, `audit_logs`: the gate's records in a database, where they can be queried.
//!
//! `store` adds records, each once; `find` returns them as they are in the journal; `chain` returns a journal's
//! records by their numbers, for verification; `vouch` stores what is signed; `marks` finds what a gate says about
//! itself; `retain` is the only way that records are removed.

mod chain;
mod find;
mod marks;
mod record;
mod retain;
mod statement;
mod store;
mod vouch;

use std::time::Duration;

pub use chain::{Extent, Kept, Position};
pub use find::{Cursor, Filter, Page};
pub use marks::ClockBack;
pub use retain::{Month, Removal, Retained};
pub use vouch::{After, Voucher};

use base::supervise::Supervisor;
use database::{DatabaseError, PasswordFile, Pool};

/// Whether the table is migrated: it has partitions, the columns of the seal, and what vouches for records.
const POSTGRES_IS_MIGRATED: &str = "select count(*) = 5 from pg_class c join pg_attribute a on a.attrelid = c.oid \
     where c.oid = to_regclass('audit_logs') and c.relkind = 'p' \
     and a.attname in ('instance', 'seq', 'chain', 'durability', 'details_text') \
     and not a.attisdropped and to_regclass('audit_checkpoints') is not null \
     and to_regclass('audit_retained_signed') is not null \
     and to_regprocedure('cedargate_audit_partition(timestamptz)') is not null \
     and to_regprocedure('cedargate_audit_retain(timestamptz,boolean)') is not null";
const SQLITE_IS_MIGRATED: &str = "select count(*) = 4 and exists (select 1 from sqlite_master \
     where name = 'audit_retained_signed') from pragma_table_info('audit_logs') \
     where name in ('instance', 'seq', 'chain', 'durability')";

/// The audit table in a database.
#[derive(Debug)]
pub struct AuditTable {
    pub(super) pool: Pool,
    months: store::Months,
}

impl AuditTable {
    /// The audit table in the database at `url`. Connects on first use; no statement takes longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Fails if the URL is not the URL of a database.
    pub fn open(url: &str, timeout: Duration) -> Result<Self, DatabaseError> {
        Ok(Self { pool: Pool::open(url, timeout)?, months: store::Months::default() })
    }

    /// Makes new connections sign in with the password in `file`. Returns the task that follows changes of the file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn sign_in_with(
        &self,
        file: PasswordFile,
        supervisor: &Supervisor,
    ) -> Result<impl Future<Output = ()> + Send + 'static + use<>, DatabaseError> {
        file.supervised(&self.pool, supervisor)
    }

    /// Checks that the table is as this version needs it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Unmigrated`] if the table is missing or of an older version; other errors if the database
    /// cannot be queried.
    pub async fn check(&self) -> Result<(), DatabaseError> {
        if self.says(POSTGRES_IS_MIGRATED, SQLITE_IS_MIGRATED).await? {
            Ok(())
        } else {
            Err(DatabaseError::Unmigrated)
        }
    }

    /// Whether the database takes records at all: it answers, has the table as this version needs it, and allows
    /// inserts. A record that is refused all the same is refused because of what is in it.
    pub async fn is_up(&self) -> bool {
        let may_add =
            "select has_table_privilege('audit_logs', 'insert') and not pg_is_in_recovery()";
        self.check().await.is_ok() && self.says(may_add, "select true").await.unwrap_or(false)
    }

    /// The answer to a yes-or-no query, in the dialect of the database.
    async fn says(
        &self,
        postgres: &'static str,
        sqlite: &'static str,
    ) -> Result<bool, DatabaseError> {
        let answer = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(sqlite).fetch_one(pool).await,
            Pool::Postgres(pool) => sqlx::query_scalar(postgres).fetch_one(pool).await,
        };
        answer.map_err(fault)
    }
}

/// Translates the failure of a statement about the table: undefined tables, columns and functions mean a migration
/// that was not run (SQLSTATE: PostgreSQL, Appendix A; SQLite has only words).
fn fault(error: sqlx::Error) -> DatabaseError {
    let Some(said) = error.as_database_error() else { return error.into() };
    let missing = match said.code().as_deref() {
        Some("42P01" | "42703" | "42883") => true,
        Some(code) if code.len() == 5 => false,
        _ => ["no such table", "no such column", "has no column"]
            .iter()
            .any(|words| said.message().contains(words)),
    };
    if missing { DatabaseError::Unmigrated } else { error.into() }
}
