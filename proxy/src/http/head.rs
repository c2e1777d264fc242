//! A strict reader of HTTP/1.x heads (RFC 9112).
//!
//! A head that two readers could read differently is refused. The gate reads and judges each head and then writes
//! its own, so that an upstream finds nothing to repair.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

/// The result of a search for the end of a head.
#[derive(Debug, PartialEq, Eq)]
enum Scan {
    /// More bytes are needed.
    Incomplete,
    /// The length of the head, including its empty line.
    Complete(usize),
    /// The length up to the end of the first line that ends in LF alone. No bytes after it can be trusted.
    BareLf(usize),
}

/// Searches `buffer` for the end of the head. The first `seen` bytes were searched before.
fn scan(buffer: &[u8], seen: usize) -> Scan {
    let mut at = seen;
    while let Some(found) = buffer.get(at..).and_then(|rest| memchr(b'\n', rest)) {
        let end = at + found + 1;
        let lines = buffer.get(..end).unwrap_or_default();
        if !lines.ends_with(b"\r\n") {
            return Scan::BareLf(end);
        }
        if lines.ends_with(b"\r\n\r\n") {
            return Scan::Complete(end);
        }
        at = end;
    }
    Scan::Incomplete
}

/// The head of a request as received, or the part that was read before reading was given up.
#[derive(Debug)]
pub(crate) struct RawHead {
    pub(crate) bytes: Bytes,
    /// The reason why the rest was not read.
    pub(crate) fault: Option<HeadFault>,
}

/// Takes a head out of `buffer` if it is complete or given up. The first `seen` bytes were searched before and do not
/// contain its end; `seen` is updated. A head has at most `most` bytes.
pub(crate) fn take(buffer: &mut BytesMut, most: usize, seen: &mut usize) -> Option<RawHead> {
    // RFC 9112, 2.2: empty lines before the request line are skipped.
    while *seen == 0 && buffer.starts_with(b"\r\n") {
        buffer.advance(2);
    }
    if buffer.first().is_some_and(|byte| !is_token(*byte) && *byte != b'\r') {
        return Some(RawHead { bytes: Bytes::new(), fault: None });
    }
    let (end, fault) = match scan(buffer, *seen) {
        Scan::Complete(end) if end <= most => (end, None),
        Scan::BareLf(end) => (end, Some(HeadFault::Invalid("a line ends in LF alone"))),
        _ if buffer.len() > most => (buffer.len(), Some(HeadFault::TooLarge)),
        _ => {
            // The last three bytes may be the start of the end of the head.
            *seen = buffer.len().saturating_sub(3);
            return None;
        }
    };
    Some(RawHead { bytes: buffer.split_to(end).freeze(), fault })
}

/// The reason why a head is refused: invalid HTTP, or too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// Forbidden by RFC 9110 or 9112, or ambiguous enough to be forbidden here.
    #[error("{0}")]
    Invalid(&'static str),
    /// More bytes or fields than `limits` allow.
    #[error("the head is larger than the limits allow")]
    TooLarge,
}

/// A header field as received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
}

/// A parsed head, unchanged.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a [u8],
    pub(crate) http_11: bool,
    pub(crate) fields: Vec<Field<'a>>,
    /// The first fault. The fields before it are present.
    pub(crate) fault: Option<HeadFault>,
}

impl<'a> Head<'a> {
    /// Parses `raw`, which need not be complete. `None`: the bytes are not HTTP.
    pub(crate) fn parse(raw: &'a [u8], most_fields: usize) -> Option<Self> {
        let mut lines = Lines(raw);
        let (method, target, version) = request_line(lines.next()?)?;
        let mut head = Self { method, target, http_11: true, fields: Vec::new(), fault: None };
        match version {
            b"HTTP/1.1" => {}
            b"HTTP/1.0" => head.http_11 = false,
            _ => {
                head.fault = Some(HeadFault::Invalid("this version of HTTP is not spoken here"));
                return Some(head);
            }
        }
        if target.is_empty() {
            head.fault = Some(HeadFault::Invalid("the request has no target"));
        }
        head.fields.reserve(24);
        for line in lines.take_while(|line| !line.is_empty()) {
            if head.fields.len() >= most_fields {
                head.fault.get_or_insert(HeadFault::TooLarge);
                break;
            }
            match field(line) {
                Ok(field) => head.fields.push(field),
                Err(problem) => {
                    head.fault.get_or_insert(HeadFault::Invalid(problem));
                }
            }
        }
        Some(head)
    }

    /// The values of all fields with this name, given in lower case.
    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// The value of the only field with this name, if any; an error if there are several.
    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&'a [u8]>, HeadFault> {
        let mut all = self.all(name);
        let first = all.next();
        if all.next().is_some() {
            return Err(HeadFault::Invalid("a field that may come once came several times"));
        }
        Ok(first)
    }
}

/// An iterator over the lines that end in LF, without their line ends. Bytes after the last LF are ignored.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr(b'\n', self.0)?;
        let line = self.0.get(..end)?;
        self.0 = self.0.get(end + 1..)?;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Splits a request line into method, target and version. Leaves white space in the target to later checks.
fn request_line(line: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let first = memchr(b' ', line)?;
    let last = memchr::memrchr(b' ', line)?;
    let method = line.get(..first)?;
    let version = line.get(last + 1..)?;
    let target = line.get(first + 1..last).unwrap_or_default();
    let known = version.strip_prefix(b"HTTP/")?;
    let versioned =
        matches!(known, [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit());
    if !versioned
        || method.is_empty()
        || method.len() > 32
        || !method.iter().all(|byte| is_token(*byte))
    {
        return None;
    }
    Some((std::str::from_utf8(method).ok()?, target, version))
}

fn field(line: &[u8]) -> Result<Field<'_>, &'static str> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err("a header field is folded over several lines");
    }
    let colon = memchr(b':', line).ok_or("a header field has no colon")?;
    let name = line.get(..colon).unwrap_or_default();
    let value = trim(line.get(colon + 1..).unwrap_or_default());
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err("the name of a header field is not a token");
    }
    let visible = |byte: &u8| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7F);
    if !value.iter().all(visible) {
        return Err("the value of a header field holds a control character");
    }
    Ok(Field { name, value })
}

/// `value` without spaces and tabs at its ends: `OWS` of RFC 9110, 5.6.3. Other characters that Rust calls white
/// space are part of the value.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether `byte` is a `tchar` of RFC 9110, 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
