//! The audit's table, `audit_logs`: where the gate's records can be asked for.
//!
//! `store` adds records, each once; `find` gives them back as they are in the journal; `chain` gives a
//! journal's records by their numbers, to verify them; `vouch` keeps what is signed of them;
//! `marks` finds what a gate says of its own life; `retain` is the one way that records go.

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

/// What a table that was migrated has: partitions, the columns of the seal, and what vouches for records.
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

/// The audit's table in a database.
#[derive(Debug)]
pub struct AuditTable {
    pub(super) pool: Pool,
    months: store::Months,
}

impl AuditTable {
    /// The table in the database at `url`. Connects when it is first used; no statement takes
    /// longer than `timeout`.
    ///
    /// # Errors
    ///
    /// When the URL is no database URL.
    pub fn open(url: &str, timeout: Duration) -> Result<Self, DatabaseError> {
        Ok(Self { pool: Pool::open(url, timeout)?, months: store::Months::default() })
    }

    /// Has new connections sign in with the password in `file`, and gives the task that follows its changes.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn sign_in_with(
        &self,
        file: PasswordFile,
        supervisor: &Supervisor,
    ) -> Result<impl Future<Output = ()> + Send + 'static + use<>, DatabaseError> {
        file.supervised(&self.pool, supervisor)
    }

    /// Whether the table is as this version needs it.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::Unmigrated`] when it is missing or of an older version; others when the
    /// database cannot be asked.
    pub async fn check(&self) -> Result<(), DatabaseError> {
        if self.says(POSTGRES_IS_MIGRATED, SQLITE_IS_MIGRATED).await? {
            Ok(())
        } else {
            Err(DatabaseError::Unmigrated)
        }
    }

    /// Whether the database takes records at all: it answers, has the table as this version needs it,
    /// and lets us add to it. A record that is refused all the same is refused for itself.
    pub async fn is_up(&self) -> bool {
        let may_add =
            "select has_table_privilege('audit_logs', 'insert') and not pg_is_in_recovery()";
        self.check().await.is_ok() && self.says(may_add, "select true").await.unwrap_or(false)
    }

    /// The answer to a question, as either database is asked it.
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

/// What the failure of a statement about the table means: undefined tables, columns and functions are
/// those of a migration that was not run (SQLSTATE: PostgreSQL, Appendix A; SQLite has only words).
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
