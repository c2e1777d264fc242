//! [`FactSource`] over SQL.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::rows::{self, Problem};
use super::{DatabaseError, Pool, mapping};
use crate::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::{FactSource, FactsError};

/// Facts read from a database with the statements of a mapping.
#[derive(Debug)]
pub struct SqlFacts {
    pub(super) pool: Pool,
    statements: mapping::Statements,
}

impl SqlFacts {
    /// Facts from the database at `url`, with the default mapping. Connects when first asked;
    /// no statement takes longer than `timeout`.
    ///
    /// # Errors
    ///
    /// When the URL is no database URL.
    pub fn open(url: &str, timeout: Duration) -> Result<Self, DatabaseError> {
        let pool = Pool::open(url, timeout)?;
        let mapping = mapping::default().map_err(DatabaseError::Url)?;
        let statements = match pool {
            Pool::Sqlite(_) => mapping.sqlite,
            Pool::Postgres(_) => mapping.postgres,
        };
        Ok(Self { pool, statements })
    }

    /// Runs `statement` for `key` and reads the row that it gives, if it gives one.
    async fn read<T>(
        &self,
        what: Row<'_>,
        statement: &str,
        sqlite: fn(&sqlx::sqlite::SqliteRow) -> Result<T, Problem>,
        postgres: fn(&sqlx::postgres::PgRow) -> Result<T, Problem>,
    ) -> Result<Option<T>, FactsError> {
        // No text in Postgres holds a NUL: there is no such row, and asking would be an error.
        if what.id.contains('\0') {
            return Ok(None);
        }
        // The statement is the operator's own, or ours: no part of it comes from a request.
        let sql = AssertSqlSafe(statement.to_owned());
        let read = match &self.pool {
            Pool::Sqlite(pool) => {
                let row = sqlx::query(sql).bind(what.id).fetch_optional(pool).await;
                row.map_err(unavailable)?.map(|row| sqlite(&row))
            }
            Pool::Postgres(pool) => {
                let row = sqlx::query(sql).bind(what.id).fetch_optional(pool).await;
                row.map_err(unavailable)?.map(|row| postgres(&row))
            }
        };
        read.transpose().map_err(|problem| what.unreadable(problem))
    }
}

/// Which row is read, for the message when it cannot be.
#[derive(Clone, Copy)]
struct Row<'a> {
    kind: &'a str,
    id: &'a str,
}

impl Row<'_> {
    fn unreadable(self, problem: Problem) -> FactsError {
        FactsError::Unreadable { kind: self.kind.to_owned(), id: self.id.to_owned(), problem }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn unavailable(error: sqlx::Error) -> FactsError {
    FactsError::Unavailable(error.to_string())
}

#[async_trait]
impl FactSource for SqlFacts {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        let row = Row { kind: "user", id };
        self.read(row, &self.statements.user, rows::user, rows::user).await
    }

    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        let (statement, id) = match key {
            OrganizationKey::Id(id) => (&self.statements.organization_by_id, id),
            OrganizationKey::Slug(slug) => (&self.statements.organization_by_slug, slug),
        };
        let row = Row { kind: "organization", id };
        self.read(row, statement, rows::organization, rows::organization).await
    }

    async fn object(&self, kind: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError> {
        let statement = self.statements.objects.get(kind);
        let statement = statement.ok_or_else(|| FactsError::Unmapped(kind.to_owned()))?;
        self.read(Row { kind, id }, statement, rows::owned, rows::owned).await
    }

    async fn ping(&self) -> Result<(), FactsError> {
        let asked = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query("select 1").execute(pool).await.map(drop),
            Pool::Postgres(pool) => sqlx::query("select 1").execute(pool).await.map(drop),
        };
        asked.map_err(unavailable)
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        let sql = AssertSqlSafe(self.statements.users.clone());
        let unreadable = |problem| Row { kind: "user", id: "" }.unreadable(problem);
        let mut ids: Vec<Arc<str>> = match &self.pool {
            Pool::Sqlite(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.map_err(unavailable)?;
                rows.iter().map(rows::id).collect::<Result<_, _>>().map_err(unreadable)?
            }
            Pool::Postgres(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.map_err(unavailable)?;
                rows.iter().map(rows::id).collect::<Result<_, _>>().map_err(unreadable)?
            }
        };
        // The order of a database depends on its locale.
        ids.sort_unstable();
        Ok(ids)
    }

    fn knows(&self, kind: &str) -> bool {
        matches!(kind, "User" | "Organization") || self.statements.objects.contains_key(kind)
    }
}
