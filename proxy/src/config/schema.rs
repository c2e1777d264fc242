//! The JSON Schema of the configuration, and the reference page that is generated from it.
//!
//! The meaning of a key is the doc comment of its field, the form of a value is in [`forms`], and the default is the
//! value that the gate uses without the key ([`defaults`]). Two keywords are our own: `x-type` names the kind of a
//! text, and `x-range` is the legal range of times or sizes, which JSON Schema cannot express for a text.

mod defaults;
pub(super) mod forms;
mod page;
#[cfg(test)]
mod tests;

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::Config;

pub use page::page;

/// The JSON Schema (draft 2020-12) of `cedargate.yaml`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<Config>().to_value();
    without_defaults(&mut schema);
    defaults::put_into(&mut schema);
    sections_may_be_empty(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), json!("The configuration of cedargate"));
    }
    schema
}

/// Removes the defaults that the derive macro found: they are Rust's values, not what an operator would write.
fn without_defaults(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // The members of `properties` are keys of the configuration; none of ours is named `default`.
            members.remove("default");
            members.values_mut().for_each(without_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(without_defaults),
        _ => {}
    }
}

/// Allows null for optional sections: a section whose lines are all commented out is null, and counts as absent.
fn sections_may_be_empty(schema: &mut Value) {
    let required: Vec<Value> =
        schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let sections = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, section) in sections.into_iter().flatten() {
        if let Some(section) = section.as_object_mut()
            && !required.iter().any(|it| it == name)
        {
            or_null(section);
        }
    }
}

fn or_null(section: &mut Map<String, Value>) {
    if let Some(reference) = section.remove("$ref") {
        section.insert("anyOf".to_owned(), json!([{ "$ref": reference }, { "type": "null" }]));
    } else if let Some(Value::String(kind)) = section.get("type").cloned() {
        section.insert("type".to_owned(), json!([kind, "null"]));
    }
}
