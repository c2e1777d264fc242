//! Generates the reference page about the keys of the configuration from the schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::schema;

const HEAD: &str = "# Every key of the configuration

<!-- Generated from the doc comments in `proxy/src/config.rs` and `proxy/src/config/`. A test compares this page with the code; `UPDATE_EXPECTED=1` writes it anew. -->

The gate reads `cedargate.yaml`, or the file that `--config` names. [`deploy/cedargate.yaml`](../../deploy/cedargate.yaml) is an example with every key.
An environment variable wins over the file: `CEDARGATE_UPSTREAM__ADDRESS` sets `upstream.address`, `CEDARGATE_JWT__ISSUERS__0__JWKS` sets `jwt.issuers[0].jwks`.
Relative paths are relative to the file. An unknown key or an invalid value is refused with file, line and remedy.

[`cedargate.schema.json`](cedargate.schema.json) is the JSON Schema of the file; `cedargate config schema` prints it. Editors with a YAML language server complete
and check keys once the file begins with `# yaml-language-server: $schema=cedargate.schema.json`.

A time is one or more numbers with units, such as `500ms`, `30s` or `1h 30m`. A size is a number of bytes, or a number with a unit, such as `64KiB`.
";

/// The reference page, in Markdown.
#[must_use]
pub fn page() -> String {
    let schema = schema();
    let mut page = HEAD.to_owned();
    let mut writer = Writer { schema: &schema, shown: BTreeMap::new(), page: &mut page };
    for (name, section) in members(&schema, "properties") {
        writer.section(name, section);
    }
    page
}

struct Writer<'a> {
    schema: &'a Value,
    /// For each definition, the key under which the page already lists its members.
    shown: BTreeMap<String, String>,
    page: &'a mut String,
}

/// A schema with keys of its own: a section, or each element of a list or a map of sections.
struct Section<'a> {
    /// The suffix to the path for an element of a list or map: `[]` or `.NAME`; empty for a section itself.
    suffix: &'static str,
    /// The name of the section's definition in the schema.
    definition: &'a str,
    object: &'a Value,
}

impl<'a> Writer<'a> {
    fn section(&mut self, name: &str, schema: &'a Value) {
        let required = is_required(self.schema, name);
        // Writing to a string cannot fail.
        let _ok = write!(self.page, "\n## {name}\n\n");
        let section = self.section_of(schema);
        if section.is_some() {
            let need = if required { " Required." } else { "" };
            let about = on_one_line(text_of(schema, "description"));
            let _ok = write!(self.page, "{about}{need}\n\n");
        }
        self.page.push_str(
            "| key | type | default | legal values | meaning |\n| --- | --- | --- | --- | --- |\n",
        );
        match section {
            Some(section) => self.keys_of(name, &section),
            None => self.row(name, schema, required),
        }
    }

    /// Writes a row for each key of a section, and for the keys below each.
    fn keys_of(&mut self, path: &str, section: &Section<'a>) {
        let path = format!("{path}{}", section.suffix);
        if self.shown.contains_key(section.definition) {
            return;
        }
        self.shown.insert(section.definition.to_owned(), path.clone());
        for (name, key) in members(section.object, "properties") {
            let path = format!("{path}.{name}");
            self.row(&path, key, is_required(section.object, name));
            if let Some(section) = self.section_of(key) {
                self.keys_of(&path, &section);
            }
        }
    }

    fn row(&mut self, path: &str, key: &'a Value, required: bool) {
        let default = match key.get("default") {
            Some(default) => format!("`{}`", written(default)),
            None if required => "required".to_owned(),
            None => "none".to_owned(),
        };
        let mut meaning = text_of(key, "description").to_owned();
        let same = self.section_of(key).and_then(|it| self.shown.get(it.definition));
        if let Some(same) = same {
            let _ok = write!(meaning, " Its keys are those of `{same}`.");
        }
        let cells = [self.kind(key), default, self.legal(key), meaning];
        let cells = cells.map(|cell| on_one_line(&cell).replace('|', "\\|"));
        let _ok = writeln!(self.page, "| `{path}` | {} |", cells.join(" | "));
    }

