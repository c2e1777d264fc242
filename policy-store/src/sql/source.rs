//! The implementation of [`FactSource`] with SQL.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base::supervise::Supervisor;
use database::PasswordFile;
use sqlx::postgres::PgTypeInfo;
use sqlx::{
    AssertSqlSafe, Connection as _, Either, Executor as _, PgConnection, SqlSafeStr as _,
    SqlitePool, Statement as _,
};
use tokio::time::timeout;

use super::cell::{PgBound, Problem, Type};
use super::held::{Held, is_lost, trouble};
use super::key::Key;
use super::mapping::{Defaults, KeyForm, Mapping, Subject};
use super::query::{self, Cells, Found, Query};
use super::{CONNECTIONS, DatabaseError, Pool, check};
use crate::bundle::Bundle;
use crate::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::{FactSource, FactsError, Unfit};

/// The minimum timeout of a ping. Callers may stop waiting earlier.
const PINGED: Duration = Duration::from_secs(5);
/// How much longer the gate waits for a statement than the server's own timeout.
const GRACE: Duration = Duration::from_millis(100);
/// The error codes of Postgres for a statement that is outdated: its columns would have other types than when
/// it was prepared, or the bytes of its parameter are more or fewer than those of the type that it takes.
const OUTDATED: [&str; 3] = ["0A000", "22P03", "08P01"];

/// A source of facts that reads them from a database with the statements of a mapping.
#[derive(Debug)]
pub struct SqlFacts {
    pub(super) pool: Pool,
    timeout: Duration,
    pub(super) queries: Vec<Query>,
    pub(super) mapping: Mapping,
    /// Whether the operator wrote the mapping.
    pub(super) written: bool,
}

/// Why a statement returned no facts.
pub(super) enum Failure {
    /// The database did not answer.
    Down(sqlx::Error),
    /// The database did not answer in time.
    Late,
    /// The database answered, but the row cannot be a fact.
    Row(Problem),
}

impl From<sqlx::Error> for Failure {
    /// Converts an error. A value that the statement cannot process affects only the row with that value.
    fn from(error: sqlx::Error) -> Self {
        let said = error.as_database_error().filter(|said| {
            // Postgres: data exceptions, and a subquery with more rows than it may have.
            let code = said.code().unwrap_or_default();
            let of_the_row = code.len() == 5 && (code.starts_with("22") || code.starts_with("21"));
            let of_the_row = of_the_row && !OUTDATED.contains(&&*code);
            of_the_row || said.message() == "malformed JSON"
        });
        match said.map(|said| format!("the statement fails: {}", said.message())) {
            Some(problem) => Self::Row(problem),
            None => Self::Down(error),
        }
    }
}

impl Failure {
    /// Returns the error about the row `id`.
    fn about(self, kind: &str, id: &str) -> FactsError {
        match self {
            Self::Down(error) => trouble(&error),
            Self::Late => FactsError::Timeout,
            Self::Row(problem) => {
                FactsError::Unreadable { kind: kind.to_owned(), id: id.to_owned(), problem }
            }
        }
    }
}

impl SqlFacts {
    /// Makes new connections sign in with the password in `file`, and returns the task that follows changes of
    /// the file.
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

    /// Returns a source for the database at `url` with `mapping`, or with the default mapping for the tables of
    /// `migrations/`. The first question opens the first connection. No statement takes longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Fails if `url` is not a database URL.
    pub fn open(
        url: &str,
        timeout: Duration,
        mapping: Option<Mapping>,
    ) -> Result<Self, DatabaseError> {
        let pool = Pool::open(url, timeout)?;
        let written = mapping.is_some();
        let mapping = match (mapping, &pool) {
            (Some(mapping), _) => mapping,
            (None, Pool::Sqlite(_)) => Defaults::read().map_err(DatabaseError::Url)?.sqlite,
            (None, Pool::Postgres(_)) => Defaults::read().map_err(DatabaseError::Url)?.postgres,
        };
        let queries = mapping.statements();
        let queries = queries.map(|(subject, it)| Query::new(subject, it, &mapping)).collect();
        Ok(Self { pool, timeout, queries, mapping, written })
    }

    fn query(&self, subject: &Subject) -> Option<&Query> {
        self.queries.iter().find(|query| query.subject == *subject)
    }

