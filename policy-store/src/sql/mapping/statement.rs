//! One statement of a mapping as written: only the SQL, or the SQL with details about its columns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Form, Misfit, Subject};
use crate::bundle::nearest;

/// A statement with the details about its columns.
#[derive(Debug, Clone, Default)]
pub(in crate::sql) struct Statement {
    pub(in crate::sql) sql: String,
    /// The columns whose names differ from those of their attributes.
    pub(in crate::sql) columns: BTreeMap<String, String>,
    /// The forms of the lists of names.
    pub(in crate::sql) lists: BTreeMap<String, ListForm>,
    /// The form of the keys.
    pub(in crate::sql) key: Option<KeyForm>,
}

/// How a list of names is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::sql) enum ListForm {
    /// An array of the database.
    Array,
    /// A JSON list of strings, or an object of booleans of which only `true` counts.
    Json,
    /// Names with commas between them; one name is a list of one.
    Comma,
    /// One name in each row; the rows of one key belong together.
    Rows,
}

/// What a key looks like. Whatever looks otherwise is the key of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::sql) enum KeyForm {
    /// Any text.
    Text,
    /// A whole number in its one form: `7`, not `007`.
    Integer,
    /// A UUID in lower-case letters with hyphens.
    Uuid,
}

/// A statement with what there is to say about its columns.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Statement")]
struct Written {
    /// The statement. `$1` stands for what is asked for.
    sql: String,
    /// The columns whose names differ from those of the attributes: attribute, then column.
    #[serde(default)]
    columns: BTreeMap<String, String>,
    /// How the column of an attribute holds a list of names.
    #[serde(default)]
    lists: BTreeMap<String, ListForm>,
    /// What a key looks like. Whatever looks otherwise is the key of nothing.
    key: Option<KeyForm>,
}

/// A statement is its SQL alone, or a section.
impl JsonSchema for Statement {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SqlOrStatement".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<Written>()] })
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShortOrLong)
    }
}

struct ShortOrLong;

impl<'de> Visitor<'de> for ShortOrLong {
    type Value = Statement;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a statement of SQL, or `sql` with what there is to say about it")
    }

    fn visit_str<E>(self, sql: &str) -> Result<Statement, E> {
        Ok(Statement { sql: sql.to_owned(), ..Statement::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Statement, A::Error> {
        let Written { sql, columns, lists, key } =
            Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Statement { sql, columns, lists, key })
    }
}

impl Statement {
    /// Returns the faults of the statement's form.
    pub(super) fn misfits(&self, subject: &Subject) -> Vec<Misfit> {
        let mut found = Vec::new();
        let mut misfit = |key: &str, what: String| {
            let dot = if key.is_empty() { "" } else { "." };
            found.push(Misfit { key: format!("{subject}{dot}{key}"), what });
        };
        if self.sql.trim().is_empty() {
            misfit("", "is no statement; write the SQL that reads it".to_owned());
        }
        for attribute in self.columns.keys() {
            if let Some(what) = unknown(subject, attribute, |_| true) {
                misfit(&format!("columns.{attribute}"), what);
            }
        }
        for attribute in self.lists.keys() {
            if let Some(what) = unknown(subject, attribute, |form| form == Form::Names) {
                misfit(&format!("lists.{attribute}"), what);
            }
        }
        if self.key.is_some() && *subject == Subject::Users {
            misfit("key", "this statement is asked for nothing; remove it".to_owned());
        }
        found
    }
}

/// Returns the message about a name that is not an attribute of the right form.
fn unknown(subject: &Subject, name: &str, right: impl Fn(Form) -> bool) -> Option<String> {
    let fitting = || subject.attributes().iter().filter(|it| right(it.form)).map(|it| it.name);
    if fitting().any(|it| it == name) {
        return None;
    }
    let known: Vec<String> = fitting().map(|it| format!("`{it}`")).collect();
    let what = if subject.attributes().iter().any(|it| it.name == name) {
        "is no list"
    } else {
        "is no attribute"
    };
    let remedy = match (nearest(name, fitting()), known.as_slice()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "remove it".to_owned(),
        (None, known) => format!("it can be {}", known.join(", ")),
    };
    Some(format!("{what}; {remedy}"))
}
