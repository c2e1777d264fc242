//! Columns of SQLite: the values in a row have types; the declared type of a column is only a hint.

use sqlx::sqlite::{SqliteRow, SqliteTypeInfo};
use sqlx::{Row as _, TypeInfo as _, ValueRef as _};

use super::{Cell, Columns, Kind, Problem, Type};

impl Type {
    /// Returns the gate's view of a declared type of SQLite.
    pub(in crate::sql) fn of_sqlite(info: &SqliteTypeInfo) -> Self {
        let (kind, word) = match info.name() {
            "TEXT" => (Kind::Text, "text"),
            "INTEGER" => (Kind::Integer, "integer"),
            "BOOLEAN" => (Kind::Flag, "boolean"),
            "REAL" => (Kind::Number, "real"),
            "BLOB" => (Kind::Other, "blob"),
            // An expression, or a name that is not one of SQLite's own types.
            _ => (Kind::Unsaid, ""),
        };
        Self { kind, word: word.to_owned() }
    }
}

impl Columns for SqliteRow {
    fn cell(&self, column: &str) -> Result<Option<Cell>, Problem> {
        if self.try_column(column).is_err() {
            return Ok(None);
        }
        let value = self.try_get_raw(column).map_err(|error| error.to_string())?;
        if value.is_null() {
            return Ok(Some(Cell::Null));
        }
        let word = value.type_info().name().to_owned();
        drop(value);
        let cell = match word.as_str() {
            "TEXT" => self.try_get_unchecked(column).map(Cell::Text),
            "INTEGER" => self.try_get_unchecked(column).map(Cell::Integer),
            "REAL" => self.try_get_unchecked(column).map(Cell::Number),
            _ => Ok(Cell::Other(word.to_lowercase())),
        };
        cell.map(Some).map_err(|error| error.to_string())
    }
}
