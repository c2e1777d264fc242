//! JSON that two readers cannot read in two ways: one object in UTF-8, in which no object has a member twice
//! (RFC 8259 leaves that to each reader, RFC 7515 forbids it).
//!
//! The whole text is held against the grammar. A value is read only when somebody asks for it, so that what
//! nobody looks at may be what RFC 8259 allows and Rust has no value for: half of a surrogate pair, or 1e400.
//! Names of members are always read.

mod scanner;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use scanner::Scanner;

/// The maximum depth of nested lists and objects.
const DEPTH: usize = 1_000;

/// Why a text is not such an object. Never holds a value of the text, only names of members, cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The text is not UTF-8.
    #[error("it is not UTF-8 from byte {0} on")]
    Utf8(usize),
    /// The text breaks the grammar.
    #[error("{what} at byte {at}")]
    Grammar {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes.
        at: usize,
    },
    /// An object has a member twice.
    #[error("the member `{0}` is there twice")]
    Twice(String),
    /// The text is JSON, but no object.
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
    /// The value as it is written.
    pub value: &'a [u8],
    /// Where that is in the text, in bytes.
    pub place: Range<usize>,
}

impl<'a> Object<'a> {
    /// Checks `bytes`, a whole text.
    ///
    /// # Errors
    ///
    /// Says what is wrong, and where.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonFault> {
        let text =
            std::str::from_utf8(bytes).map_err(|error| JsonFault::Utf8(error.valid_up_to()))?;
        Scanner::new(text).object().map(|members| Self { members })
    }

    /// The members in their order.
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }
}

/// Reads a value of an [`Object`]. What Rust has no value for is null: there, and of no type that is asked
/// for.
pub fn value(written: &[u8]) -> Value {
    serde_json::from_slice(written).unwrap_or(Value::Null)
}

/// Reads `bytes` as one object without duplicate members at any depth. A value for which Rust has none is
/// null, as [`value`] has it.
///
/// # Errors
///
/// Says what is wrong, and where.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    let object = Object::parse(bytes)?;
    let members = object.members.into_iter();
    Ok(members.map(|member| (member.name.into_owned(), value(member.value))).collect())
}
