//! JSON that all readers read alike: one object in UTF-8, in which no object has a member twice
//! (RFC 8259 leaves duplicates to each reader, RFC 7515 forbids them).
//!
//! The whole text is checked against the grammar. A value is parsed only on demand, so that an unused value
//! may be one that RFC 8259 allows but Rust cannot represent: half of a surrogate pair, or 1e400.
//! Names of members are always parsed.

mod scanner;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use scanner::Scanner;

/// The maximum nesting depth of lists and objects.
const DEPTH: usize = 1_000;

/// The reason why a text is not such an object. Contains truncated names of members, but never a value of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The text is not UTF-8.
    #[error("it is not UTF-8 from byte {0} on")]
    Utf8(usize),
    /// The text breaks the grammar.
    #[error("{what} at byte {at}")]
    Grammar {
        /// The fault.
        what: &'static str,
        /// The position, in bytes.
        at: usize,
    },
    /// An object has a member twice.
    #[error("the member `{0}` is there twice")]
    Twice(String),
    /// The text is JSON, but not an object.
    #[error("it is not an object")]
    NoObject,
}

/// An object whose grammar and names were checked.
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<Member<'a>>,
}

/// A member of an object.
#[derive(Debug)]
pub struct Member<'a> {
    /// The name, without escapes.
    pub name: Cow<'a, str>,
    /// The value as raw JSON.
    pub value: &'a [u8],
    /// The position of the value in the text, in bytes.
    pub place: Range<usize>,
}

impl<'a> Object<'a> {
    /// Checks `bytes`, a complete text.
    ///
    /// # Errors
    ///
    /// Fails with the fault and its position.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonFault> {
        let text =
            std::str::from_utf8(bytes).map_err(|error| JsonFault::Utf8(error.valid_up_to()))?;
        Scanner::new(text).object().map(|members| Self { members })
    }

    /// The members in order.
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }
}

/// Parses a value of an [`Object`]. A value that Rust cannot represent becomes null: present, but of no useful
/// type.
pub fn value(written: &[u8]) -> Value {
    serde_json::from_slice(written).unwrap_or(Value::Null)
}

/// Parses `bytes` as one object without duplicate members at any depth. A value that Rust cannot represent
/// becomes null, as with [`value`].
///
/// # Errors
///
/// Fails with the fault and its position.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    let object = Object::parse(bytes)?;
    let members = object.members.into_iter();
    Ok(members.map(|member| (member.name.into_owned(), value(member.value))).collect())
}
