//! Single values: times, sizes, addresses and names, each parsed from the form in which people write them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use http::Uri;
use http::header::HeaderName;
use http::uri::Authority;
use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

const DAY: Duration = Duration::from_hours(24);

/// The legal values of a duration, zero included.
pub(super) const TIME: RangeInclusive<Duration> = Duration::ZERO..=DAY;
/// The legal values of a timeout.
pub(super) const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;
/// The legal values of the difference between two clocks.
pub(super) const LEEWAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(1);
/// The legal values of a time to live.
pub(super) const TTL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_mins(1);
/// The legal values of the age of a journal's segment.
pub(super) const AGE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(24 * 366);
/// The legal values of a retention: up to a century.
pub(super) const LONG: RangeInclusive<Duration> =
    Duration::ZERO..=Duration::from_hours(24 * 36_525);
/// The legal values of the size of a head, or of a part of one.
pub(super) const HEAD_SIZE: RangeInclusive<ByteSize> = ByteSize::b(256)..=ByteSize::kib(512);
/// The legal values of the size of a body that is judged, which stays in memory until it is forwarded.
pub(super) const BODY_SIZE: RangeInclusive<ByteSize> = ByteSize::b(2)..=ByteSize::kib(64);
/// The legal values of the size of a journal's segment.
pub(super) const SEGMENT_SIZE: RangeInclusive<ByteSize> = ByteSize::kib(4)..=ByteSize::gib(4);
/// The legal values of the size of a memory. The minimum keeps a memory useful.
pub(super) const MEMORY: RangeInclusive<ByteSize> = ByteSize::kib(256)..=ByteSize::tib(1);
/// The legal values of a size that has no narrower range.
pub(super) const SIZE: RangeInclusive<ByteSize> = ByteSize::b(0)..=ByteSize::pib(1);
/// The legal values of a quota. A journal of less than a mebibyte would be full before a segment is compressed.
pub(super) const QUOTA: RangeInclusive<ByteSize> = ByteSize::mib(1)..=ByteSize::pib(1);
/// The legal values of a number of headers.
pub(super) const HEADER_COUNT: RangeInclusive<usize> = 1..=200;
/// The legal values of a number of members of a JSON body.
pub(super) const JSON_MEMBERS: RangeInclusive<usize> = 1..=10_000;
/// The legal values of a number of connections.
pub(super) const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;
/// The legal values of a number of facts.
pub(super) const ENTRIES: RangeInclusive<usize> = 1..=10_000_000;
/// The legal values of a number of threads.
pub(super) const WORKERS: RangeInclusive<usize> = 1..=1024;

/// A duration of up to a day, zero included.
pub(super) fn time<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    time_within(d, &TIME)
}

/// A timeout of up to a day, not zero.
pub(super) fn timeout<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    time_within(d, &TIMEOUT)
}

/// The maximum difference between two clocks: up to an hour.
pub(super) fn leeway<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    time_within(d, &LEEWAY)
}

/// The maximum age of a fact: up to a minute.
pub(super) fn ttl<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    time_within(d, &TTL)
}

fn time_within<'de, D: Deserializer<'de>>(
    d: D,
    range: &RangeInclusive<Duration>,
) -> Result<Duration, D::Error> {
    parsed(d, "write a time with its unit, such as `500ms` or `30s`", |text| {
        humantime::parse_duration(text).ok()
    })
    .and_then(|time: Duration| {
        let show = |time: &Duration| humantime::format_duration(*time).to_string();
        within(&time, range, show).map(|()| time).map_err(Error::custom)
    })
}

/// The maximum size of a head, or of a part of one.
pub(super) fn head_size<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    size_within(d, &HEAD_SIZE)
}

/// The maximum size of a body that is judged, which stays in memory until it is forwarded.
pub(super) fn body_size<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    size_within(d, &BODY_SIZE)
}

/// The size of a segment of the journal.
pub(super) fn segment_size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    size_within(d, &SEGMENT_SIZE).map(|size| size as u64)
}

/// The size of a memory.
pub(super) fn memory<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    size_within(d, &MEMORY).map(|size| size as u64)
}

/// The size of a memory, or zero: nothing is remembered.
pub(super) fn remembered<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let bytes = size(d)?;
    if bytes > 0 {
        let range = within(&ByteSize::b(bytes), &MEMORY, ToString::to_string);
        range.map_err(|what| Error::custom(format!("{what}; 0B: nothing is remembered")))?;
    }
    Ok(bytes)
}

/// A size that has no narrower range.
pub(super) fn size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    size_within(d, &SIZE).map(|size| size as u64)
}

/// The quota of a journal.
pub(super) fn quota<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    optional(d, |value| size_within(value, &QUOTA).map(|size| size as u64))
}

/// The age of a segment of the journal: up to a year.
pub(super) fn age<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    time_within(d, &AGE)
}

/// A retention: up to a century.
pub(super) fn long<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    optional(d, |value| time_within(value, &LONG))
}

fn size_within<'de, D: Deserializer<'de>>(
    d: D,
    range: &RangeInclusive<ByteSize>,
) -> Result<usize, D::Error> {
    let size: ByteSize = parsed(d, "write a size, such as `64KiB`", |text| text.parse().ok())?;
    within(&size, range, ToString::to_string).map_err(D::Error::custom)?;
    usize::try_from(size.as_u64()).map_err(D::Error::custom)
}

