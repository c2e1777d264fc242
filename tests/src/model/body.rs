//! Bodies, as values that can say what no value of `serde_json` can: a member that is there twice.

use serde_json::Value;

/// JSON, its members in order and as often as they come.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`, a number, `true`, `false`.
    Plain(&'static str),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

/// What is in a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A JSON object. What names it has may still be there twice.
    Members(Vec<(String, Json)>),
    /// Something that is no JSON object.
    NoObject(String),
}

/// A body and what its sender says it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// `Content-Type`.
    pub kind: String,
    /// What it holds.
    pub content: Content,
    /// Whether names of members are written with escapes: the same names all the same.
    pub escaped: bool,
    /// So many spaces follow.
    pub padding: usize,
}

impl Json {
    /// The string that it is.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Whether a name is there twice, at any depth.
    fn repeats(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Text(_) => false,
            Self::List(items) => items.iter().any(Self::repeats),
            Self::Object(members) => repeat(members),
        }
    }

    fn write(&self, escaped: bool) -> String {
        match self {
            Self::Plain(word) => (*word).to_owned(),
            Self::Text(text) => Value::from(text.as_str()).to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.write(escaped)).collect();
                format!("[{}]", items.join(","))
            }
            Self::Object(members) => write_members(members, escaped),
        }
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Plain("null"),
            Value::Bool(true) => Self::Plain("true"),
            Value::Bool(false) => Self::Plain("false"),
            Value::Number(_) => Self::Plain("0"),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(
                members.iter().map(|(name, value)| (name.clone(), value.into())).collect(),
            ),
        }
    }
}

fn repeat(members: &[(String, Json)]) -> bool {
    let twice = members
        .iter()
        .enumerate()
        .any(|(at, (name, _))| members[..at].iter().any(|(earlier, _)| earlier == name));
    twice || members.iter().any(|(_, value)| value.repeats())
}

fn write_members(members: &[(String, Json)], escaped: bool) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{}:{}", write_name(name, escaped), value.write(escaped)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn write_name(name: &str, escaped: bool) -> String {
    match name.chars().next() {
        Some(first) if escaped => {
            let rest = Value::from(&name[first.len_utf8()..]).to_string();
            format!("\"\\u{:04x}{}", u32::from(first), &rest[1..])
        }
        _ => Value::from(name).to_string(),
    }
}

impl Body {
    /// A JSON object.
    #[must_use]
    pub fn of(members: Vec<(String, Json)>) -> Self {
        let kind = "application/json".to_owned();
        Self { kind, content: Content::Members(members), escaped: false, padding: 0 }
    }

    /// What is sent.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = match &self.content {
            Content::Members(members) => write_members(members, self.escaped),
            Content::NoObject(text) => text.clone(),
        };
        text.extend(std::iter::repeat_n(' ', self.padding));
        text
    }

    /// Its members, if it is one JSON object without duplicates.
    #[must_use]
    pub fn members(&self) -> Option<&[(String, Json)]> {
        match &self.content {
            Content::Members(members) if !repeat(members) => Some(members),
            _ => None,
        }
    }

    /// Whether its type is JSON's.
    #[must_use]
    pub fn is_called_json(&self) -> bool {
        let kind = self.kind.split(';').next().unwrap_or_default().trim().to_lowercase();
        let sub = kind.strip_prefix("application/").unwrap_or_default();
        sub == "json" || sub.ends_with("+json")
    }

    /// Whether no reader takes its charset for another one than UTF-8.
    #[must_use]
    pub fn is_called_utf_8(&self) -> bool {
        let kind = self.kind.to_lowercase();
        let Some((before, charset)) = kind.split_once("charset=") else {
            return !kind.contains("charset");
        };
        before.trim_end().ends_with(';') && ["utf-8", "\"utf-8\""].contains(&charset)
    }
}
