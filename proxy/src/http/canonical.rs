//! The canonical form of a request target (`gate.md`, "Canonical path").
//!
//! INVARIANT: canonicalising a canonical target changes nothing, and what is decided is byte for
//! byte what is forwarded.

use std::fmt::Write as _;

/// The reason why a target has no safe canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// `.` or `..`.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `//`.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A byte that is not allowed in a path.
    #[error("the path holds a byte that may not stand there")]
    Byte,
    /// `%` without two hexadecimal digits.
    #[error("the path holds a malformed percent-encoding")]
    Escape,
    /// An encoded dot, slash, backslash or control byte, however many times encoded.
    #[error("the path encodes what may not be encoded")]
    Encoded,
    /// Encodings that decode to invalid UTF-8.
    #[error("the path decodes to invalid UTF-8")]
    Utf8,
    /// A byte that is not allowed in a query.
    #[error("the query holds a byte that may not stand there")]
    Query,
}

/// The canonical form of `path`, the origin-form without its query: percent-encoded
/// unreserved characters are decoded, hexadecimal digits are upper case.
///
/// # Errors
///
/// Fails with a [`PathFault`] if the path has no safe canonical form.
pub fn path(path: &[u8]) -> Result<String, PathFault> {
    let mut rest = path.strip_prefix(b"/").ok_or(PathFault::Byte)?;
    let mut canonical = String::with_capacity(path.len());
    loop {
        let end = memchr::memchr(b'/', rest);
        let (raw, tail) = match end {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..)),
            None => (rest, None),
        };
        // An empty last segment is a trailing slash, which is allowed and makes another path.
        if raw.is_empty() && tail.is_some() {
            return Err(PathFault::EmptySegment);
        }
        canonical.push('/');
        segment(raw, &mut canonical)?;
        let Some(tail) = tail else { return Ok(canonical) };
        rest = tail;
    }
}

/// Checks a raw query, which is forwarded as received.
///
/// # Errors
///
/// Fails with [`PathFault::Query`] for control bytes, white space and a fragment. Other bytes that RFC 3986 forbids
/// pass unchanged, because scripts send `"`, `<` and `>`.
pub fn query(query: &[u8]) -> Result<(), PathFault> {
    let fine = |byte: &u8| *byte > 0x20 && !matches!(byte, 0x7F | b'#');
    if query.iter().all(fine) { Ok(()) } else { Err(PathFault::Query) }
}

fn segment(raw: &[u8], out: &mut String) -> Result<(), PathFault> {
    let start = out.len();
    let mut bytes = raw.iter();
    let mut decoded: Option<Vec<u8>> = None;
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            if !is_pchar(byte) {
                return Err(PathFault::Byte);
            }
            out.push(char::from(byte));
            if let Some(decoded) = &mut decoded {
                decoded.push(byte);
            }
            continue;
        }
        let value = hex(bytes.next(), bytes.next())?;
        if value < 0x20 || matches!(value, 0x7F | b'.' | b'/' | b'\\') {
            return Err(PathFault::Encoded);
        }
        decoded
            .get_or_insert_with(|| out.as_bytes().get(start..).unwrap_or_default().to_vec())
            .push(value);
        if is_unreserved(value) {
            out.push(char::from(value));
        } else {
            // Writing to a string cannot fail.
            let _ok = write!(out, "%{value:02X}");
        }
    }
    if decoded.is_some_and(|bytes| !wholesome(&bytes)) {
        return Err(PathFault::Utf8);
    }
    let made = out.get(start..).unwrap_or_default();
    // The search runs on the canonical text, not on the raw one: `%25%32e` becomes `%252e` only here.
    for (at, escape) in made.match_indices("%25") {
        hidden(made.as_bytes().get(at + escape.len()..).unwrap_or_default())?;
    }
    if matches!(made, "." | "..") { Err(PathFault::DotSegment) } else { Ok(()) }
}

/// Whether the decoded bytes are UTF-8 without control characters, U+0080 to U+009F included.
fn wholesome(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(char::is_control))
}

/// Refuses text after `%25` that an upstream could decode once more into a dot, a slash, a
/// backslash or a control byte, at any depth of encoding.
fn hidden(mut rest: &[u8]) -> Result<(), PathFault> {
    // In `%2525…2e`, each further `25` is one more encoding.
    while let Some(deeper) = rest.strip_prefix(b"25") {
        rest = deeper;
    }
    let mut bytes = rest.iter();
    let Ok(value) = hex(bytes.next(), bytes.next()) else { return Ok(()) };
    let forbidden = value < 0x20 || matches!(value, 0x7F | b'.' | b'/' | b'\\');
    if forbidden { Err(PathFault::Encoded) } else { Ok(()) }
}

fn hex(high: Option<&u8>, low: Option<&u8>) -> Result<u8, PathFault> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(PathFault::Escape) };
    u8::try_from(high * 16 + low).map_err(|_| PathFault::Escape)
}

/// Whether `byte` is unreserved (RFC 3986, 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether `byte` is a raw `pchar` (RFC 3986, 3.3) other than `;`, at which some servers cut the path.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,=:@".contains(&byte)
}

#[cfg(test)]
mod tests;
