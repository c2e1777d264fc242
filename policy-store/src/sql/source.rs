//! [`FactSource`] over SQL.

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

/// How long a database may take to say that it is there, for those who know no better.
const PINGED: Duration = Duration::from_secs(5);
/// How much longer than the server a statement is waited for.
const GRACE: Duration = Duration::from_millis(100);
/// What Postgres says when a prepared statement would give columns of other types than before; and
/// when the bytes of its parameter are more, or fewer, than those of the type that it takes.
const OUTDATED: [&str; 3] = ["0A000", "22P03", "08P01"];

/// Facts read from a database with the statements of a mapping.
#[derive(Debug)]
pub struct SqlFacts {
    pub(super) pool: Pool,
    timeout: Duration,
    pub(super) queries: Vec<Query>,
    pub(super) mapping: Mapping,
    /// Whether the operator wrote the mapping.
    pub(super) written: bool,
}

/// Why a statement gave no facts.
pub(super) enum Failure {
    /// The database did not answer.
    Down(sqlx::Error),
    /// It did not in time.
    Late,
    /// It did: what is asked about cannot be a fact.
    Row(Problem),
}

impl From<sqlx::Error> for Failure {
    /// A value that a statement cannot digest concerns whoever has it, and nobody else.
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
    /// As an error about the row `id`.
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

    /// Facts from the database at `url`, with `mapping`, or with the one for the tables of
    /// `migrations/`. Connects when first asked; no statement takes longer than `timeout`.
    ///
    /// # Errors
    ///
    /// When the URL is no database URL.
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

    /// Reads what the rows for `id` say.
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

    /// Runs a statement, for the key `id` if it takes one. Every statement is run here.
    async fn rows(&self, query: &Query, id: Option<&str>) -> Result<Vec<Cells>, Failure> {
        match &self.pool {
            Pool::Sqlite(pool) => sqlite(pool, query, id).await,
            Pool::Postgres(pool) => {
                // Connections may have ended while nobody used them: at worst all of them have.
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
            // The tables have changed since the statement was prepared: what it takes and gives may
            // be of other types now.
            query.parameter.store(None);
            connection.clear_cached_statements().await?;
            postgres(connection, query, id).await
        };
        // The server gives up sooner; this is for one that is not there any more.
        let asked = timeout(self.timeout + GRACE, asked).await;
        let answer = asked.map_err(|_elapsed| Failure::Late)?;
        if !matches!(&answer, Err(Failure::Down(error)) if is_lost(error)) {
            held.give_back();
        }
        answer
    }
}

// The statements are the operator's own, or ours: no part of them comes from a request.

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

/// The type that a statement's parameter has in Postgres.
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

/// Whether Postgres no longer understands a statement as it was prepared. No key can bring that
/// about: what cannot be digested of a value is a data exception.
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
            // Over a connection of its own: it tells whether one can be had, and waits for nobody.
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
        // The order of a database depends on its locale.
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