    /// Reads the fact in the rows for `id`.
    async fn read<T>(
        &self,
        query: &Query,
        id: &str,
        fact: fn(Found<'_>) -> Result<T, Problem>,
    ) -> Result<Option<T>, FactsError> {
        let read = async {
            let rows = self.rows(query, Some(id)).await?;
            let found = query.found(id, rows).map_err(Failure::Row)?;
            found.map(fact).transpose().map_err(Failure::Row)
        };
        read.await.map_err(|failure: Failure| failure.about(query.subject.kind(), id))
    }

    /// Runs a statement, with the key `id` if it takes one. Every statement runs through here.
    async fn rows(&self, query: &Query, id: Option<&str>) -> Result<Vec<Cells>, Failure> {
        match &self.pool {
            Pool::Sqlite(pool) => sqlite(pool, query, id).await,
            Pool::Postgres(pool) => {
                // Idle connections may have ended unnoticed: in the worst case, all of them.
                for _ in 0..CONNECTIONS {
                    match self.over(&mut Held::of(pool).await?, query, id).await {
                        Err(Failure::Down(error)) if is_lost(&error) => {}
                        answer => return answer,
                    }
                }
                self.over(&mut Held::of(pool).await?, query, id).await
            }
        }
    }

    /// Runs a statement over one connection.
    async fn over(
        &self,
        held: &mut Held,
        query: &Query,
        id: Option<&str>,
    ) -> Result<Vec<Cells>, Failure> {
        let connection = held.connection()?;
        let asked = async {
            let rows = postgres(connection, query, id).await;
            if !matches!(&rows, Err(Failure::Down(error)) if outdated(error)) {
                return rows;
            }
            // The tables have changed since the statement was prepared: its parameter and columns may have
            // other types now.
            query.parameter.store(None);
            connection.clear_cached_statements().await?;
            postgres(connection, query, id).await
        };
        // The server's timeout comes first; this one is for a server that is gone.
        let asked = timeout(self.timeout + GRACE, asked).await;
        let answer = asked.map_err(|_elapsed| Failure::Late)?;
        if !matches!(&answer, Err(Failure::Down(error)) if is_lost(error)) {
            held.give_back();
        }
        answer
    }
}

// The statements are the operator's or the defaults: no part of them comes from a request.

async fn sqlite(pool: &SqlitePool, query: &Query, id: Option<&str>) -> Result<Vec<Cells>, Failure> {
    let mut asked = sqlx::query(AssertSqlSafe(Arc::clone(&query.sql)));
    if let Some(id) = id {
        asked = match Key::read(query.key.unwrap_or(KeyForm::Text), id) {
            None => return Ok(Vec::new()),
            Some(Key::Integer(_, number)) => asked.bind(number),
            Some(key) => asked.bind(key.text()),
        };
    }
    let rows = asked.fetch_all(pool).await?;
    rows.iter().map(|row| query.cells(row).map_err(Failure::Row)).collect()
}

async fn postgres(
    connection: &mut PgConnection,
    query: &Query,
    id: Option<&str>,
) -> Result<Vec<Cells>, Failure> {
    let mut asked = sqlx::query(AssertSqlSafe(Arc::clone(&query.sql)));
    if let Some(id) = id {
        let info = parameter(connection, query).await?;
        let taken = Type::of_postgres(&info).key_form();
        let form = query.key.or(taken).unwrap_or(KeyForm::Text);
        let bound = Key::read(form, id).and_then(|key| PgBound::new(key, info));
        let Some(bound) = bound else { return Ok(Vec::new()) };
        asked = asked.bind(bound);
    }
    let rows = asked.fetch_all(connection).await?;
    rows.iter().map(|row| query.cells(row).map_err(Failure::Row)).collect()
}

/// Returns the type of a statement's parameter in Postgres.
async fn parameter(connection: &mut PgConnection, query: &Query) -> Result<PgTypeInfo, Failure> {
    if let Some(known) = query.parameter.load_full() {
        return Ok(PgTypeInfo::clone(&known));
    }
    let sql = AssertSqlSafe(Arc::clone(&query.sql)).into_sql_str();
    let prepared = connection.prepare(sql).await?;
    match prepared.parameters() {
        Some(Either::Left([info])) => {
            query.parameter.store(Some(Arc::new(info.clone())));
            Ok(info.clone())
        }
        _ => Err(Failure::Row(format!("`{}` does not take one parameter", query.subject))),
    }
}

/// Whether Postgres rejects a statement because it has changed since it was prepared. No key can cause that: a
/// value that cannot be processed is a data exception.
fn outdated(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| OUTDATED.contains(&&*code) || code.starts_with("42"))
}

#[async_trait]
impl FactSource for SqlFacts {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        let Some(query) = self.query(&Subject::User) else { return Ok(None) };
        self.read(query, id, query::user).await
    }

    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        let (subject, id) = match key {
            OrganizationKey::Id(id) => (Subject::Organization, id),
            OrganizationKey::Slug(slug) => (Subject::OrganizationBySlug, slug),
        };
        let Some(query) = self.query(&subject) else { return Ok(None) };
        self.read(query, id, query::organization).await
    }

    async fn object(&self, kind: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError> {
        let about = |query: &&Query| matches!(&query.subject, Subject::Object(it) if it == kind);
        let query = self.queries.iter().find(about);
        let query = query.ok_or_else(|| FactsError::Unmapped(kind.to_owned()))?;
        self.read(query, id, query::owned).await
    }

    async fn ping(&self) -> Result<(), FactsError> {
        let asked = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query("select 1").execute(pool).await.map(drop),
            // The ping opens a connection of its own: it tests whether that is possible, and waits for no other
            // query.
            Pool::Postgres(pool) => {
                let asked = async {
                    let mut own = PgConnection::connect_with(&pool.connect_options()).await?;
                    sqlx::query("select 1").execute(&mut own).await?;
                    own.close().await
                };
                let answer = timeout(PINGED.max(self.timeout), asked).await;
                answer.map_err(|_elapsed| FactsError::Timeout)?
            }
        };
        asked.map_err(|error| trouble(&error))
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        let query = self.query(&Subject::Users).ok_or(FactsError::Unlisted)?;
        let about = |failure: Failure| failure.about("user", "");
        let rows = self.rows(query, None).await.map_err(about)?;
        let mut ids = query.ids(rows).map_err(Failure::Row).map_err(about)?;
        // The database's order depends on its locale.
        ids.sort_unstable();
        Ok(ids)
    }

    fn knows(&self, kind: &str) -> bool {
        matches!(kind, "User" | "Organization")
            || self.query(&Subject::Object(kind.to_owned())).is_some()
    }

    async fn check(&self, bundle: &Bundle) -> Result<Vec<String>, Unfit> {
        check::check(self, bundle).await
    }
}
