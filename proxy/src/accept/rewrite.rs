//! Writes the forwarded head: only what was judged, in one spelling.

use std::net::SocketAddr;

use bytes::{BufMut, BytesMut};

use super::{Arrival, CONTINUE, Rules, nominated, passes, way};
use crate::http::head::Head;

/// Spare capacity in bytes for the forwarding fields, the identity and a small body.
const ROOM: usize = 1024;

/// The head of an accepted request as the upstream receives it: the canonical path, the query as received, the fields
/// that pass, and the forwarding fields. The framing of the body, the identity and the empty line are still missing.
/// The version is the gate's own (RFC 9112, 2.3).
pub(super) fn head(
    head: &Head<'_>,
    arrival: &Arrival,
    peer: SocketAddr,
    rules: &Rules,
) -> BytesMut {
    let query = arrival.query.as_deref();
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
    out.put_slice(b" HTTP/1.1\r\n");
    if arrival.host.is_none() {
        line(&mut out, b"Host", rules.upstream_host.as_bytes());
    }
    let dropped = nominated(head);
    for field in head.fields.iter().filter(|field| passes(field.name, &dropped, rules)) {
        let is = |name: &[u8]| field.name.eq_ignore_ascii_case(name);
        if is(b"content-length") || is(b"transfer-encoding") {
            continue;
        }
        // The gate itself decides whether the upstream is asked for `100 Continue`.
        if is(b"expect") && field.value.eq_ignore_ascii_case(CONTINUE) {
            continue;
        }
        // Only the cookie with the token is removed: the application's own cookies pass.
        if is(b"cookie") && rules.cookie.is_some() && !rules.forward_authorization {
            cookie(field.value, rules.cookie.as_deref().unwrap_or_default(), &mut out);
            continue;
        }
        line(&mut out, field.name, field.value);
    }
    way::write(head, arrival, peer, rules, &mut out);
    out
}

/// Whether `Connection` contains this word.
pub(super) fn says(head: &Head<'_>, word: &[u8]) -> bool {
    let mut tokens = head.all("connection").flat_map(|value| value.split(|byte| *byte == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(word))
}

/// Writes the cookies except for the one with the token.
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
