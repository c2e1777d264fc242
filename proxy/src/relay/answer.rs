//! The head of an upstream's answer: read, and written anew for the client (RFC 9112).

use std::mem::MaybeUninit;

use bytes::{BufMut as _, BytesMut};
use httparse::{Header, ParserConfig, Response, Status};

use crate::framing::Framing;
use crate::hygiene::{is_hop_by_hop, is_structural};

/// Fields of an answer at the most.
const FIELDS: usize = 256;

/// What is asked of the head of an answer besides what HTTP asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hygiene {
    /// The request was HEAD: no body follows, whatever the head says of one.
    pub(crate) head_only: bool,
    /// Who may read answers is said by the gate, not by the upstream.
    pub(crate) own_cors: bool,
}

/// What the head of an answer says, besides what is passed on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where its body ends; `None`: with the connection.
    pub(super) body: Option<Framing>,
    /// Whether the upstream goes on with the connection.
    goes_on: bool,
    /// What the upstream says for the record.
    pub(crate) told: Vec<(String, String)>,
}

impl Answer {
    /// Reads the head at the start of `buffer`, and writes what of it passes to `out`, without the empty
    /// line. Gives its length, or `None` if it is not whole.
    ///
    /// # Errors
    ///
    /// What is wrong with it: nothing of it may be passed on then.
    pub(super) fn read(
        buffer: &[u8],
        hygiene: Hygiene,
        out: &mut BytesMut,
    ) -> Result<Option<(usize, Self)>, &'static str> {
        let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS];
        let mut head = Response::new(&mut []);
        let config = ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut head, buffer, &mut room);
        let length = match parsed.map_err(|_| "its head is no HTTP")? {
            Status::Complete(length) => length,
            Status::Partial => return Ok(None),
        };
        let status = head.code.unwrap_or_default();
        let said = Said::of(head.headers)?;
        let bodiless = hygiene.head_only || status < 200 || matches!(status, 204 | 304);
        let body = match (bodiless, said.chunked, said.length) {
            (true, ..) => Some(Framing::NONE),
            (false, true, None) => Some(Framing::CHUNKED),
            (false, false, length) => length.map(Framing::Length),
            (false, true, Some(_)) => return Err("the length of its body is told twice"),
        };
        // 101 would be the end of HTTP: nothing that is forwarded asks for it.
        if !(100..=999).contains(&status) || status == 101 {
            return Err("its status is none that was asked for");
        }
        let http_11 = head.version == Some(1);
        if said.chunked && !http_11 {
            return Err("chunks are not known to its version of HTTP");
        }
        let mut answer = Self { status, body, goes_on: http_11 && !said.closes, told: Vec::new() };
        answer.write(&head, &said, hygiene, out);
        Ok(Some((length, answer)))
    }

    /// Whether another request can be sent once the body was read.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on && self.body.is_some()
    }

    fn write(
        &mut self,
        head: &Response<'_, '_>,
        said: &Said<'_>,
        hygiene: Hygiene,
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
            } else if passes(name, hygiene) && !said.names(name) {
                line(out, name, field.value);
            }
        }
        match (self.body, said.length) {
            (None | Some(Framing::Chunked(_)), _) => {
                line(out, b"Transfer-Encoding", b"chunked");
            }
            (_, Some(length)) if self.status >= 200 && self.status != 204 => {
                line(out, b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
            }
            _ => {}
        }
    }
}

/// Whether a field of an answer passes as it is.
fn passes(name: &[u8], hygiene: Hygiene) -> bool {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    // Most names are none of these and differ in the first letter.
    match name.first().map(u8::to_ascii_lowercase) {
        Some(b'a') => !(hygiene.own_cors && starts_with(name, b"access-control-")),
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

/// What the fields say of the message and of the connection.
#[derive(Debug, Default)]
struct Said<'a> {
    length: Option<u64>,
    chunked: bool,
    closes: bool,
    /// The fields that `Connection` names: they are for this hop alone.
    named: Vec<&'a [u8]>,
}

impl<'a> Said<'a> {
    fn of(fields: &[Header<'a>]) -> Result<Self, &'static str> {
        let mut said = Self::default();
        for field in fields {
            let is = |known: &str| field.name.eq_ignore_ascii_case(known);
            match field.name.len() {
                14 if is("content-length") => {
                    let length =
                        number(field.value).ok_or("the length of its body is no number")?;
                    if said.length.replace(length).is_some_and(|before| before != length) {
                        return Err("the length of its body is told twice");
                    }
                }
                17 if is("transfer-encoding") => {
                    if said.chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                        return Err("its transfer coding is not `chunked`");
                    }
                    said.chunked = true;
                }
                10 if is("connection") => said.connection(field.value),
                _ => {}
            }
        }
        Ok(said)
    }

    fn connection(&mut self, value: &'a [u8]) {
        for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
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
