//! Writes the head that goes on: only what was judged, in one spelling.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};

use super::{Arrival, Rules, nominated, passes, way};
use crate::framing::Framing;
use crate::head::Head;

/// Room for what is said of the way and of the caller, and for a body that is small.
const ROOM: usize = 1024;

/// The head of an accepted request: the canonical path, the fields that pass, and the way it came. What
/// is `relayed` has its query, and lacks the empty line. For pingora's parser it is without the query (it is
/// put back, byte for byte, on the way out) and says whether the connection goes on.
pub(super) fn head(
    head: &Head<'_>,
    arrival: &Arrival,
    peer: SocketAddr,
    rules: &Rules,
    (framing, relayed): (Framing, bool),
) -> BytesMut {
    let query = arrival.query.as_deref().filter(|_| relayed);
    let mut out = BytesMut::with_capacity(
        ROOM + arrival.path.len() + query.map_or(0, <[u8]>::len) + head.fields.len() * 48,
    );
    out.put_slice(head.method.as_bytes());
    out.put_slice(b" ");
    out.put_slice(arrival.path.as_bytes());
    if let Some(query) = query {
        out.put_slice(b"?");
        out.put_slice(query);
    }
    out.put_slice(if head.http_11 { b" HTTP/1.1\r\n" } else { b" HTTP/1.0\r\n" });
    let dropped = nominated(head);
    for field in head.fields.iter().filter(|field| passes(field.name, &dropped, rules)) {
        let is = |name: &[u8]| field.name.eq_ignore_ascii_case(name);
        if is(b"content-length") || is(b"transfer-encoding") {
            continue;
        }
        if is(b"cookie") && rules.cookie.is_some() && !rules.forward_authorization {
            cookie(field.value, rules.cookie.as_deref().unwrap_or_default(), &mut out);
            continue;
        }
        line(&mut out, field.name, field.value);
    }
    match framing {
        Framing::Chunked(_) => line(&mut out, b"Transfer-Encoding", b"chunked"),
        Framing::Length(length) if head.all("content-length").next().is_some() => {
            line(&mut out, b"Content-Length", length.to_string().as_bytes());
        }
        Framing::Length(_) => {}
    }
    way::write(head, arrival, peer, rules, &mut out);
    if !relayed {
        persistence(head, &mut out);
        out.put_slice(b"\r\n");
    }
    out
}

/// A head for pingora to answer in place of one that was refused. The connection ends with it:
/// where the next request would begin is not known.
pub(super) fn stand_in(head_only: bool) -> BytesMut {
    let method = if head_only { "HEAD" } else { "GET" };
    BytesMut::from(
        format!("{method} / HTTP/1.1\r\nHost: -\r\nConnection: close\r\n\r\n").as_bytes(),
    )
}

/// Whether the client means to go on with the connection.
fn persistence(head: &Head<'_>, out: &mut BytesMut) {
    if says(head, b"close") {
        line(out, b"Connection", b"close");
    } else if says(head, b"keep-alive") {
        line(out, b"Connection", b"keep-alive");
    }
}

/// Whether `Connection` has this word.
pub(super) fn says(head: &Head<'_>, word: &[u8]) -> bool {
    let mut tokens = head.all("connection").flat_map(|value| value.split(|byte| *byte == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(word))
}

/// The cookies but for the one that carries the token.
fn cookie(value: &[u8], token: &str, out: &mut BytesMut) {
    let pairs = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let others: Vec<&[u8]> = pairs.filter(|pair| name_of(pair) != token.as_bytes()).collect();
    if !others.is_empty() {
        line(out, b"Cookie", &others.join(&b"; "[..]));
    }
}

fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn line(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}
