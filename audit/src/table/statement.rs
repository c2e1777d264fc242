//! A query for records, built condition by condition.

use database::{DatabaseError, Pool};
use serde_json::{Map, Value};
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Postgres, Row as _, Sqlite};
use time::OffsetDateTime;

use super::record::stamp;
use super::{fault, record};

/// An argument, typed as the column that it is compared with.
#[derive(Debug)]
enum Arg {
    Text(String),
    Time(OffsetDateTime),
    Number(i64),
}

/// The conditions on the records of a query.
///
/// INVARIANT: no input is ever part of the SQL: the SQL is built from words of this crate, and everything else is an
/// argument.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    all: Vec<String>,
    args: Vec<Arg>,
}

impl Conditions {
    /// Adds the condition that this SQL holds.
    pub(super) fn holds(&mut self, sql: impl Into<String>) {
        self.all.push(sql.into());
    }

    /// Adds the condition that `column` equals `text`.
    pub(super) fn equals(&mut self, column: &str, text: &str) {
        let at = self.text(text);
        self.holds(format!("{column} = {at}"));
    }

    /// Adds a text as an argument. Returns its placeholder.
    pub(super) fn text(&mut self, text: &str) -> String {
        self.arg(Arg::Text(text.to_owned()))
    }

    /// Adds a time as an argument. Returns its placeholder.
    pub(super) fn time(&mut self, at: OffsetDateTime) -> String {
        self.arg(Arg::Time(at))
    }

    /// Adds a number as an argument. Returns its placeholder.
    pub(super) fn number(&mut self, number: u64) -> String {
        self.arg(Arg::Number(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn arg(&mut self, arg: Arg) -> String {
        self.args.push(arg);
        format!("${}", self.args.len())
    }

    /// The matching records, in order: the first `limit` of them.
    pub(super) async fn records(
        self,
        pool: &Pool,
        limit: i64,
    ) -> Result<Vec<Map<String, Value>>, DatabaseError> {
        match pool {
            Pool::Sqlite(pool) => self.in_sqlite(pool, limit).await,
            Pool::Postgres(pool) => self.in_postgres(pool, limit).await,
        }
        .map_err(fault)
    }

    async fn in_sqlite(
        self,
        pool: &SqlitePool,
        limit: i64,
    ) -> Result<Vec<Map<String, Value>>, sqlx::Error> {
        let rows = self.sqlite("", limit).fetch_all(pool).await?;
        let record = |row: &sqlx::sqlite::SqliteRow| {
            serde_json::from_str(&row.try_get::<String, _>(0)?)
                .map_err(|error| sqlx::Error::Decode(error.into()))
        };
        rows.iter().map(record).collect()
    }

    async fn in_postgres(
        self,
        pool: &PgPool,
        limit: i64,
    ) -> Result<Vec<Map<String, Value>>, sqlx::Error> {
        let rows = self.postgres("", limit).fetch_all(pool).await?;
        rows.iter().map(|row| Ok(row.try_get::<Json<_>, _>(0)?.0)).collect()
    }

    /// The plan of the database for the query, in its own words.
    pub(super) async fn plan(self, pool: &Pool, limit: i64) -> Result<Vec<String>, DatabaseError> {
        let lines: Result<Vec<String>, sqlx::Error> = match pool {
            Pool::Sqlite(pool) => {
                let rows = self.sqlite("explain query plan ", limit).fetch_all(pool).await;
                rows.and_then(|rows| rows.iter().map(|row| row.try_get("detail")).collect())
            }
            Pool::Postgres(pool) => {
                let rows = self.postgres("explain (costs off) ", limit).fetch_all(pool).await;
                rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect())
            }
        };
        lines.map_err(fault)
    }

    /// The text of the statement, after `prefix`.
    fn sql(&mut self, prefix: &str, record: &str, limit: i64) -> String {
        let limit = self.arg(Arg::Number(limit));
        let all = if self.all.is_empty() { "true".to_owned() } else { self.all.join(" and ") };
        format!(
            "{prefix}select {record} from audit_logs a where {all} \
             order by a.timestamp, a.id, a.phase limit {limit}"
        )
    }

    fn sqlite(mut self, prefix: &str, limit: i64) -> Query<'static, Sqlite, SqliteArguments> {
        let sql = self.sql(prefix, record::SQLITE, limit);
        let bind = |query: Query<'static, Sqlite, SqliteArguments>, arg| match arg {
            Arg::Text(text) => query.bind(text),
            Arg::Time(at) => query.bind(stamp(at)),
            Arg::Number(number) => query.bind(number),
        };
        self.args.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), bind)
    }

    /// The statement for Postgres. It is not prepared, so that each query is planned for its own arguments.
    fn postgres(mut self, prefix: &str, limit: i64) -> Query<'static, Postgres, PgArguments> {
        let sql = self.sql(prefix, record::POSTGRES, limit);
        let bind = |query: Query<'static, Postgres, PgArguments>, arg| match arg {
            Arg::Text(text) => query.bind(text),
            Arg::Time(at) => query.bind(at),
            Arg::Number(number) => query.bind(number),
        };
        self.args.into_iter().fold(sqlx::query(AssertSqlSafe(sql)).persistent(false), bind)
    }
}
