//! Stage 1 of 7: accept.
//!
//! Takes the head of a request as received. Returns an [`Arrival`] (what the gate reads from the head) and the head
//! to forward, with header hygiene applied. No I/O, no clock.

mod host;
mod rewrite;
mod way;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;

use crate::config::Limits;
use crate::http::canonical::{self, PathFault};
use crate::http::connection::BodyLost;
use crate::http::framing::Framing;
use crate::http::head::{Head, HeadFault, RawHead};
use crate::http::hygiene::{Fate, Hygiene, is_structural};

pub use host::Host;

/// The part of the configuration that the accept stage reads.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The maximum number of header fields.
    pub(crate) header_count: usize,
    /// The maximum length of the request target, in bytes.
    pub(crate) target_bytes: usize,
    /// The header fields that reach the upstream.
    pub(crate) hygiene: Hygiene,
    /// The proxies whose `Forwarded` and `X-Forwarded-*` fields are believed.
    pub(crate) trusted: Vec<IpNet>,
    /// Whether `Authorization` is forwarded to the upstream.
    pub(crate) forward_authorization: bool,
    /// The cookie that carries a token, if any.
    pub(crate) cookie: Option<String>,
    /// The upstream's own name and port: the host of a request without `Host` (HTTP/1.0).
    pub(crate) upstream_host: String,
}

impl Rules {
    /// The default rules with this `hygiene`, for requests that are judged without a running gate.
    pub(crate) fn usual(hygiene: Hygiene) -> Self {
        let limits = Limits::default();
        Self {
            header_count: limits.header_count,
            target_bytes: limits.target_bytes,
            hygiene,
            trusted: Vec::new(),
            forward_authorization: false,
            cookie: None,
            upstream_host: String::new(),
        }
    }
}

/// The reason why a request is refused before its caller is identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The request breaks a rule of HTTP.
    #[error("the request is not valid HTTP: {0}")]
    Request(&'static str),
    /// The target has no canonical form.
    #[error("the target is not canonical: {0}")]
    Path(#[from] PathFault),
    /// The head exceeds a limit.
    #[error("the head is larger than the limits allow")]
    TooLarge,
    /// The method is CONNECT or TRACE, which the gate does not serve.
    #[error("this method is not served")]
    Method,
}

impl From<&BodyLost> for Malformed {
    fn from(lost: &BodyLost) -> Self {
        Self::Request(match lost {
            BodyLost::Gone(_) => "the body did not come whole",
            BodyLost::Slow => "the body did not come in time",
            BodyLost::Misframed(_) => "the body is not framed as RFC 9112 says",
        })
    }
}

impl From<HeadFault> for Malformed {
    fn from(fault: HeadFault) -> Self {
        match fault {
            HeadFault::Invalid(problem) => Self::Request(problem),
            HeadFault::TooLarge => Self::TooLarge,
        }
    }
}

/// The value of `Expect` with which a client waits for permission to send its body (RFC 9110, 10.1.1).
const CONTINUE: &[u8] = b"100-continue";

/// A request, as described by its head.
#[derive(Debug)]
pub struct Arrival {
    /// The method as judged and recorded: HEAD counts as GET.
    pub method: Arc<str>,
    /// Whether the method was HEAD.
    pub head_only: bool,
    /// Whether the client speaks HTTP/1.1, and so understands chunked bodies and interim responses (1xx).
    pub http_11: bool,
    /// The canonical path. For a path without canonical form: the raw path, escaped and truncated, for the record.
    pub path: Arc<str>,
    /// The query as received, without its `?`.
    pub query: Option<Bytes>,
    /// The requested host.
    pub host: Option<Host>,
    /// The credentials and control fields.
    pub control: Control,
    /// The client's address: the peer, or the address that trusted proxies report.
    pub client: IpAddr,
    /// `User-Agent`, truncated.
    pub user_agent: Option<Arc<str>>,
    /// Whether a body follows.
    pub has_body: bool,
    /// The reason for the refusal, if the request is refused.
    pub fault: Option<Malformed>,
}

/// The header fields that the gate itself reads.
#[derive(Debug, Default)]
pub struct Control {
    /// `Authorization`.
    pub authorization: Option<Bytes>,
    /// All `Cookie` fields.
    pub cookies: Vec<Bytes>,
    /// `X-Tenant`.
    pub tenant: Option<Bytes>,
    /// `X-Break-Glass`.
    pub break_glass: Option<Bytes>,
    /// `X-Request-Id`, if valid.
    pub request_id: Option<Arc<str>>,
    /// `Origin`.
    pub origin: Option<Bytes>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<Bytes>,
    /// `Accept`.
    pub accept: Option<Bytes>,
    /// `Access-Control-Request-Method`.
    pub preflight: Option<Bytes>,
    /// `Content-Type`, as it is forwarded.
    pub content_type: Option<Bytes>,
    /// Whether the forwarded head has a `Content-Encoding`.
    pub coded: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

/// What a response announces about its connection (RFC 9112, 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// The connection closes after the response.
    Close,
    /// The connection stays open, the default of HTTP/1.1.
    Usual,
    /// The connection stays open because an HTTP/1.0 client asked for it; the response must confirm that.
    KeepAlive,
}

impl Persistence {
    /// The value of the response's `Connection` field, if the response needs one.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Close => Some("close"),
            Self::Usual => None,
            Self::KeepAlive => Some("keep-alive"),
        }
    }

    fn asked_by(head: &Head<'_>) -> Self {
        match (rewrite::says(head, b"close"), head.http_11) {
            (false, true) => Self::Usual,
            (false, false) if rewrite::says(head, b"keep-alive") => Self::KeepAlive,
            _ => Self::Close,
        }
    }
}

