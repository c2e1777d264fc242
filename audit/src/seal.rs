//! The seal of a line: the journal and the number of the record, and a hash over the line and all before it.
//!
//! A line of a journal is a JSON object whose last members are its seal:
//!
//! ```text
//! {…,"instance":"<id>","seq":<n>,"chain":"<64 hex digits>"}
//! ```
//!
//! `chain` is SHA-256 (FIPS 180-4) over the 32 bytes of the chain before this line (zeros before
//! the first one), followed by the bytes of this line up to, and without, `,"chain":"`. Records
//! are numbered from 1, without gaps. The first line of each segment is its header: it has a chain
//! and no number, and names the number of the first record and the chain before it.

use std::fmt;
use std::io::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// The text that ends the hashed part of a line.
const CHAIN: &[u8] = b",\"chain\":\"";
const SEQ: &[u8] = b",\"seq\":";
const INSTANCE: &[u8] = b",\"instance\":\"";
/// The length of what follows the hashed bytes in a line, without the line feed.
const SEAL: usize = CHAIN.len() + 64 + 2;
/// The maximum length of the id of an instance.
const LONGEST_ID: usize = 64;

/// A hash over a line and all before it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Head([u8; 32]);

impl Head {
    /// The hash over this hash and a line.
    #[must_use]
    pub fn followed_by(&self, hashed: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        context.update(hashed);
        let mut head = [0; 32];
        head.copy_from_slice(context.finish().as_ref());
        Self(head)
    }

    /// The hash as 64 lower-case hexadecimal digits.
    pub(crate) fn hex(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        hex
    }

    /// Reads 64 lower-case hexadecimal digits, and nothing else.
    #[must_use]
    pub fn from_hex(hex: &[u8]) -> Option<Self> {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut head = [0; 32];
        if hex.len() != 64 {
            return None;
        }
        for (byte, pair) in head.iter_mut().zip(hex.chunks_exact(2)) {
            let &[high, low] = pair else { return None };
            *byte = value(high)? << 4 | value(low)?;
        }
        Some(Self(head))
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Head {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Self::from_hex(text.as_bytes()).ok_or_else(|| serde::de::Error::custom("is no hash"))
    }
}

/// A position in a journal: the number of records, and the hash over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The number of the last record; 0 before the first.
    pub seq: u64,
    /// The chain after the last record.
    pub head: Head,
}

/// Seals lines, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Sealer {
    /// The members between a record and its number.
    prefix: Vec<u8>,
    pub(crate) at: Position,
}

impl Sealer {
    /// A sealer that continues at a position of the journal of `instance`. With `none`, each record says that nothing
    /// is promised about it.
    pub(crate) fn new(instance: &str, at: Position, none: bool) -> Self {
        let mut prefix = INSTANCE.to_vec();
        prefix.extend_from_slice(instance.as_bytes());
        prefix.push(b'"');
        if none {
            prefix.extend_from_slice(b",\"durability\":\"none\"");
        }
        prefix.extend_from_slice(SEQ);
        Self { prefix, at }
    }

    /// Appends a record, a JSON object without a line feed, to `out` as the next line.
    pub(crate) fn seal(&mut self, record: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(record.strip_suffix(b"}").unwrap_or(record));
        out.extend_from_slice(&self.prefix);
        let seq = self.at.seq.saturating_add(1);
        // Writing to a vector cannot fail.
        let _ = write!(out, "{seq}");
        self.at = Position { seq, head: close(self.at.head, start, out) };
    }

    /// Appends a line without a number: the header of a segment.
    pub(crate) fn seal_header(&mut self, header: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(header.strip_suffix(b"}").unwrap_or(header));
        self.at.head = close(self.at.head, start, out);
    }
}

fn close(before: Head, start: usize, out: &mut Vec<u8>) -> Head {
    let head = before.followed_by(out.get(start..).unwrap_or_default());
    out.extend_from_slice(CHAIN);
    out.extend_from_slice(&head.hex());
    out.extend_from_slice(b"\"}\n");
    head
}

/// A line, split at its seal. Only its form is checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed<'a> {
    /// The bytes that the chain is over.
    pub(crate) hashed: &'a [u8],
    /// The chain that the line states.
    pub(crate) chain: Head,
}

