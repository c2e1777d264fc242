//! The page of the reference about every field of an audit record, written from [`Record`].

use std::fmt::Write as _;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Record;
use super::mark::KINDS;

const HEAD: &str = "# Every field of an audit record

<!-- Generated from `Record` and the kinds of marks. A test compares this page with the code; `UPDATE_EXPECTED=1` writes it anew. -->

A record is one line of JSON in the journal, and one row of the table `audit_logs`. A field that is not known is `null`. [Audit](../concepts/audit.md) says when
records are written, [the contract](../contract/gate.md) what is promised about them.

| field | type | meaning |
| --- | --- | --- |
";

const SEAL: &str = "
In the journal each record ends with its seal:

| field | type | meaning |
| --- | --- | --- |
| `instance` | string | The id of the journal. |
| `seq` | number | The number of the record in the journal, from 1 on, without gaps. |
| `chain` | string | SHA-256 over the chain of the record before, and this record up to here; 64 hexadecimal digits. |

## Marks

A record with the `event_type` `gate` is a mark: the gate says something of its own life. Its `reason` is the kind, its `details` say the rest.

| kind | meaning |
| --- | --- |
";

/// The text of the page.
#[must_use]
pub fn page() -> String {
    let settings =
        SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true).for_serialize();
    let schema = SchemaGenerator::new(settings).into_root_schema_for::<Record>().to_value();
    let mut page = HEAD.to_owned();
    let fields = schema.get("properties").and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        let meaning = field.get("description").and_then(Value::as_str).unwrap_or_default();
        let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
        // Writing to a string cannot fail.
        let _ok = writeln!(page, "| `{name}` | {} | {meaning}{} |", kind(field), values(field));
    }
    page += SEAL;
    for (kind, meaning) in KINDS {
        let _ok = writeln!(page, "| `{kind}` | {meaning} |");
    }
    page
}

/// The type of a field, as the page names it.
fn kind(field: &Value) -> String {
    let named = |kind: &Value| kind.as_str().unwrap_or_default().replace("integer", "number");
    match field.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().map(named).collect::<Vec<_>>().join(" or "),
        Some(kind) if kind == "array" => {
            let item = field.get("items").and_then(|it| it.get("type")).map(named);
            format!("list: {}", item.unwrap_or_default())
        }
        Some(kind) => named(kind),
        None => "string".to_owned(),
    }
}

/// The values of a field that has a few, each with its meaning.
fn values(field: &Value) -> String {
    let choices = field.get("oneOf").and_then(Value::as_array);
    let mut text = String::new();
    for choice in choices.into_iter().flatten() {
        let part = |name: &str| choice.get(name).and_then(Value::as_str).unwrap_or_default();
        let _ok = write!(text, "<br>`{}`: {}", part("const"), part("description"));
    }
    text.replace('\n', " ")
}
