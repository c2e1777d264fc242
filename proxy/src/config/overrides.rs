//! Overrides of the file: environment variables and flags.

use serde_json::{Map, Value};

use super::error::{ConfigError, Place};
use super::source::{member, parse_value};

const PREFIX: &str = "CEDARGATE_";

/// One value that overrides the file.
pub(super) struct Override {
    pub(super) place: Place,
    path: Vec<String>,
    value: Value,
}

/// The overrides among all environment variables, such as `CEDARGATE_UPSTREAM__ADDRESS` and
/// `CEDARGATE_JWT__ISSUERS__0__JWKS`.
pub(super) fn from_env(
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Override>, ConfigError> {
    let mut found = env
        .into_iter()
        .filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|key| !is_service_link(key)))
        .map(|(name, value)| Override::from_variable(name, &value))
        .collect::<Result<Vec<_>, _>>()?;
    // A section is applied before its members, and element 2 before element 10.
    found.sort_by_cached_key(|over| {
        let order = |part: &String| (part.parse::<usize>().ok(), part.clone());
        over.path.iter().map(order).collect::<Vec<_>>()
    });
    Ok(found)
}

/// Whether the key is a service variable of Kubernetes. For a service named `cedargate` every pod has variables
/// that look like ours: `CEDARGATE_PORT_8080_TCP_ADDR`. None of them is a key of the configuration.
fn is_service_link(key: &str) -> bool {
    let is_port = |at: usize| {
        let (before, after) = (key.get(..at), key.get(at + "PORT".len()..));
        before.is_some_and(|before| before.is_empty() || before.ends_with('_'))
            && after.is_some_and(|after| {
                after.is_empty()
                    || after
                        .strip_prefix('_')
                        .is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()))
            })
    };
    let is_service = key.ends_with("SERVICE_HOST")
        || key
            .split_once("SERVICE_PORT")
            .is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('_'));
    !key.contains("__") && (is_service || key.match_indices("PORT").any(|(at, _)| is_port(at)))
}

impl Override {
    fn from_variable(name: String, value: &str) -> Result<Self, ConfigError> {
        let key = name.strip_prefix(PREFIX).unwrap_or_default().to_ascii_lowercase();
        let path = key.split("__").map(str::to_owned).collect();
        Self::new(Place::Variable(name), path, value)
    }

    /// An override from a flag: a dotted key, in which a number indexes a list.
    pub(super) fn from_flag(key: &str, value: &str) -> Result<Self, ConfigError> {
        let path = key.split('.').map(str::to_owned).collect();
        Self::new(Place::Flag(key.to_owned()), path, value)
    }

    fn new(place: Place, path: Vec<String>, value: &str) -> Result<Self, ConfigError> {
        match parse_value(value) {
            Ok(value) => Ok(Self { place, path, value }),
            Err(what) => {
                Err(ConfigError::Syntax { place, what: format!("{what}; the value is YAML") })
            }
        }
    }

    /// Writes the value into the tree. Returns the key under which the tree now has the value.
    pub(super) fn write_into(&self, tree: &mut Value) -> Result<String, ConfigError> {
        let mut key = String::new();
        let mut at = tree;
        for part in &self.path {
            at = self.step(at, part, &mut key)?;
        }
        at.clone_from(&self.value);
        Ok(key)
    }

    fn step<'t>(
        &self,
        at: &'t mut Value,
        part: &str,
        key: &mut String,
    ) -> Result<&'t mut Value, ConfigError> {
        let index = part.parse::<usize>().ok();
        if at.is_null() {
            *at = index.map_or(Value::Object(Map::new()), |_| Value::Array(Vec::new()));
        }
        let outer = key.clone();
        match (at, index) {
            (Value::Array(items), Some(index)) => {
                *key = format!("{outer}[{index}]");
                if index == items.len() {
                    items.push(Value::Null);
                }
                let length = items.len();
                items.get_mut(index).ok_or_else(|| {
                    self.bad(key, format!("the list has {length} elements; the next is {length}"))
                })
            }
            (Value::Object(members), _) if !part.is_empty() => {
                *key = member(&outer, part);
                Ok(members.entry(part.to_owned()).or_insert(Value::Null))
            }
            (Value::Object(_), _) => {
                Err(self.bad(&outer, "a name is empty; `__` separates levels".to_owned()))
            }
            (Value::Array(_), None) => {
                Err(self.bad(&outer, format!("is a list; `{part}` is no index")))
            }
            _ => Err(self.bad(&outer, format!("is a single value; it has no `{part}`"))),
        }
    }

    fn bad(&self, key: &str, what: String) -> ConfigError {
        ConfigError::Bad { place: self.place.clone(), key: key.to_owned(), what }
    }
}
