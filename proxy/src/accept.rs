//! Stage 1 of 7: accept.
//!
//! Takes the head of a request as it came; gives an [`Arrival`]: what the gate reads of it, and
//! the head as it will be forwarded, hygiene done. No I/O, no clock.

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

/// What the stage needs to know of the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Header fields at the most.
    pub(crate) header_count: usize,
    /// Bytes of the target at the most.
    pub(crate) target_bytes: usize,
    /// Which fields reach the upstream.
    pub(crate) hygiene: Hygiene,
    /// Peers whose word about the way of a request is taken.
    pub(crate) trusted: Vec<IpNet>,
    /// Whether `Authorization` goes on to the upstream.
    pub(crate) forward_authorization: bool,
    /// The cookie that carries a token, if any.
    pub(crate) cookie: Option<String>,
    /// The upstream's own name and port: the host of a request that names none (HTTP/1.0).
    pub(crate) upstream_host: String,
}

impl Rules {
    /// The rules of a gate without configuration but for `hygiene`, for requests that no gate serves.
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

/// Why a request is refused before anybody asks who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// What HTTP forbids.
    #[error("the request is not valid HTTP: {0}")]
    Request(&'static str),
    /// A target without a canonical form.
    #[error("the target is not canonical: {0}")]
    Path(#[from] PathFault),
    /// More than the limits allow.
    #[error("the head is larger than the limits allow")]
    TooLarge,
    /// CONNECT and TRACE.
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

/// The expectation that the client may send its body (RFC 9110, 10.1.1).
const CONTINUE: &[u8] = b"100-continue";

/// A request as far as its head tells.
#[derive(Debug)]
pub struct Arrival {
    /// The method as judged and recorded: HEAD is GET.
    pub method: Arc<str>,
    /// Whether it came as HEAD.
    pub head_only: bool,
    /// Whether the client speaks HTTP/1.1: chunks, and interim answers (1xx).
    pub http_11: bool,
    /// The canonical path; when there is none, the raw one, escaped and cut, for the record.
    pub path: Arc<str>,
    /// The query as it came, without its `?`.
    pub query: Option<Bytes>,
    /// The host that it is for.
    pub host: Option<Host>,
    /// The credentials and control fields.
    pub control: Control,
    /// Where it comes from, by the word of those we trust.
    pub client: IpAddr,
    /// `User-Agent`, cut.
    pub user_agent: Option<Arc<str>>,
    /// Whether a body follows.
    pub has_body: bool,
    /// Why it is refused, if it is.
    pub fault: Option<Malformed>,
}

/// Fields that the gate itself reads.
#[derive(Debug, Default)]
pub struct Control {
    /// `Authorization`.
    pub authorization: Option<Bytes>,
    /// The fields `Cookie`.
    pub cookies: Vec<Bytes>,
    /// `X-Tenant`.
    pub tenant: Option<Bytes>,
    /// `X-Break-Glass`.
    pub break_glass: Option<Bytes>,
    /// `X-Request-Id`, when it may be kept.
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
    /// Whether any content coding is named, as it is forwarded.
    pub coded: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
}

/// What an answer says of the connection that carries it (RFC 9112, 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// The connection ends with the answer.
    Close,
    /// The connection goes on, as is usual in HTTP/1.1.
    Usual,
    /// The connection goes on, which an HTTP/1.0 client has asked for and has to be told.
    KeepAlive,
}

impl Persistence {
    /// The value of the field `Connection` that tells the client, if it has to be told.
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

/// A request that was accepted, or refused at once: either way it is answered and recorded.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) arrival: Arrival,
    /// The head that the upstream gets, hygiene done, but for the framing of the body, the identity and the
    /// empty line.
    pub(crate) head: BytesMut,
    /// Where the body ends; `None`: the head says nothing of a body.
    pub(crate) framing: Option<Framing>,
    /// Whether the client means to go on with the connection.
    pub(crate) persistence: Persistence,
}

/// Reads the head of a request. `None`: this is no HTTP.
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

/// What can be said of any request, for its record.
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
            // A page whose request is refused may still read why.
            origin: head.all("origin").next().map(|value| raw.slice_ref(value)),
            ..Control::default()
        },
        client: way::client(head, peer, &rules.trusted),
        user_agent: head.all("user-agent").next().map(|agent| cut(&lossy(agent), 256)),
        has_body: false,
        fault: None,
    }
}

/// The path of a request that has no canonical one: escaped, and cut at 512 bytes.
fn escaped(target: &[u8]) -> String {
    let mut text = target.iter().take(512).copied().collect::<Vec<u8>>().escape_ascii().to_string();
    text.truncate(512);
    text
}

fn lossy(bytes: &[u8]) -> Arc<str> {
    Arc::from(String::from_utf8_lossy(bytes))
}

/// At most `most` bytes of `text`, whole characters.
fn cut(text: &Arc<str>, most: usize) -> Arc<str> {
    if text.len() <= most {
        return Arc::clone(text);
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Arc::from(text.get(..end).unwrap_or_default())
}

/// Everything that HTTP and the canonical form ask of a head; fills in what they give.
fn judge(
    head: &Head<'_>,
    arrival: &mut Arrival,
    rules: &Rules,
) -> Result<Option<Framing>, Malformed> {
    if matches!(head.method, "CONNECT" | "TRACE") {
        return Err(Malformed::Method);
    }
    // 431 and not 414: the contract has one reason, `headers_too_large`, for whatever is too large in a head.
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

/// The target in origin-form (RFC 9112, 3.2). An absolute one is for the host that it names.
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

/// Where the body ends. What two readers could read in two ways is refused.
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

/// Reads the fields that are for the gate, before `Connection` is obeyed; and what the upstream
/// will be told of the body, after it.
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

/// The fields that `Connection` names: they are for this hop alone.
fn nominated<'a>(head: &Head<'a>) -> Vec<&'a [u8]> {
    let names = head.all("connection").flat_map(|value| value.split(|byte| *byte == b','));
    names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty() && !is_structural(name)).collect()
}

/// Whether a field goes on: its own fate, and what `Connection` says of it.
fn passes(name: &[u8], dropped: &[&[u8]], rules: &Rules) -> bool {
    let own = match rules.hygiene.fate(name) {
        Fate::Pass => true,
        Fate::Drop | Fate::Remove | Fate::Way => false,
        Fate::Credential => rules.forward_authorization,
    };
    own && !dropped.iter().any(|it| it.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
