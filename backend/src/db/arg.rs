//! Arguments of statements.

use serde_json::{Map, Value};
use sqlx::{
    Postgres, Sqlite, postgres::PgArguments, query::Query, sqlite::SqliteArguments, types::Json,
};
use time::{
    Date, OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339,
    macros::format_description,
};

use super::Kind;

/// One argument of a statement, typed as the column it is compared with or stored in.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    /// For [`Kind::Text`].
    Text(Option<String>),
    /// For [`Kind::Int`].
    Int(Option<i64>),
    /// For [`Kind::Bool`].
    Bool(Option<bool>),
    /// For [`Kind::Object`].
    Object(Option<Map<String, Value>>),
    /// For [`Kind::List`].
    List(Option<Vec<String>>),
    /// For [`Kind::Time`].
    Time(Option<OffsetDateTime>),
    /// For [`Kind::Date`].
    Date(Option<Date>),
}

impl Arg {
    /// A text argument.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// A time argument.
    pub(crate) fn time(at: OffsetDateTime) -> Self {
        Self::Time(Some(at))
    }

    /// A list argument.
    pub(crate) fn list(names: Vec<String>) -> Self {
        Self::List(Some(names))
    }

    /// A JSON value as an argument for a column of `kind`; `None` if it does not fit.
    pub(crate) fn from_json(kind: Kind, value: &Value) -> Option<Self> {
        if value.is_null() {
            return Some(Self::null(kind));
        }
        Some(match kind {
            Kind::Text => Self::Text(Some(value.as_str()?.to_owned())),
            Kind::Int => Self::Int(Some(value.as_i64()?)),
            Kind::Bool => Self::Bool(Some(value.as_bool()?)),
            Kind::Object => Self::Object(Some(value.as_object()?.clone())),
            Kind::List => Self::List(Some(names(value)?)),
            Kind::Time => Self::Time(Some(moment(value.as_str()?)?)),
            Kind::Date => Self::Date(Some(day(value.as_str()?)?)),
        })
    }

    fn null(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(None),
            Kind::Int => Self::Int(None),
            Kind::Bool => Self::Bool(None),
            Kind::Object => Self::Object(None),
            Kind::List => Self::List(None),
            Kind::Time => Self::Time(None),
            Kind::Date => Self::Date(None),
        }
    }
}

/// Formats a time as the API and `SQLite` have it: UTC, with milliseconds, so that texts sort like times.
pub(crate) fn stamp(at: OffsetDateTime) -> String {
    let form =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.to_offset(UtcOffset::UTC).format(form).unwrap_or_default()
}

/// Formats a time as the audit records have it: UTC, with microseconds.
pub(super) fn micros(at: OffsetDateTime) -> String {
    let form =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    at.to_offset(UtcOffset::UTC).format(form).unwrap_or_default()
}

/// Formats a day.
pub(super) fn day_text(day: Date) -> String {
    day.format(format_description!("[year]-[month]-[day]")).unwrap_or_default()
}

/// Parses a time that a database can store: years of four digits, as both write them.
pub(crate) fn moment(text: &str) -> Option<OffsetDateTime> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    (1..=9999).contains(&at.year()).then_some(at)
}

fn day(text: &str) -> Option<Date> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    (1..=9999).contains(&day.year()).then_some(day)
}

/// The names in a JSON array of texts, each once.
fn names(value: &Value) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for item in value.as_array()? {
        let name = item.as_str()?.to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(names)
}

/// Adds an argument to a statement for `SQLite`.
pub(super) fn bind_sqlite(
    query: Query<'static, Sqlite, SqliteArguments>,
    arg: Arg,
) -> Query<'static, Sqlite, SqliteArguments> {
    match arg {
        Arg::Text(text) => query.bind(text),
        Arg::Int(number) => query.bind(number),
        Arg::Bool(truth) => query.bind(truth),
        Arg::Object(object) => query.bind(object.map(|o| Value::Object(o).to_string())),
        Arg::List(names) => query.bind(names.map(|names| Value::from(names).to_string())),
        Arg::Time(at) => query.bind(at.map(stamp)),
        Arg::Date(day) => query.bind(day.map(day_text)),
    }
}

/// Adds an argument to a statement for `PostgreSQL`.
pub(super) fn bind_postgres(
    query: Query<'static, Postgres, PgArguments>,
    arg: Arg,
) -> Query<'static, Postgres, PgArguments> {
    match arg {
        Arg::Text(text) => query.bind(text),
        Arg::Int(number) => query.bind(number),
        Arg::Bool(truth) => query.bind(truth),
        Arg::Object(object) => query.bind(object.map(Json)),
        Arg::List(names) => query.bind(names),
        Arg::Time(at) => query.bind(at),
        Arg::Date(day) => query.bind(day),
    }
}
