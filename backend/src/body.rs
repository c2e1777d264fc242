//! Bodies of requests: one JSON object, or nothing, which counts as an empty object.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use serde_json::{Map, Value};

use crate::{
    db::{Arg, Kind},
    problem::{Outcome, Problem},
};

/// The members of the object in the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Parses a body.
    pub(crate) fn parse(bytes: &[u8]) -> Outcome<Self> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(Problem::bad_request("the body is not a JSON object")),
            Err(fault) => Err(Problem::bad_request(format!("the body is not JSON: {fault}"))),
        }
    }

    /// Whether a member is present, even if it is null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A member, unless it is absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Sets a member.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The members that `known` does not name.
    pub(crate) fn beyond(&self, known: &[&str]) -> Map<String, Value> {
        let others = self.0.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        others.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A text member, which may be missing.
    pub(crate) fn text(&self, name: &str) -> Outcome<Option<String>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(unfit(name)),
        }
    }

    /// A text member, which is required.
    pub(crate) fn required_text(&self, name: &str) -> Outcome<String> {
        match self.text(name)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(missing(name)),
        }
    }

    /// The e-mail address, which is required, in the one form in which addresses are stored.
    pub(crate) fn required_email(&self) -> Outcome<String> {
        Ok(self.required_text("email")?.trim().to_ascii_lowercase())
    }

    /// A boolean member; false if it is missing.
    pub(crate) fn flag(&self, name: &str) -> Outcome<bool> {
        let Some(value) = self.get(name) else { return Ok(false) };
        value.as_bool().ok_or_else(|| unfit(name))
    }

    /// The member as an argument for the column of its name; null if it is missing.
    pub(crate) fn arg(&self, name: &str) -> Outcome<Arg> {
        let value = self.0.get(name).unwrap_or(&Value::Null);
        Arg::from_json(Kind::of(name), value).ok_or_else(|| unfit(name))
    }

    /// The member as an argument for the column of its name, which is required.
    pub(crate) fn required_arg(&self, name: &str) -> Outcome<Arg> {
        if self.get(name).is_none() {
            return Err(missing(name));
        }
        self.arg(name)
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

fn missing(name: &str) -> Problem {
    Problem::unprocessable(format!("`{name}` is missing"))
}

fn unfit(name: &str) -> Problem {
    Problem::unprocessable(format!("`{name}` is not of the right form"))
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Outcome<Self> {
        Self::parse(&raw(request, state).await?)
    }
}

/// The bytes of a body, within the limit.
pub(crate) async fn raw<S: Send + Sync>(request: Request, state: &S) -> Outcome<Bytes> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status().as_u16() == 413 {
            Problem::too_large()
        } else {
            Problem::bad_request("the body could not be read")
        }
    })
}
