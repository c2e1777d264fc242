//! The client's address, and the fields that tell the upstream of it (`Forwarded`, `X-Forwarded-*`, `X-Real-IP`).

use std::fmt::{Arguments, Write as _};
use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut, BytesMut};
use ipnet::IpNet;

use super::{Arrival, Rules};
use crate::http::head::Head;

/// The client's address: the peer's address or, if the peer is a trusted proxy, the last address in
/// `X-Forwarded-For` that is not a trusted proxy.
pub(super) fn client(head: &Head<'_>, peer: SocketAddr, trusted: &[IpNet]) -> IpAddr {
    let direct = peer.ip().to_canonical();
    if !is_trusted(direct, trusted) {
        return direct;
    }
    let mut last = direct;
    let fields: Vec<&[u8]> = head.all("x-forwarded-for").collect();
    let hops = fields.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    for hop in hops {
        let Some(address) = address(hop.trim_ascii()) else { return last };
        last = address;
        if !is_trusted(address, trusted) {
            return address;
        }
    }
    last
}

pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

/// Writes the forwarding fields: appends to the fields of a trusted peer, and replaces those of any other peer.
pub(super) fn write(
    head: &Head<'_>,
    arrival: &Arrival,
    peer: SocketAddr,
    rules: &Rules,
    out: &mut BytesMut,
) {
    let direct = peer.ip().to_canonical();
    let trusted = is_trusted(direct, &rules.trusted);
    let said = |name: &'static str| head.all(name).filter(|value| trusted && !value.is_empty());
    let host = arrival.host.as_ref();
    let raw_host = host.map_or("", |host| host.raw.as_str());
    let port = host.and_then(|host| host.port).unwrap_or(80);
    let host = format_args!("host=\"{raw_host}\";proto=http");
    // Formatting an address is slow, and the peer is nearly always the client: the text is used for both.
    let text = &*direct.to_string();
    list(out, "X-Forwarded-For", said("x-forwarded-for"), format_args!("{text}"));
    if direct.is_ipv6() {
        list(out, "Forwarded", said("forwarded"), format_args!("for=\"[{text}]\";{host}"));
    } else {
        list(out, "Forwarded", said("forwarded"), format_args!("for={text};{host}"));
    }
    once(out, "X-Forwarded-Proto", said("x-forwarded-proto").next(), format_args!("http"));
    let said_host = said("x-forwarded-host").next();
    if said_host.is_some() || !raw_host.is_empty() {
        once(out, "X-Forwarded-Host", said_host, format_args!("{raw_host}"));
    }
    once(out, "X-Forwarded-Port", said("x-forwarded-port").next(), format_args!("{port}"));
    if arrival.client == direct {
        once(out, "X-Real-IP", None, format_args!("{text}"));
    } else {
        once(out, "X-Real-IP", None, format_args!("{}", arrival.client));
    }
}

fn list<'a>(
    out: &mut BytesMut,
    name: &str,
    said: impl Iterator<Item = &'a [u8]>,
    last: Arguments<'_>,
) {
    begin(out, name);
    for value in said {
        out.put_slice(value);
        out.put_slice(b", ");
    }
    end(out, last);
}

fn once(out: &mut BytesMut, name: &str, said: Option<&[u8]>, own: Arguments<'_>) {
    begin(out, name);
    match said {
        Some(value) => {
            out.put_slice(value);
            out.put_slice(b"\r\n");
        }
        None => end(out, own),
    }
}

fn begin(out: &mut BytesMut, name: &str) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
}

fn end(out: &mut BytesMut, value: Arguments<'_>) {
    // The buffer grows: writing to it cannot fail.
    let _ok = out.write_fmt(value);
    out.put_slice(b"\r\n");
}
