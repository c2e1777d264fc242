//! Spells a record as its line of JSON, without serde.
//!
//! Each request writes two of these while it waits. The names are appended whole, with the punctuation around them,
//! and most values are text that needs no escaping. The result is byte for byte what serde makes of a [`Record`] (a
//! test compares them); serde does the reading, and the rare values here.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Error;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use super::encode;
use super::entry::{Decision, Phase, Record};

/// The room that nearly every record fits into, so that a new buffer grows once.
const ROOM: usize = 1024;

/// The bound below which milliseconds are spelled as an integer of microseconds: 15 digits, of which a double keeps
/// every one, so that no shorter number means the same double.
const MOST_MICROS: f64 = 1e15;

/// Appends a member that may be `null`: its name, then what `$spell` makes of the value.
macro_rules! member {
    ($out:expr, $name:literal, $value:expr, $spell:expr) => {
        match $value {
            Some(value) => {
                $out.extend_from_slice(concat!(",\"", $name, "\":").as_bytes());
                $spell($out, value)
            }
            None => {
                $out.extend_from_slice(concat!(",\"", $name, "\":null").as_bytes());
                Ok(())
            }
        }
    };
}

/// Appends a record as a JSON object without a line feed.
///
/// # Errors
///
/// Fails where serde fails, too: for a time without a spelling.
pub fn spell(record: &Record, out: &mut Vec<u8>) -> Result<(), Error> {
    out.reserve(ROOM);
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(
        record.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes(),
    );
    out.extend_from_slice(match record.phase {
        Phase::Intent => b"\",\"phase\":\"intent\",\"timestamp\":",
        Phase::Outcome => b"\",\"phase\":\"outcome\",\"timestamp\":",
        Phase::Denial => b"\",\"phase\":\"denial\",\"timestamp\":",
    });
    timestamp(out, &record.timestamp)?;
    question(record, out)?;
    answer(record, out)?;
    end(record, out)?;
    if record.details.is_empty() {
        out.extend_from_slice(b",\"details\":{}}");
        return Ok(());
    }
    out.extend_from_slice(b",\"details\":");
    serde_json::to_writer(&mut *out, &record.details)?;
    out.push(b'}');
    Ok(())
}

/// Appends the members about who asked for what.
fn question(record: &Record, out: &mut Vec<u8>) -> Result<(), Error> {
    member!(out, "event_type", &record.event_type, string)?;
    member!(out, "action", &record.action, string)?;
    member!(out, "operation", &record.operation, string)?;
    member!(out, "user_id", &record.user_id, string)?;
    member!(out, "organization_id", &record.organization_id, string)?;
    member!(out, "tenant_id", &record.tenant_id, string)?;
    out.extend_from_slice(b",\"roles\":");
    list(out, &record.roles)?;
    member!(out, "resource_type", &record.resource_type, string)?;
    member!(out, "resource_id", &record.resource_id, string)?;
    member!(out, "method", &record.method, string)?;
    member!(out, "endpoint", &record.endpoint, string)?;
    member!(out, "route", &record.route, string)
}

/// Appends the members about the decision and its grounds.
fn answer(record: &Record, out: &mut Vec<u8>) -> Result<(), Error> {
    out.extend_from_slice(match record.decision {
        Decision::Allow => b",\"decision\":\"allow\",\"reason\":",
        Decision::Deny => b",\"decision\":\"deny\",\"reason\":",
        Decision::Error => b",\"decision\":\"error\",\"reason\":",
    });
    string(out, &record.reason)?;
    out.extend_from_slice(b",\"policies\":");
    list(out, &record.policies)?;
    member!(out, "policy_digest", &record.policy_digest, string)?;
    member!(out, "facts_age_ms", record.facts_age_ms, integer)?;
    member!(out, "break_glass", &record.break_glass, string)?;
    member!(out, "ip_address", &record.ip_address, address)?;
    member!(out, "user_agent", &record.user_agent, string)
}

/// Appends the members about how the request ended.
fn end(record: &Record, out: &mut Vec<u8>) -> Result<(), Error> {
    if (record.status, record.upstream_status, record.success, record.duration_ms)
        == (None, None, None, None)
    {
        // This holds for every intent.
        out.extend_from_slice(
            b",\"status\":null,\"upstream_status\":null,\"success\":null,\"duration_ms\":null",
        );
        return Ok(());
    }
    member!(out, "status", record.status, integer)?;
    member!(out, "upstream_status", record.upstream_status, integer)?;
    out.extend_from_slice(match record.success {
        Some(true) => b",\"success\":true",
        Some(false) => b",\"success\":false",
        None => b",\"success\":null",
    });
    member!(out, "duration_ms", record.duration_ms, milliseconds)
}

