//! The head of an upstream's response: parsed, and written anew for the client (RFC 9112).

use std::mem::MaybeUninit;

use bytes::{BufMut as _, BytesMut};
use httparse::{Header, ParserConfig, Response, Status};

use crate::http::framing::Framing;
use crate::http::head;
use crate::http::hygiene::{is_hop_by_hop, is_structural};

/// The maximum number of fields of a response.
const FIELDS: usize = 256;

/// The field that lists the response fields a page may read (the Fetch standard, "CORS protocol").
const EXPOSES: &[u8] = b"access-control-expose-headers";

/// The rules for a response head beyond those of HTTP.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerRules {
    /// Whether the request was HEAD: no body follows, whatever the head announces.
    pub(crate) head_only: bool,
    /// Whether the gate, and not the upstream, decides which origins may read responses.
    pub(crate) own_cors: bool,
}

/// The parsed head of a response, without the fields that are forwarded.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The framing of the body; `None`: the body ends with the connection.
    pub(super) body: Option<Framing>,
    /// The length that the client is told. After HEAD and in a 304, the length of a body that does not
    /// follow.
    length: Option<u64>,
    /// Whether the upstream keeps the connection open.
    goes_on: bool,
    /// Whether the response has a `Date`.
    pub(crate) is_dated: bool,
    /// The upstream's `X-Audit-*` fields, for the record.
    pub(crate) told: Vec<(String, String)>,
    /// The values of `Access-Control-Expose-Headers`, if the gate decides about origins.
    pub(crate) exposes: Vec<Vec<u8>>,
}

impl Answer {
    /// Reads the head at the start of `buffer`, and writes the forwarded part to `out`, without the framing of the
    /// body and the empty line. Returns the length of the head, or `None` if it is incomplete.
    ///
    /// Oddities of upstreams that every reader reads alike are repaired (RFC 9112): white space before a
    /// colon (5.1), folded fields (5.2), a length repeated with the same value (RFC 9110, 8.6), the coding `identity`,
    /// lines that end in LF alone (2.2).
    ///
    /// # Errors
    ///
    /// Fails with the fault of the head: then no part of it may be forwarded.
    pub(crate) fn read(
        buffer: &[u8],
        rules: AnswerRules,
        out: &mut BytesMut,
    ) -> Result<Option<(usize, Self)>, &'static str> {
        let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS];
        let mut head = Response::new(&mut []);
        let mut config = ParserConfig::default();
        config.allow_spaces_after_header_name_in_responses(true);
        config.allow_obsolete_multiline_headers_in_responses(true);
        let parsed = config.parse_response_with_uninit_headers(&mut head, buffer, &mut room);
        let length = match parsed.map_err(|_| "its head is no HTTP")? {
            Status::Complete(length) => length,
            Status::Partial => return Ok(None),
        };
        let said = Said::of(head.headers)?;
        let mut answer = Self::told(&head, &said, rules.head_only)?;
        answer.write(&head, &said, rules, out);
        Ok(Some((length, answer)))
    }

    /// The meaning of the head for the message and the connection.
    fn told(
        head: &Response<'_, '_>,
        said: &Said<'_>,
        head_only: bool,
    ) -> Result<Self, &'static str> {
        let (status, http_11) = (head.code.unwrap_or_default(), head.version == Some(1));
        // 101 would end the use of HTTP; no forwarded request asks for that.
        if !(100..=999).contains(&status) || status == 101 {
            return Err("its status is none that was asked for");
        }
        if said.chunked && said.length.is_some() {
            return Err("the length of its body is told twice");
        }
        if said.chunked && !http_11 {
            return Err("chunks are not known to its version of HTTP");
        }
        let bodiless = status < 200 || matches!(status, 204 | 304);
        // A forbidden body may follow all the same, so the connection is not used again.
        let contradicts = bodiless
            && (said.chunked || (status != 304 && said.length.is_some_and(|length| length > 0)));
        let body = match (bodiless || head_only, said.chunked) {
            (true, _) => Some(Framing::NONE),
            (false, true) => Some(Framing::CHUNKED),
            (false, false) => said.length.map(Framing::Length),
        };
        Ok(Self {
            status,
            body,
            length: said.length.filter(|_| status >= 200 && status != 204),
            goes_on: http_11 && !said.closes && !contradicts,
            is_dated: said.is_dated,
            told: Vec::new(),
            exposes: Vec::new(),
        })
    }

    /// Whether another request can be sent on the connection after the body.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on && self.body.is_some()
    }

    /// Whether the length of the body is unknown: it ends with the last chunk or with the connection.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.body, Some(Framing::Length(_)))
    }

    /// Writes the framing of the body, for a client that supports chunks or not.
    pub(crate) fn write_framing(&self, chunks: bool, out: &mut BytesMut) {
        match self.length {
            Some(length) if !self.is_open() => {
                line(out, b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
            }
            _ if self.is_open() && chunks => line(out, b"Transfer-Encoding", b"chunked"),
            _ => {}
        }
    }

    fn write(
        &mut self,
        head: &Response<'_, '_>,
        said: &Said<'_>,
        rules: AnswerRules,
        out: &mut BytesMut,
    ) {
        out.put_slice(b"HTTP/1.1 ");
        out.put_slice(itoa::Buffer::new().format(self.status).as_bytes());
        out.put_slice(b" ");
        out.put_slice(head.reason.unwrap_or_default().as_bytes());
        out.put_slice(b"\r\n");
        for field in head.headers.iter() {
            let name = field.name.as_bytes();
            if starts_with(name, b"x-audit-") {
                let value = String::from_utf8_lossy(field.value).into_owned();
                self.told.push((field.name.to_ascii_lowercase(), value));
            } else if rules.own_cors && name.eq_ignore_ascii_case(EXPOSES) {
                self.exposes.push(field.value.to_vec());
            } else if passes(name, rules) && !said.names(name) {
                unfolded(out, name, field.value);
            }
        }
    }
}

