//! One column of one row, from either database, and its conversion to an attribute.
//!
//! INVARIANT: `misfit` (called at the start, with a type) and `Cell::into_value` (called for each row, with a
//! value) accept the same things. A value that does not fit makes its row unreadable; nothing is guessed.

mod postgres;
mod sqlite;

use std::sync::Arc;

use serde_json::Value as Json;

use super::mapping::{Attribute, Form, ListForm};

pub(super) use postgres::PgBound;

/// A description of what is wrong with a row.
pub(super) type Problem = String;

/// The kind of a column's type, as far as the gate distinguishes types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Uuid,
    Flag,
    Number,
    Moment,
    Array,
    Json,
    /// The database does not know the type before there is a row.
    Unsaid,
    Other,
}

/// The type of a column or a parameter, with the database's own name for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) kind: Kind,
    pub(super) word: String,
}

/// The content of a column in a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    /// Text, or a value with a canonical text: a UUID, a name of an enumeration.
    Text(String),
    Integer(i64),
    Flag(bool),
    /// A number, or seconds since the epoch.
    Number(f64),
    Array(Vec<Option<String>>),
    Json(String),
    /// A value of another type, with the database's name for the type.
    Other(String),
}

/// A row of a database.
pub(super) trait Columns {
    /// Returns the cell in `column`, or `None` if there is no such column.
    fn cell(&self, column: &str) -> Result<Option<Cell>, Problem>;
}

/// The value of an attribute in one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Name(Arc<str>),
    Flag(bool),
    Moment(f64),
    Names(Vec<Arc<str>>),
}

/// Returns why a column of this type cannot fill the attribute, with the remedy; `None` if it can.
pub(super) fn misfit(
    attribute: &Attribute,
    list: Option<ListForm>,
    found: &Type,
) -> Option<(String, String)> {
    use Kind::{Array, Flag, Integer, Json, Moment, Number, Other, Text, Unsaid, Uuid};
    let one_name = [Text, Integer, Uuid, Unsaid];
    let (fits, wanted, remedy): (&[Kind], _, _) = match (attribute.form, list) {
        (Form::Name, _) => (&one_name, "a name", "cast it to text"),
        (Form::Flag, _) => (&[Flag, Integer, Unsaid], "yes or no", "select a boolean"),
        (Form::Moment, _) => (
            &[Moment, Number, Integer, Unsaid],
            "a point in time",
            "select a `timestamptz`, or seconds since 1970 as `float8`",
        ),
        (Form::Names, None) => (&[Array, Json], "", ""),
        (Form::Names, Some(ListForm::Array)) => {
            (&[Array], "an array of text", "select a `text[]`, or say otherwise under `lists`")
        }
        (Form::Names, Some(ListForm::Json)) => {
            (&[Json, Text, Unsaid], "JSON", "select `jsonb`, or say otherwise under `lists`")
        }
        (Form::Names, Some(ListForm::Comma)) => {
            (&[Text, Unsaid], "text with commas", "select text, or say otherwise under `lists`")
        }
        (Form::Names, Some(ListForm::Rows)) => {
            (&one_name, "a name in each row", "cast it to text, or say otherwise under `lists`")
        }
    };
    if fits.contains(&found.kind) {
        return None;
    }
    let (name, word) = (attribute.name, &found.word);
    if attribute.form == Form::Names && list.is_none() {
        let said = if found.kind == Other || found.kind == Unsaid && word.is_empty() {
            "nobody has said how its names are written".to_owned()
        } else {
            format!("it is `{word}`, and nobody has said how its names are written")
        };
        let ways = "`comma`, `json` or `rows`";
        return Some((said, format!("write `lists: {{ {name}: … }}` with {ways}")));
    }
    Some((format!("it is `{word}`, and `{name}` is made from {wanted}"), remedy.to_owned()))
}

impl Cell {
    /// Converts the cell to the value of an attribute.
    pub(super) fn into_value(
        self,
        attribute: &Attribute,
        list: Option<ListForm>,
    ) -> Result<Value, Problem> {
        match attribute.form {
            Form::Names => self.into_names(list).map(Value::Names),
            _ if self == Self::Null && attribute.null => Ok(Value::None),
            Form::Name => self.into_name().map(Value::Name),
            Form::Flag => match self {
                Self::Flag(flag) => Ok(Value::Flag(flag)),
                Self::Integer(flag @ (0 | 1)) => Ok(Value::Flag(flag == 1)),
                other => Err(other.is_not("yes or no")),
            },
            Form::Moment => match self {
                // Comparisons with NaN are false: no token would ever be too old.
                Self::Number(seconds) if !seconds.is_nan() => Ok(Value::Moment(seconds)),
                #[expect(clippy::cast_precision_loss, reason = "seconds of any date are exact")]
                Self::Integer(seconds) => Ok(Value::Moment(seconds as f64)),
                other => Err(other.is_not("a point in time")),
            },
        }
    }

    /// Returns a name: text, or an id in canonical form.
    fn into_name(self) -> Result<Arc<str>, Problem> {
        match self {
            Self::Text(name) => Ok(name.into()),
            Self::Integer(id) => Ok(id.to_string().into()),
            other => Err(other.is_not("a name")),
        }
    }

    fn into_names(self, list: Option<ListForm>) -> Result<Vec<Arc<str>>, Problem> {
        match (list, self) {
            (Some(ListForm::Rows), Self::Null) => Ok(Vec::new()),
            (Some(ListForm::Rows), one) => one.into_name().map(|name| vec![name]),
            (Some(ListForm::Comma), Self::Text(text)) => {
                let names = text.split(',').map(str::trim).filter(|it| !it.is_empty());
                Ok(names.map(Arc::from).collect())
            }
            (Some(ListForm::Json), Self::Text(json))
            | (Some(ListForm::Json) | None, Self::Json(json)) => names_in(&json),
            (Some(ListForm::Array) | None, Self::Array(names)) => {
                let name = |name: Option<String>| name.map(Arc::from).ok_or("holds a null");
                Ok(names.into_iter().map(name).collect::<Result<_, _>>()?)
            }
            (_, other) => Err(other.is_not("a list of names")),
        }
    }

    fn is_not(&self, wanted: &str) -> Problem {
        let found = match self {
            Self::Null => return "is null".to_owned(),
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Flag(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Array(_) => "an array",
            Self::Json(_) => "JSON",
            Self::Other(word) => return format!("is `{word}`, not {wanted}"),
        };
        format!("holds {found}, not {wanted}")
    }
}

/// Returns the names in JSON: a list of strings, or an object of booleans of which only `true` counts.
fn names_in(json: &str) -> Result<Vec<Arc<str>>, Problem> {
    match serde_json::from_str(json).map_err(|error| format!("is not JSON: {error}"))? {
        Json::Array(items) => items.into_iter().map(name_in).collect(),
        Json::Object(members) => Ok(members
            .into_iter()
            .filter(|(_, value)| *value == Json::Bool(true))
            .map(|(name, _)| Arc::from(name))
            .collect()),
        _ => Err("is neither a list nor an object".to_owned()),
    }
}

fn name_in(item: Json) -> Result<Arc<str>, Problem> {
    match item {
        Json::String(name) => Ok(Arc::from(name)),
        other => Err(format!("holds `{other}`, which is not a name")),
    }
}

#[cfg(test)]
mod tests;