    /// The schema behind a reference or behind a choice with one form other than null, with the name of its definition.
    fn resolved(&self, schema: &'a Value) -> (&'a str, &'a Value) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let definition = reference.strip_prefix('#').and_then(|it| self.schema.pointer(it));
            let name = reference.rsplit('/').next().unwrap_or_default();
            return (name, definition.unwrap_or(schema));
        }
        let is_null = |form: &&Value| form.get("type").and_then(Value::as_str) == Some("null");
        let forms: Vec<_> = forms(schema).iter().filter(|form| !is_null(form)).collect();
        match forms[..] {
            [only] => self.resolved(only),
            _ => ("", schema),
        }
    }

    fn section_of(&self, schema: &'a Value) -> Option<Section<'a>> {
        let (definition, schema) = self.resolved(schema);
        if schema.get("properties").is_some() {
            return Some(Section { suffix: "", definition, object: schema });
        }
        let inner = [("items", "[]"), ("additionalProperties", ".NAME")].into_iter().find_map(
            |(name, suffix)| {
                let inner = schema.get(name).filter(|it| it.is_object())?;
                Some(Section { suffix, ..self.section_of(inner)? })
            },
        );
        // A choice between a short form and a section.
        inner.or_else(|| forms(schema).iter().find_map(|form| self.section_of(form)))
    }

    fn kind(&self, schema: &'a Value) -> String {
        let (_, schema) = self.resolved(schema);
        if let Some(kind) = schema.get("x-type").and_then(Value::as_str) {
            return kind.to_owned();
        }
        if let Some(items) = schema.get("items") {
            return format!("list: {}", self.kind(items));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|it| it.is_object()) {
            return format!("map: {}", self.kind(values));
        }
        let forms = forms(schema);
        if !forms.is_empty() && !forms.iter().all(|form| form.get("const").is_some()) {
            return forms.iter().map(|form| self.kind(form)).collect::<Vec<_>>().join(" or ");
        }
        let kinds = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.clone(),
            Some(kind) => vec![kind.clone()],
            None => Vec::new(),
        };
        let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
        let kinds: Vec<_> =
            kinds.map(|kind| if kind == "object" { "section" } else { kind }).collect();
        if kinds.is_empty() { "string".to_owned() } else { kinds.join(" or ") }
    }

    fn legal(&self, schema: &'a Value) -> String {
        let (_, schema) = self.resolved(schema);
        if let Some(range) = schema.get("x-range").and_then(Value::as_str) {
            return range.to_owned();
        }
        if let Some(items) = schema.get("items") {
            let least = schema.get("minItems").map(|it| format!("at least {it}"));
            let each = Some(self.legal(items)).filter(|it| !it.is_empty());
            return least.into_iter().chain(each).collect::<Vec<_>>().join("; ");
        }
        if let Some(values) = schema.get("additionalProperties").filter(|it| it.is_object()) {
            return self.legal(values);
        }
        let named = |value: &Value| format!("`{}`", written(value));
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(named).collect::<Vec<_>>().join(", ");
        }
        let constants = forms(schema).iter().filter_map(|form| {
            let meaning = text_of(form, "description").trim_end_matches('.');
            Some(format!("{}: {meaning}", named(form.get("const")?)))
        });
        let constants = constants.collect::<Vec<_>>().join("<br>");
        match (schema.get("minimum"), schema.get("maximum")) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            _ => constants,
        }
    }
}

fn forms(schema: &Value) -> &[Value] {
    let forms = ["anyOf", "oneOf"].into_iter().find_map(|name| schema.get(name)?.as_array());
    forms.map_or(&[], Vec::as_slice)
}

fn members<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.get(name).and_then(Value::as_object).into_iter().flatten()
}

fn is_required(object: &Value, name: &str) -> bool {
    let required = object.get("required").and_then(Value::as_array);
    required.is_some_and(|required| required.iter().any(|it| it == name))
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text_of<'a>(schema: &'a Value, name: &str) -> &'a str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A value as YAML.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
