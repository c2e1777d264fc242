//! From rows to facts. A column that is missing, null where none may be, or of another form than
//! the mapping promises makes the row unreadable; nothing is guessed.

use std::sync::Arc;

use serde_json::Value;
use sqlx::{ColumnIndex, Database, Decode, Row, Type};

use crate::facts::{OrganizationFacts, OwnedFacts, UserFacts};

/// What is wrong with a row.
pub(super) type Problem = String;

/// Reads a user.
pub(super) fn user<R: Columns>(row: &R) -> Result<UserFacts, Problem> {
    Ok(UserFacts {
        id: required(row, "id")?,
        organization: row.text("organization")?.map(Arc::from),
        roles: list(row, "roles")?,
        features: list(row, "features")?,
        status: required(row, "status")?,
        tokens_valid_after: row.number("tokens_valid_after")?,
        revoked_tokens: list(row, "revoked_tokens")?,
    })
}

/// Reads the id alone.
pub(super) fn id<R: Columns>(row: &R) -> Result<Arc<str>, Problem> {
    required(row, "id")
}

/// Reads an organisation.
pub(super) fn organization<R: Columns>(row: &R) -> Result<OrganizationFacts, Problem> {
    Ok(OrganizationFacts {
        id: required(row, "id")?,
        slug: required(row, "slug")?,
        status: required(row, "status")?,
        deleted: row.boolean("deleted")?,
        features: list(row, "features")?,
        workflows: list(row, "workflows")?,
        group: row.text("group")?.map(Arc::from),
    })
}

/// Reads who owns an object.
pub(super) fn owned<R: Columns>(row: &R) -> Result<OwnedFacts, Problem> {
    let workflow = if row.has("workflow") { row.text("workflow")?.map(Arc::from) } else { None };
    let roles = if row.has("roles") { Some(list(row, "roles")?) } else { None };
    Ok(OwnedFacts { owner: row.text("owner")?.map(Arc::from), workflow, roles })
}

fn required<R: Columns>(row: &R, column: &str) -> Result<Arc<str>, Problem> {
    row.text(column)?.map(Arc::from).ok_or_else(|| format!("column `{column}` is null"))
}

/// A list of names, sorted and each once: a JSON list of strings, or a JSON object of booleans of
/// which only `true` counts.
fn list<R: Columns>(row: &R, column: &str) -> Result<Vec<Arc<str>>, Problem> {
    let text = row.text(column)?.ok_or_else(|| format!("column `{column}` is null"))?;
    let value = serde_json::from_str(&text)
        .map_err(|error| format!("column `{column}` is not JSON: {error}"))?;
    let mut names: Vec<Arc<str>> = match value {
        Value::Array(items) => {
            items.into_iter().map(|item| name(item, column)).collect::<Result<_, _>>()
        }
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| *value == Value::Bool(true))
            .map(|(name, _)| Ok(Arc::from(name)))
            .collect(),
        _ => Err(format!("column `{column}` is neither a list nor an object")),
    }?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn name(item: Value, column: &str) -> Result<Arc<str>, Problem> {
    match item {
        Value::String(name) => Ok(Arc::from(name)),
        other => Err(format!("column `{column}` holds `{other}`, which is not a name")),
    }
}

/// The columns of a row of either database, as the few types that a mapping gives.
pub(super) trait Columns {
    fn has(&self, column: &str) -> bool;
    fn text(&self, column: &str) -> Result<Option<String>, Problem>;
    fn number(&self, column: &str) -> Result<Option<f64>, Problem>;
    fn boolean(&self, column: &str) -> Result<bool, Problem>;
}

impl<R> Columns for R
where
    R: Row,
    for<'a> &'a str: ColumnIndex<R>,
    for<'r> Option<String>: Decode<'r, R::Database>,
    for<'r> Option<f64>: Decode<'r, R::Database>,
    for<'r> bool: Decode<'r, R::Database>,
    Option<String>: Type<R::Database>,
    Option<f64>: Type<R::Database>,
    bool: Type<R::Database>,
    R::Database: Database,
{
    fn has(&self, column: &str) -> bool {
        self.try_column(column).is_ok()
    }

    fn text(&self, column: &str) -> Result<Option<String>, Problem> {
        self.try_get(column).map_err(|error| error.to_string())
    }

    fn number(&self, column: &str) -> Result<Option<f64>, Problem> {
        self.try_get(column).map_err(|error| error.to_string())
    }

    fn boolean(&self, column: &str) -> Result<bool, Problem> {
        self.try_get(column).map_err(|error| error.to_string())
    }
}