/// An accepted request, or one refused at once. Both are answered and recorded.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) arrival: Arrival,
    /// The head for the upstream, with hygiene applied. The framing of the body, the identity and the empty line are
    /// still missing.
    pub(crate) head: BytesMut,
    /// The framing of the body; `None`: the head announces no body.
    pub(crate) framing: Option<Framing>,
    /// Whether the client wants to keep the connection open.
    pub(crate) persistence: Persistence,
}

/// Reads the head of a request. `None`: the bytes are not HTTP.
pub(crate) fn accept(raw: &RawHead, peer: SocketAddr, rules: &Rules) -> Option<Accepted> {
    let head = Head::parse(&raw.bytes, rules.header_count)?;
    let mut arrival = first_look(&raw.bytes, &head, peer, rules);
    let judged = match raw.fault.or(head.fault) {
        Some(fault) => Err(fault.into()),
        None => judge(&head, &mut arrival, rules),
    };
    match judged {
        Ok(framing) => {
            read_control(&raw.bytes, &head, &mut arrival);
            arrival.has_body = framing.is_some_and(|framing| !framing.is_done());
            let persistence = Persistence::asked_by(&head);
            let head = rewrite::head(&head, &arrival, peer, rules);
            Some(Accepted { arrival, head, framing, persistence })
        }
        Err(fault) => {
            arrival.fault = Some(fault);
            let (head, persistence) = (BytesMut::new(), Persistence::Close);
            Some(Accepted { arrival, head, framing: None, persistence })
        }
    }
}

/// The arrival of any request, valid or not, with the fields that its record needs.
fn first_look(raw: &Bytes, head: &Head<'_>, peer: SocketAddr, rules: &Rules) -> Arrival {
    let target = head.target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let request_id = head.all("x-request-id").next().filter(|id| {
        (1..=128).contains(&id.len()) && id.iter().all(|byte| (0x20..0x7F).contains(byte))
    });
    Arrival {
        method: Arc::from(if head.method == "HEAD" { "GET" } else { head.method }),
        head_only: head.method == "HEAD",
        http_11: head.http_11,
        path: Arc::from(escaped(target)),
        query: None,
        host: None,
        control: Control {
            request_id: request_id.map(lossy),
            // A web page can then read the reason even if its request is refused.
            origin: head.all("origin").next().map(|value| raw.slice_ref(value)),
            ..Control::default()
        },
        client: way::client(head, peer, &rules.trusted),
        user_agent: head.all("user-agent").next().map(|agent| cut(&lossy(agent), 256)),
        has_body: false,
        fault: None,
    }
}

/// The target of a request without canonical path: escaped, and truncated to 512 bytes.
fn escaped(target: &[u8]) -> String {
    let mut text = target.iter().take(512).copied().collect::<Vec<u8>>().escape_ascii().to_string();
    text.truncate(512);
    text
}

fn lossy(bytes: &[u8]) -> Arc<str> {
    Arc::from(String::from_utf8_lossy(bytes))
}