/// Whether a field of a response is forwarded unchanged.
fn passes(name: &[u8], rules: AnswerRules) -> bool {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    // A check of the first letter decides most names.
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b'a') => !(rules.own_cors && starts_with(name, b"access-control-")),
        Some(b'c') => !is(b"content-length") && !is(b"connection"),
        Some(b'x') => !is(b"x-request-id"),
        Some(b't' | b'k' | b'p' | b'u' | b'h') => !is(b"transfer-encoding") && !is_hop_by_hop(name),
        _ => true,
    }
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

pub(super) fn line(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Writes a field. Line ends within the value, those of a folded field, become spaces.
fn unfolded(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    if !is_folded(value) {
        return line(out, name, value);
    }
    let one_line: Vec<u8> =
        value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect();
    line(out, name, &one_line);
}

fn is_folded(value: &[u8]) -> bool {
    memchr::memchr2(b'\r', b'\n', value).is_some()
}

/// The fields that describe the message and the connection.
#[derive(Debug, Default)]
struct Said<'a> {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
    is_dated: bool,
    /// The fields that `Connection` names: they belong to this hop alone.
    named: Vec<&'a [u8]>,
}

impl<'a> Said<'a> {
    fn of(fields: &[Header<'a>]) -> Result<Self, &'static str> {
        let mut said = Self::default();
        for field in fields {
            let is = |known: &str| field.name.eq_ignore_ascii_case(known);
            match field.name.len() {
                4 if is("date") => said.is_dated = true,
                14 if is("content-length") => {
                    for number in field.value.split(|byte| *byte == b',') {
                        said.length(head::trim(number))?;
                    }
                }
                17 if is("transfer-encoding") => said.coding(field.value)?,
                10 if is("connection") => {
                    if is_folded(field.value) {
                        return Err("its field `Connection` is folded");
                    }
                    said.connection(field.value);
                }
                _ => {}
            }
        }
        Ok(said)
    }

    fn length(&mut self, digits: &[u8]) -> Result<(), &'static str> {
        let length = number(digits).ok_or("the length of its body is no number")?;
        match self.length.replace(length) {
            Some(before) if before != length => Err("the length of its body is told twice"),
            _ => Ok(()),
        }
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if value.eq_ignore_ascii_case(b"identity") {
            return Ok(());
        }
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err("its transfer coding is not `chunked`");
        }
        self.chunked = true;
        Ok(())
    }

    fn connection(&mut self, value: &'a [u8]) {
        for token in value.split(|byte| *byte == b',').map(head::trim) {
            if token.eq_ignore_ascii_case(b"close") {
                self.closes = true;
            } else if !token.eq_ignore_ascii_case(b"keep-alive") && !is_structural(token) {
                self.named.push(token);
            }
        }
    }

    fn names(&self, name: &[u8]) -> bool {
        self.named.iter().any(|named| named.eq_ignore_ascii_case(name))
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.len() < 19 && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}