impl<'a> Sealed<'a> {
    /// Splits a line, without its line feed; `None` if it has no seal.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (hashed, seal) = line.split_at_checked(line.len().checked_sub(SEAL)?)?;
        let hex = seal.strip_prefix(CHAIN)?.strip_suffix(b"\"}")?;
        Some(Self { hashed, chain: Head::from_hex(hex)? })
    }

    /// The number of the record; `None` for a header.
    pub(crate) fn seq(&self) -> Option<u64> {
        let digits = self.hashed.rsplit(|byte| !byte.is_ascii_digit()).next()?;
        let before = self.hashed.strip_suffix(digits)?;
        // A number may be written in one way only: the chain is over its text.
        let canonical = !digits.is_empty() && !digits.starts_with(b"0");
        (canonical && before.ends_with(SEQ)).then_some(())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The id of the journal in the line.
    pub(crate) fn instance(&self) -> Option<&'a str> {
        let reach = INSTANCE.len() + LONGEST_ID + 64;
        let tail = self.hashed.get(self.hashed.len().saturating_sub(reach)..)?;
        let start = memchr::memmem::rfind(tail, INSTANCE)? + INSTANCE.len();
        let rest = tail.get(start..)?;
        let end = memchr::memchr(b'"', rest)?;
        std::str::from_utf8(rest.get(..end)?).ok()
    }
}

/// Whether the id of an instance can be written without escaping.
pub(crate) fn is_instance(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(record: &str, sealer: &mut Sealer) -> String {
        let mut out = Vec::new();
        sealer.seal(record.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_says_its_number_and_a_hash_over_all_before_it() {
        let mut sealer = Sealer::new("gate-1", Position::default(), false);
        let first = sealed(r#"{"id":"a"}"#, &mut sealer);
        // printf '{"id":"a","instance":"gate-1","seq":1' after 32 zero bytes | sha256sum
        let hashed = r#"{"id":"a","instance":"gate-1","seq":1"#;
        let head = Head::default().followed_by(hashed.as_bytes());
        assert_eq!(first, format!("{hashed},\"chain\":\"{head}\"}}\n"));
        let second = sealed(r#"{"id":"b"}"#, &mut sealer);
        let parsed = Sealed::parse(second.trim_end().as_bytes()).unwrap();
        assert_eq!((parsed.seq(), parsed.instance()), (Some(2), Some("gate-1")));
        assert_eq!(parsed.chain, head.followed_by(parsed.hashed));
        assert_eq!(sealer.at, Position { seq: 2, head: parsed.chain });
    }

    #[test]
    fn the_hash_is_sha_256() {
        // printf '%064d' 0 | xxd -r -p | sha256sum
        let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(Head::default().followed_by(b"").to_string(), expected);
        assert_eq!(Head::from_hex(expected.as_bytes()).unwrap().to_string(), expected);
        assert!(Head::from_hex(expected.to_uppercase().as_bytes()).is_none());
    }

    #[test]
    fn a_header_has_no_number_and_nothing_is_promised_where_nothing_is() {
        let mut sealer = Sealer::new("g", Position::default(), true);
        let mut out = Vec::new();
        sealer.seal_header(br#"{"phase":"segment","first":1}"#, &mut out);
        let header = Sealed::parse(out.trim_ascii_end()).unwrap();
        assert_eq!((header.seq(), sealer.at.seq), (None, 0));
        let line = sealed(r#"{"details":{"seq":7}}"#, &mut sealer);
        assert!(line.contains(r#","durability":"none","seq":1,"chain""#), "{line}");
        assert_eq!(Sealed::parse(line.trim_end().as_bytes()).unwrap().instance(), Some("g"));
    }

    #[test]
    fn what_is_no_seal_is_none() {
        for line in ["", "{}", r#"{"chain":"00"}"#, &"x".repeat(200)] {
            assert!(Sealed::parse(line.as_bytes()).is_none(), "{line}");
        }
        let forged = format!(r#"{{"seq":01,"chain":"{}"}}"#, Head::default());
        assert_eq!(Sealed::parse(forged.as_bytes()).unwrap().seq(), None);
    }
}