/// The maximum number of header fields.
pub(super) fn header_count<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    count_within(d, &HEADER_COUNT)
}

/// The maximum number of members of a JSON body.
pub(super) fn json_members<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    count_within(d, &JSON_MEMBERS)
}

/// The maximum number of connections.
pub(super) fn connections<'de, D: Deserializer<'de>>(d: D) -> Result<usize, D::Error> {
    count_within(d, &CONNECTIONS)
}

/// The maximum number of connections from one client.
pub(super) fn connections_per_client<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Option<usize>, D::Error> {
    optional(d, |value| count_within(value, &CONNECTIONS))
}

/// The maximum number of facts of each kind.
pub(super) fn entries<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    count_within(d, &ENTRIES).and_then(|count| count.try_into().map_err(D::Error::custom))
}

/// The number of threads of the runtime.
pub(super) fn workers<'de, D: Deserializer<'de>>(d: D) -> Result<Option<usize>, D::Error> {
    optional(d, |value| count_within(value, &WORKERS))
}

/// A rate: times per second, at least one.
pub(super) fn rate<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    optional(d, |value| {
        let rate = u32::deserialize(value)?;
        within(&rate, &(1..=u32::MAX), ToString::to_string).map_err(Error::custom)?;
        Ok(rate)
    })
}

fn count_within<'de, D: Deserializer<'de>>(
    d: D,
    range: &RangeInclusive<usize>,
) -> Result<usize, D::Error> {
    let count = usize::deserialize(d)?;
    within(&count, range, ToString::to_string).map_err(D::Error::custom)?;
    Ok(count)
}

/// An address to listen on.
pub(super) fn socket<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    parsed(d, "write an IP address and a port, such as `127.0.0.1:8080`", |text| text.parse().ok())
}

/// An address to connect to: a host name or IP address, and a port.
pub(super) fn host_and_port<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    parsed(d, "write a host and a port, such as `backend.internal:8081`", |text| {
        let authority: Authority = text.parse().ok()?;
        let port = authority.port_u16().filter(|port| *port != 0)?;
        let host = text.strip_suffix(&format!(":{port}"))?;
        let is_host = host.starts_with('[') || is_host_name(host);
        is_host.then(|| text.to_owned())
    })
}

/// Networks in CIDR notation.
pub(super) fn networks<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
    each(d, |text| {
        text.parse()
            .map_err(|_| format!("`{text}` is no network; write CIDR, such as `10.0.0.0/8`"))
    })
}

/// Host names, in lower case.
pub(super) fn host_names<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    each(d, host_name)
}

/// A host name without port, in lower case and without the trailing dot.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if is_host_name(&name) {
        return Ok(name);
    }
    Err(format!("`{text}` is no host; write its name alone, such as `gate.example`"))
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

/// A list with at least one element and no empty elements.
pub(super) fn names<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let names = each(d, |text| match text {
        "" => Err("a name is empty; remove it".to_owned()),
        name => Ok(name.to_owned()),
    })?;
    if names.is_empty() { Err(D::Error::custom("is empty; name at least one")) } else { Ok(names) }
}

/// A text that is not empty.
pub(super) fn name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let name = String::deserialize(d)?;
    if name.is_empty() { Err(D::Error::custom("is empty; give it a value")) } else { Ok(name) }
}

/// A text that is not empty, or nothing.
pub(super) fn optional_name<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    optional(d, name)
}

/// The name of a cookie.
pub(super) fn cookie<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    optional(d, |value| {
        parsed(value, "write a cookie's name, such as `session`", |text| {
            HeaderName::from_bytes(text.as_bytes()).ok().map(|_| text.to_owned())
        })
    })
}

/// An absolute http(s) URL.
pub(super) fn url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    optional(d, |value| {
        parsed(value, "write a whole URL, such as `https://app.example/login`", |text| {
            is_url(text).then(|| text.to_owned())
        })
    })
}

/// Whether `text` is an absolute http(s) URL without user name or password.
pub(super) fn is_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let host =
        uri.authority().is_some_and(|it| !it.host().is_empty() && !it.as_str().contains('@'));
    host && matches!(uri.scheme_str(), Some("http" | "https"))
}

/// Parses a scalar. The error for an invalid one ends with `remedy`.
pub(super) fn parsed<'de, D: Deserializer<'de>, T>(
    d: D,
    remedy: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = match Value::deserialize(d)? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return Err(D::Error::custom(format!("is no text; {remedy}"))),
    };
    parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` will not do; {remedy}")))
}

/// Reads a list and parses each element.
pub(super) fn each<'de, D: Deserializer<'de>, T>(
    d: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(d)?;
    texts.iter().map(|text| parse(text).map_err(D::Error::custom)).collect()
}

fn optional<'de, D: Deserializer<'de>, T>(
    d: D,
    read: impl Fn(Value) -> Result<T, serde_json::Error>,
) -> Result<Option<T>, D::Error> {
    match Value::deserialize(d)? {
        Value::Null => Ok(None),
        value => read(value).map(Some).map_err(D::Error::custom),
    }
}

fn within<T: PartialOrd>(
    value: &T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    let (value, start, end) = (show(value), show(range.start()), show(range.end()));
    Err(format!("{value} is outside {start} to {end}"))
}