fn string(out: &mut Vec<u8>, text: &(impl AsRef<str> + ?Sized)) -> Result<(), Error> {
    let text = text.as_ref();
    if !is_plain(text.as_bytes()) {
        return serde_json::to_writer(out, text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

fn list(out: &mut Vec<u8>, texts: &[Arc<str>]) -> Result<(), Error> {
    out.push(b'[');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        string(out, text)?;
    }
    out.push(b']');
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "one of those that `member!` calls")]
fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) -> Result<(), Error> {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    Ok(())
}

fn address(out: &mut Vec<u8>, address: &IpAddr) -> Result<(), Error> {
    let IpAddr::V4(four) = address else { return serde_json::to_writer(out, address) };
    let [a, b, c, d] = four.octets();
    out.push(b'"');
    integer(out, a)?;
    for octet in [b, c, d] {
        out.push(b'.');
        integer(out, octet)?;
    }
    out.push(b'"');
    Ok(())
}

/// Appends milliseconds as [`millis`](super::entry::millis) makes them: whole microseconds. Serde spells all others.
fn milliseconds(out: &mut Vec<u8>, value: f64) -> Result<(), Error> {
    let micros = (value * 1e3).round();
    // `value` is then the double nearest to this number of microseconds.
    #[expect(clippy::float_cmp, reason = "anything but the same double is spelled by serde")]
    let exact = value.is_sign_positive() && micros < MOST_MICROS && micros / 1e3 == value;
    if !exact {
        return serde_json::to_writer(out, &value);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    let micros = micros as u64;
    integer(out, micros / 1000)?;
    let thousandths = u32::try_from(micros % 1000).unwrap_or_default();
    let digits = [thousandths / 100, thousandths / 10 % 10, thousandths % 10].map(digit);
    out.push(b'.');
    out.extend_from_slice(match &digits {
        [_, b'0', b'0'] => &digits[..1],
        [_, _, b'0'] => &digits[..2],
        all => all,
    });
    Ok(())
}

/// Appends a time as [`encode::micros`] has it, for the years that have four digits and no sign.
fn timestamp(out: &mut Vec<u8>, at: &OffsetDateTime) -> Result<(), Error> {
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Micros<'a>(#[serde(with = "encode::micros")] &'a OffsetDateTime);

    let utc = at.to_offset(UtcOffset::UTC);
    let (year, month, day) = utc.to_calendar_date();
    let Ok(year @ 0..=9999) = u16::try_from(year) else {
        return serde_json::to_writer(out, &Micros(at));
    };
    let (hour, minute, second, micro) = utc.to_hms_micro();
    let pairs = [
        (1, u32::from(year / 100)),
        (3, u32::from(year % 100)),
        (6, u8::from(month).into()),
        (9, day.into()),
        (12, hour.into()),
        (15, minute.into()),
        (18, second.into()),
        (21, micro / 10_000),
        (23, micro / 100 % 100),
        (25, micro % 100),
    ];
    let mut text = *b"\"0000-00-00T00:00:00.000000Z\"";
    for (place, number) in pairs {
        if let Some(room) = text.get_mut(place..place + 2) {
            room.copy_from_slice(&[digit(number / 10), digit(number % 10)]);
        }
    }
    out.extend_from_slice(&text);
    Ok(())
}

fn digit(number: u32) -> u8 {
    let [low, ..] = number.to_le_bytes();
    b'0'.wrapping_add(low)
}

/// Whether text needs no escaping in JSON: nothing below 0x20, no quote, no backslash.
fn is_plain(text: &[u8]) -> bool {
    let (chunks, rest) = text.as_chunks();
    if !chunks.iter().all(|chunk| are_plain(*chunk)) {
        return false;
    }
    // The remaining bytes are checked together with bytes that were checked already.
    match text.last_chunk() {
        Some(last) if !rest.is_empty() => are_plain(*last),
        Some(_) => true,
        None => rest.iter().all(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\')),
    }
}

/// Whether eight bytes need no escaping in JSON. A byte is zero, or below some bound, where taking one or the bound
/// from it borrows its highest bit; a borrow from the byte below needs a byte of which the same is true.
fn are_plain(eight: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    const fn all(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let bytes = u64::from_ne_bytes(eight);
    let quotes = bytes ^ all(b'"');
    let backslashes = bytes ^ all(b'\\');
    let controls = bytes.wrapping_sub(all(0x20)) & !bytes;
    let quotes = quotes.wrapping_sub(ONES) & !quotes;
    let backslashes = backslashes.wrapping_sub(ONES) & !backslashes;
    (controls | quotes | backslashes) & HIGHEST == 0
}

#[cfg(test)]
mod tests;
