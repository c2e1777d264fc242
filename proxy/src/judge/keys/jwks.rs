//! A set of keys (RFC 7517): the usable keys, each for one algorithm. A faulty key does not
//! invalidate the set.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jwk::{self, Key, PassedOver, Why};
use crate::config::{Algorithm, Issuer};

/// The maximum number of keys that a message lists.
const TOLD: usize = 16;

/// The usable keys of a set.
#[derive(Debug)]
pub struct KeySet {
    /// The keys by `kid`. RFC 7517, 4.5, allows keys of several kinds to share one.
    named: HashMap<String, Vec<Key>>,
    nameless: Vec<Key>,
    /// The keys that are not used.
    pub(crate) passed_over: Vec<PassedOver>,
    /// The text of the set, compared to detect a change.
    pub(crate) text: Vec<u8>,
}

/// The result of a look-up by `kid`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named<'a> {
    /// The one key for the algorithm.
    Key(&'a Key),
    /// Keys with this `kid` exist, but for other algorithms.
    OtherAlgorithm,
    /// No key for the algorithm, or several.
    None,
}

impl KeySet {
    /// Parses a set of `issuer`.
    ///
    /// # Errors
    ///
    /// Fails if the text is not a set, or has no usable key.
    pub(crate) fn parse(text: &[u8], issuer: &Issuer) -> Result<Self, String> {
        let mut set = Self {
            named: HashMap::new(),
            nameless: Vec::new(),
            passed_over: Vec::new(),
            text: text.to_owned(),
        };
        for (index, key) in keys(text)?.iter().enumerate() {
            match jwk::read(key.get(), index + 1, issuer) {
                Err(passed_over) => set.passed_over.push(passed_over),
                Ok((kid, key)) => set.add(kid, key),
            }
        }
        set.tell_ambiguous();
        if !set.is_usable() {
            return Err(set.why_none());
        }
        Ok(set)
    }

    /// Adds a key, unless the set has it already.
    fn add(&mut self, kid: Option<String>, key: Key) {
        let same = match kid {
            Some(kid) => self.named.entry(kid).or_default(),
            None => &mut self.nameless,
        };
        if !same.iter().any(|known| known.is(&key)) {
            same.push(key);
        }
    }

    /// Reports each `kid` with several keys for one algorithm, and likewise the keys without `kid`.
    fn tell_ambiguous(&mut self) {
        let named = self.named.iter().map(|(kid, keys)| (jwk::shown(kid), keys));
        let groups = named.chain([("without `kid`".to_owned(), &self.nameless)]);
        for (key, keys) in groups {
            if let Some(one) = keys.iter().find(|key| !is_alone(keys, key)) {
                let why = Why::Fault(format!("there are several for `{}`", one.algorithm));
                self.passed_over.push(PassedOver { key, why });
            }
        }
    }

    /// Whether any key can be chosen unambiguously.
    fn is_usable(&self) -> bool {
        let mut groups = self.named.values().chain([&self.nameless]);
        groups.any(|keys| keys.iter().any(|key| is_alone(keys, key)))
    }

    fn why_none(&self) -> String {
        let mut told: Vec<String> =
            self.passed_over.iter().take(TOLD).map(ToString::to_string).collect();
        let more = self.passed_over.len().saturating_sub(TOLD);
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        let told = if told.is_empty() { "it is empty".to_owned() } else { told.join("; ") };
        format!("no key in it can be used: {told}")
    }

    /// The key with this `kid` for `algorithm` and tokens with this `iss`.
    pub(crate) fn named(&self, kid: &str, algorithm: Algorithm, iss: &str) -> Named<'_> {
        let Some(keys) = self.named.get(kid) else { return Named::None };
        let mut serving = keys.iter().filter(|key| key.serves(iss)).peekable();
        if serving.peek().is_none() {
            return Named::None;
        }
        let mut fitting = serving.filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Named::Key(key),
            (None, _) => Named::OtherAlgorithm,
            (Some(_), Some(_)) => Named::None,
        }
    }

    /// The only key for `algorithm` and tokens with this `iss`, whatever its `kid`; `None` if
    /// there are several or none.
    pub(crate) fn only(&self, algorithm: Algorithm, iss: &str) -> Option<&Key> {
        let all = self.named.values().flatten().chain(&self.nameless);
        let mut fitting = all.filter(|key| key.algorithm == algorithm && key.serves(iss));
        let first = fitting.next()?;
        fitting.all(|other| other.is(first)).then_some(first)
    }
}

/// Whether none of the other keys could be meant as well.
fn is_alone(keys: &[Key], key: &Key) -> bool {
    keys.iter().filter(|other| key.meets(other)).count() == 1
}

/// The keys of a set, each as raw JSON.
fn keys(text: &[u8]) -> Result<Vec<Box<RawValue>>, String> {
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err("it begins with a byte order mark (BOM); save it without one".to_owned());
    }
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err("it is UTF-16; save it as UTF-8 without a byte order mark".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let keys = reader.deserialize_map(SetVisitor).and_then(|keys| reader.end().map(|()| keys));
    keys.map_err(|error| format!("no JWKS: {error}"))
}

/// Reads an object with exactly one list `keys`.
struct SetVisitor;

impl<'de> Visitor<'de> for SetVisitor {
    type Value = Vec<Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list `keys`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut keys = None;
        while let Some(name) = members.next_key::<String>()? {
            if name != "keys" {
                members.next_value::<IgnoredAny>()?;
            } else if keys.is_some() {
                return Err(A::Error::custom("it has two lists `keys`"));
            } else {
                keys = Some(members.next_value()?);
            }
        }
        keys.ok_or_else(|| A::Error::custom("it has no list `keys`"))
    }
}

#[cfg(test)]
mod tests;
