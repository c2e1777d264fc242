//! The raw tree: the file and the overrides merged, each value with the place it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::error::{ConfigError, Place};
use super::overrides::Override;

/// The merged tree.
///
/// Keys are written as `serde_path_to_error` writes them, `jwt.issuers[0].jwks`, so that the keys in
/// its errors can be looked up.
pub(super) struct Source {
    file: PathBuf,
    tree: Value,
    places: BTreeMap<String, Place>,
}

impl Source {
    /// Parses the file, without overrides.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut source = Self { file: file.to_owned(), tree: Value::Null, places: BTreeMap::new() };
        let root = yaml(text).map_err(|error| source.syntax(&error))?;
        let mut tree = source.keep("", root);
        if tree.is_null() {
            tree = Value::Object(Map::new());
        }
        source.tree = tree;
        source.drop_empty_sections();
        Ok(source)
    }

    /// Replaces a value by an override.
    pub(super) fn apply(&mut self, over: &Override) -> Result<(), ConfigError> {
        let key = over.write_into(&mut self.tree)?;
        self.places.retain(|place, _| !is_within(place, &key));
        self.places.insert(key, over.place.clone());
        self.drop_empty_sections();
        Ok(())
    }

    /// Removes null sections: `cors:` with nothing under it is a section whose lines are all commented out.
    fn drop_empty_sections(&mut self) {
        if let Value::Object(sections) = &mut self.tree {
            sections.retain(|_, section| !section.is_null());
        }
    }

    /// Deserializes the tree, which checks each value.
    pub(super) fn typed<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(&self.tree).map_err(|error| {
            let key = error.path().to_string();
            self.bad(&key, &with_remedy(&error.inner().to_string()))
        })
    }

    /// The raw value at a top-level key.
    pub(super) fn section(&self, name: &str) -> Option<&Value> {
        self.tree.get(name)
    }

    /// An error about the value of `key`.
    pub(super) fn bad(&self, key: &str, what: &str) -> ConfigError {
        ConfigError::Bad { place: self.place(key), key: key.to_owned(), what: what.to_owned() }
    }

    /// The place where `key` was written, or the place of the nearest enclosing key.
    pub(super) fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return place.clone();
            }
            match key.rfind(['.', '[']).and_then(|end| key.get(..end)) {
                Some(outer) => key = outer,
                None => return Place::File(self.file.clone()),
            }
        }
    }

    fn line(&self, at: Location) -> Place {
        match at.line() {
            0 => Place::File(self.file.clone()),
            line => Place::Line(self.file.clone(), line, at.column()),
        }
    }

    fn syntax(&self, error: &serde_saphyr::Error) -> ConfigError {
        let place = error.location().map_or(Place::File(self.file.clone()), |at| self.line(at));
        ConfigError::Syntax { place, what: syntax_message(error) }
    }

    /// Records the place of each key below `key`, and returns the values without places.
    fn keep(&mut self, key: &str, node: Node) -> Value {
        match node {
            Node::Scalar(value) => value,
            Node::List(items) => {
                let kept = items.into_iter().enumerate().map(|(index, item)| {
                    let key = format!("{key}[{index}]");
                    self.places.insert(key.clone(), self.line(item.referenced));
                    self.keep(&key, item.value)
                });
                Value::Array(kept.collect())
            }
            Node::Map(entries) => {
                let kept = entries.into_iter().map(|(name, entry)| {
                    let key = member(key, &name.value);
                    self.places.insert(key.clone(), self.line(place_of(&name, &entry)));
                    (name.value, self.keep(&key, entry.value))
                });
                Value::Object(kept.collect())
            }
        }
    }
}

/// Parses the YAML value of an override, without places.
pub(super) fn parse_value(text: &str) -> Result<Value, String> {
    let mut scratch = Source { file: PathBuf::new(), tree: Value::Null, places: BTreeMap::new() };
    let node = yaml(text).map_err(|error| syntax_message(&error))?;
    Ok(scratch.keep("", node))
}

/// The key of a member of `parent`.
pub(super) fn member(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// The place of an entry: its value for a scalar, its name for anything else.
fn place_of(name: &Spanned<String>, entry: &Spanned<Node>) -> Location {
    match entry.value {
        Node::Scalar(Value::Null) | Node::Map(_) | Node::List(_) => name.referenced,
        Node::Scalar(_) => entry.referenced,
    }
}

fn is_within(key: &str, outer: &str) -> bool {
    key.strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

fn yaml(text: &str) -> Result<Node, serde_saphyr::Error> {
    if text.trim().is_empty() {
        return Ok(Node::Scalar(Value::Null));
    }
    // INVARIANT: no snippets in messages; a configuration holds passwords.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options)
}

/// The first line of the parser's message, without the place, which our own message already names.
fn syntax_message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or(line).to_owned()
}

/// Rewrites serde's messages in our own words, with a remedy.
fn with_remedy(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let known = rest.split_once(", ").map_or("", |(_, known)| known);
        return format!("unknown key; {known}");
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{name} is missing; add it");
    }
    // INVARIANT: a value in place of a section is not repeated in the message: it may be a database's URL.
    if message.contains("expected struct ") {
        return "is no section; write its keys under it".to_owned();
    }
    let scalar = ["integer", "boolean", "floating point"];
    let unquoted = scalar.iter().any(|kind| message.contains(&format!("type: {kind}")));
    match message {
        _ if unquoted && message.ends_with("expected a string") => format!("{message}: quote it"),
        _ if message.contains("type: null") => {
            format!("{message}; give it a value or remove the line")
        }
        _ => message.to_owned(),
    }
}

/// A YAML node.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> serde::Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        serde_json::Number::from_f64(value)
            .map(|number| Node::Scalar(number.into()))
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
        while let Some((name, entry)) = map.next_entry::<Spanned<String>, Spanned<Node>>()? {
            if entries.iter().any(|(known, _)| known.value == name.value) {
                return Err(A::Error::custom(format!("key `{}` is there twice", name.value)));
            }
            entries.push((name, entry));
        }
        Ok(Node::Map(entries))
    }
}