/// `text`, truncated to at most `most` bytes at a character boundary.
fn cut(text: &Arc<str>, most: usize) -> Arc<str> {
    if text.len() <= most {
        return Arc::clone(text);
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Arc::from(text.get(..end).unwrap_or_default())
}

/// Checks a head against the rules of HTTP and of the canonical form. Fills in the host, the path and the query.
fn judge(
    head: &Head<'_>,
    arrival: &mut Arrival,
    rules: &Rules,
) -> Result<Option<Framing>, Malformed> {
    if matches!(head.method, "CONNECT" | "TRACE") {
        return Err(Malformed::Method);
    }
    // 431 and not 414: the contract has one reason, `headers_too_large`, for any part of a head that is too large.
    if head.target.len() > rules.target_bytes {
        return Err(Malformed::TooLarge);
    }
    let named = head.one("host")?;
    let host = named.map(Host::parse).transpose().map_err(Malformed::Request)?;
    if host.is_none() && head.http_11 {
        return Err(Malformed::Request("the request names no host"));
    }
    let target = origin_form(head.target, named)?;
    let (path, query) = match memchr::memchr(b'?', target) {
        Some(mark) => (target.get(..mark).unwrap_or_default(), target.get(mark + 1..)),
        None => (target, None),
    };
    arrival.host = host;
    arrival.path = Arc::from(canonical::path(path)?);
    if let Some(query) = query {
        canonical::query(query)?;
        arrival.query = Some(Bytes::copy_from_slice(query));
    }
    for single in ["authorization", "x-tenant", "x-break-glass", "content-type"] {
        head.one(single)?;
    }
    body_framing(head)
}

/// The target in origin-form (RFC 9112, 3.2). An absolute target must name the same host as `Host`.
fn origin_form<'a>(target: &'a [u8], host: Option<&[u8]>) -> Result<&'a [u8], Malformed> {
    const FAULT: Malformed = Malformed::Request("the target is not in origin-form");
    if target.starts_with(b"/") {
        return Ok(target);
    }
    let scheme = memchr::memchr(b':', target).and_then(|end| target.get(..end)).ok_or(FAULT)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(FAULT);
    }
    let rest =
        target.get(scheme.len()..).and_then(|rest| rest.strip_prefix(b"://")).ok_or(FAULT)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) {
        return Err(Malformed::Request("the target is for another host"));
    }
    match path.first() {
        None => Ok(b"/"),
        Some(b'/') => Ok(path),
        Some(_) => Err(FAULT),
    }
}

/// The framing of the body. A head that two readers could frame differently is refused.
fn body_framing(head: &Head<'_>) -> Result<Option<Framing>, Malformed> {
    let length = head.one("content-length")?;
    let coding = head.one("transfer-encoding")?;
    match (length, coding) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Malformed::Request("the length of the body is told twice")),
        (Some(length), None) => {
            let digits =
                !length.is_empty() && length.len() < 19 && length.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(length).ok().filter(|_| digits);
            let length = text.and_then(|text| text.parse().ok());
            length
                .map(|length| Some(Framing::Length(length)))
                .ok_or(Malformed::Request("the length of the body is no number"))
        }
        (None, Some(coding)) if head.http_11 && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Some(Framing::CHUNKED))
        }
        (None, Some(_)) => Err(Malformed::Request("the transfer coding is not `chunked`")),
    }
}

/// Reads the fields meant for the gate, before those named by `Connection` are removed; and the fields that describe
/// the forwarded body, after that.
fn read_control(raw: &Bytes, head: &Head<'_>, arrival: &mut Arrival) {
    let first = |name: &'static str| head.all(name).next().map(|value| raw.slice_ref(value));
    let dropped = nominated(head);
    let kept = |name: &'static str| {
        let all = head
            .all(name)
            .filter(|_| !dropped.iter().any(|it| it.eq_ignore_ascii_case(name.as_bytes())));
        all.map(|value| raw.slice_ref(value)).collect::<Vec<_>>()
    };
    arrival.control = Control {
        authorization: first("authorization"),
        cookies: head.all("cookie").map(|value| raw.slice_ref(value)).collect(),
        tenant: first("x-tenant"),
        break_glass: first("x-break-glass"),
        request_id: arrival.control.request_id.take(),
        origin: arrival.control.origin.take(),
        fetch_site: first("sec-fetch-site"),
        accept: first("accept"),
        preflight: first("access-control-request-method"),
        coded: !kept("content-encoding").is_empty(),
        content_type: kept("content-type").into_iter().next(),
        // RFC 9110, 10.1.1: in a request of HTTP/1.0 the expectation is ignored.
        expects_continue: head.http_11
            && head.all("expect").any(|value| value.eq_ignore_ascii_case(CONTINUE)),
    };
}

/// The fields that `Connection` names: they belong to this hop alone.
fn nominated<'a>(head: &Head<'a>) -> Vec<&'a [u8]> {
    let names = head.all("connection").flat_map(|value| value.split(|byte| *byte == b','));
    names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty() && !is_structural(name)).collect()
}

/// Whether a field is forwarded: the hygiene rules pass it and `Connection` does not name it.
fn passes(name: &[u8], dropped: &[&[u8]], rules: &Rules) -> bool {
    let own = match rules.hygiene.fate(name) {
        Fate::Pass => true,
        Fate::Drop | Fate::Remove | Fate::Way => false,
        Fate::Credential => rules.forward_authorization,
    };
    own && !dropped.iter().any(|it| it.eq_ignore_ascii_case(name))
}
