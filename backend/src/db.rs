//! One interface to two databases.
//!
//! Statements are written once, with `$1` placeholders that both dialects know. Arguments are typed
//! ([`Arg`]), rows come back as JSON objects ([`Row`]), and the few places where the dialects
//! really differ are expressions that [`Dialect`] spells.

mod arg;
mod conditions;
mod kind;
mod row;

use std::{str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, Executor, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
    postgres::PgPoolOptions,
    query::Query,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use time::OffsetDateTime;

pub(crate) use self::{
    arg::{Arg, moment as parse_moment},
    conditions::Conditions,
    kind::Kind,
    row::{Row, list_of, text_of},
};
use crate::error::BackendError;

/// A pool of connections to either database.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// One file on this machine.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

/// A transaction. Dropped without [`Tx::commit`], it changes nothing.
#[derive(Debug)]
pub(crate) enum Tx {
    /// A transaction of `SQLite`.
    Sqlite(Transaction<'static, Sqlite>),
    /// A transaction of `PostgreSQL`.
    Postgres(Transaction<'static, Postgres>),
}

/// The dialect of SQL, for the few expressions that differ.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    /// Arrays and objects are JSON in text.
    Sqlite,
    /// Arrays are `text[]`, objects are `jsonb`.
    Postgres,
}

type Answer<T> = Result<T, sqlx::Error>;

impl Db {
    /// Opens the database that `url` names.
    pub(crate) async fn open(url: &str) -> Result<Self, BackendError> {
        let patience = Duration::from_secs(5);
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .foreign_keys(true)
                .journal_mode(SqliteJournalMode::Wal)
                .busy_timeout(patience);
            let pool = SqlitePoolOptions::new().max_connections(8).acquire_timeout(patience);
            return Ok(Self::Sqlite(pool.connect_with(options).await?));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let pool = PgPoolOptions::new().max_connections(16).acquire_timeout(patience);
            return Ok(Self::Postgres(pool.connect(url).await?));
        }
        // The URL may contain a password: only the part before the colon is repeated.
        Err(BackendError::UnknownDatabase(url.split(':').next().unwrap_or_default().to_owned()))
    }

    /// Closes all connections.
    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// The dialect of this database.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement. Returns its rows.
    pub(crate) async fn rows(&self, sql: impl Into<String>, args: Vec<Arg>) -> Answer<Vec<Row>> {
        match self {
            Self::Sqlite(pool) => sqlite_rows(pool, sql.into(), args).await,
            Self::Postgres(pool) => postgres_rows(pool, sql.into(), args).await,
        }
    }

    /// Runs a statement. Returns its first row, if it has one.
    pub(crate) async fn row(&self, sql: impl Into<String>, args: Vec<Arg>) -> Answer<Option<Row>> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Runs a statement. Returns the number of rows that it changed.
    pub(crate) async fn execute(&self, sql: impl Into<String>, args: Vec<Arg>) -> Answer<u64> {
        match self {
            Self::Sqlite(pool) => sqlite_execute(pool, sql.into(), args).await,
            Self::Postgres(pool) => postgres_execute(pool, sql.into(), args).await,
        }
    }

    /// Begins a transaction for writing.
    pub(crate) async fn begin(&self) -> Answer<Tx> {
        Ok(match self {
            // SQLite has one writer: a transaction that asks to write at once waits, while one that asks halfway
            // through fails.
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("begin immediate").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }
}

impl Tx {
    /// The dialect of this database.
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement. Returns its rows.
    pub(crate) async fn rows(
        &mut self,
        sql: impl Into<String>,
        args: Vec<Arg>,
    ) -> Answer<Vec<Row>> {
        match self {
            Self::Sqlite(tx) => sqlite_rows(&mut **tx, sql.into(), args).await,
            Self::Postgres(tx) => postgres_rows(&mut **tx, sql.into(), args).await,
        }
    }

    /// Runs a statement. Returns its first row, if it has one.
    pub(crate) async fn row(
        &mut self,
        sql: impl Into<String>,
        args: Vec<Arg>,
    ) -> Answer<Option<Row>> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Runs a statement. Returns the number of rows that it changed.
    pub(crate) async fn execute(&mut self, sql: impl Into<String>, args: Vec<Arg>) -> Answer<u64> {
        match self {
            Self::Sqlite(tx) => sqlite_execute(&mut **tx, sql.into(), args).await,
            Self::Postgres(tx) => postgres_execute(&mut **tx, sql.into(), args).await,
        }
    }

    /// Commits everything since [`Db::begin`].
    pub(crate) async fn commit(self) -> Answer<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}

impl Dialect {
    /// The expression for a list column with the names of parameter `$n` added, each name once.
    pub(crate) fn union(self, column: &str, n: usize) -> String {
        match self {
            Self::Sqlite => format!(
                "(select json_group_array(value) from (select value from json_each({column}) \
                 union select value from json_each(${n})))"
            ),
            Self::Postgres => format!(
                "array(select unnest({column}) union select unnest(${n}::text[]) order by 1)"
            ),
        }
    }

    /// A time to compare the times of records with, which have microseconds: as text in `SQLite`, where texts sort
    /// like times only if they have as many digits.
    pub(crate) fn micros(self, at: OffsetDateTime) -> Arg {
        match self {
            Self::Sqlite => Arg::text(arg::micros(at)),
            Self::Postgres => Arg::time(at),
        }
    }

    /// The expression for an object column with the members of parameter `$n` laid over it.
    pub(crate) fn merge(self, column: &str, n: usize) -> String {
        match self {
            Self::Sqlite => format!("json_patch({column}, ${n})"),
            Self::Postgres => format!("{column} || ${n}::jsonb"),
        }
    }
}

// INVARIANT: no text of a request is ever part of a statement: statements are put together from names in this crate's
// source, and everything else is an argument.

fn sqlite_query(
    sql: String,
    args: Vec<Arg>,
) -> Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
    args.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), arg::bind_sqlite)
}

fn postgres_query(
    sql: String,
    args: Vec<Arg>,
) -> Query<'static, Postgres, sqlx::postgres::PgArguments> {
    args.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), arg::bind_postgres)
}

async fn sqlite_rows<'e, E>(on: E, sql: String, args: Vec<Arg>) -> Answer<Vec<Row>>
where
    E: Executor<'e, Database = Sqlite>,
{
    let rows = sqlite_query(sql, args).fetch_all(on).await?;
    rows.iter().map(row::from_sqlite).collect()
}

async fn postgres_rows<'e, E>(on: E, sql: String, args: Vec<Arg>) -> Answer<Vec<Row>>
where
    E: Executor<'e, Database = Postgres>,
{
    let rows = postgres_query(sql, args).fetch_all(on).await?;
    rows.iter().map(row::from_postgres).collect()
}

async fn sqlite_execute<'e, E>(on: E, sql: String, args: Vec<Arg>) -> Answer<u64>
where
    E: Executor<'e, Database = Sqlite>,
{
    Ok(sqlite_query(sql, args).execute(on).await?.rows_affected())
}

async fn postgres_execute<'e, E>(on: E, sql: String, args: Vec<Arg>) -> Answer<u64>
where
    E: Executor<'e, Database = Postgres>,
{
    Ok(postgres_query(sql, args).execute(on).await?.rows_affected())
}
