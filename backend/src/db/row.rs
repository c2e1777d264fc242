//! Rows as JSON objects, the same from either database.

use serde_json::{Map, Value};
use sqlx::{
    Column, ColumnIndex, Decode, Row as _, Type, TypeInfo, ValueRef, postgres::PgRow,
    sqlite::SqliteRow,
};
use time::{Date, OffsetDateTime};

use super::{Kind, arg};

/// One row: the name of each column, and its value.
pub(crate) type Row = Map<String, Value>;

/// The text in a column; empty if there is none.
pub(crate) fn text_of(row: &Row, column: &str) -> String {
    row.get(column).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The names in a list column.
pub(crate) fn list_of(row: &Row, column: &str) -> Vec<String> {
    let items = row.get(column).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Reads a row of `SQLite`, whose columns have only text and numbers: the names of the columns tell their kinds.
pub(super) fn from_sqlite(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let mut object = Row::new();
    for (at, column) in row.columns().iter().enumerate() {
        let kind = Kind::of(column.name());
        let stored = row.try_get_raw(at)?.type_info().name().to_owned();
        let value = match (stored.as_str(), kind) {
            ("NULL", _) => Value::Null,
            ("INTEGER", Kind::Bool) => get::<i64, _, _>(row, at, |number| number != 0)?,
            ("INTEGER", _) => get::<i64, _, _>(row, at, Value::from)?,
            ("REAL", _) => get::<f64, _, _>(row, at, Value::from)?,
            (_, Kind::Object | Kind::List) => get::<String, _, _>(row, at, parsed)?,
            _ => get::<String, _, _>(row, at, Value::from)?,
        };
        object.insert(column.name().to_owned(), value);
    }
    Ok(object)
}

/// Reads a row of `PostgreSQL` by the types it declares.
pub(super) fn from_postgres(row: &PgRow) -> Result<Row, sqlx::Error> {
    let mut object = Row::new();
    for (at, column) in row.columns().iter().enumerate() {
        let value = if row.try_get_raw(at)?.is_null() {
            Value::Null
        } else {
            match column.type_info().name() {
                "BOOL" => get::<bool, _, _>(row, at, Value::from)?,
                "INT8" => get::<i64, _, _>(row, at, Value::from)?,
                "INT4" => get::<i32, _, _>(row, at, Value::from)?,
                "FLOAT8" => get::<f64, _, _>(row, at, Value::from)?,
                "JSONB" => get::<Value, _, _>(row, at, |value| value)?,
                "TEXT[]" => get::<Vec<String>, _, _>(row, at, Value::from)?,
                "TIMESTAMPTZ" => get::<OffsetDateTime, _, _>(row, at, arg::stamp)?,
                "DATE" => get::<Date, _, _>(row, at, arg::day_text)?,
                _ => get::<String, _, _>(row, at, Value::from)?,
            }
        };
        object.insert(column.name().to_owned(), value);
    }
    Ok(object)
}

fn get<'r, T, R, V>(row: &'r R, at: usize, into: impl Fn(T) -> V) -> Result<Value, sqlx::Error>
where
    R: sqlx::Row,
    T: Decode<'r, R::Database> + Type<R::Database>,
    usize: ColumnIndex<R>,
    V: Into<Value>,
{
    Ok(into(row.try_get::<T, _>(at)?).into())
}

/// Parses text that a constraint guarantees to be JSON.
fn parsed(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
