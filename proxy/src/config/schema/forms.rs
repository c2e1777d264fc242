//! The schemas of single values: each matches the function of the same name in [`values`], with the same limits.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::config::{Algorithm, values};

/// One or more numbers, each with a unit of time; zero needs no unit.
const TIME: &str = "^(0|( *[0-9]+(\\.[0-9]+)? *(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|wks?|w|months?|M|years?|yrs?|y))+)$";
/// A number of bytes, with or without a unit.
const SIZE: &str = "^[0-9]+(\\.[0-9]+)? *([KkMmGgTtPpEe][Ii]?)?[Bb]?$";
/// An absolute http(s) URL without user name or password.
const URL: &str = "^https?://[^/?#@]+([/?#].*)?$";
/// A name of a host, without a port.
const HOST: &str = "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.?$";
/// An IP address and a port.
const SOCKET: &str = "^([0-9.]+|\\[[0-9A-Fa-f:.%]+\\]):[0-9]{1,5}$";

/// Declares the schemas of the values that the functions of the same names in [`values`] read.
macro_rules! forms {
    ($($name:ident: $schema:expr;)*) => {
        $(pub(in crate::config) fn $name(_: &mut SchemaGenerator) -> Schema { $schema })*
    };
}

forms! {
    time: time_within(&values::TIME);
    timeout: time_within(&values::TIMEOUT);
    leeway: time_within(&values::LEEWAY);
    ttl: time_within(&values::TTL);
    age: time_within(&values::AGE);
    long: or_null(time_within(&values::LONG));
    head_size: size_within(&values::HEAD_SIZE);
    body_size: size_within(&values::BODY_SIZE);
    segment_size: size_within(&values::SEGMENT_SIZE);
    memory: size_within(&values::MEMORY);
    remembered: size_or_none(&values::MEMORY);
    size: size_within(&values::SIZE);
    quota: or_null(size_within(&values::QUOTA));
    header_count: count_within(&values::HEADER_COUNT);
    json_members: count_within(&values::JSON_MEMBERS);
    connections: count_within(&values::CONNECTIONS);
    connections_per_client: or_null(count_within(&values::CONNECTIONS));
    entries: count_within(&values::ENTRIES);
    workers: or_null(count_within(&values::WORKERS));
    rate: or_null(json_schema!({ "type": "integer", "minimum": 1, "maximum": u32::MAX }));
    socket: text("address and port", SOCKET);
    host_and_port: text("host and port", "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$");
    name: json_schema!({ "type": "string", "minLength": 1 });
    optional_name: or_null(json_schema!({ "type": "string", "minLength": 1 }));
    cookie: or_null(text("name of a cookie", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"));
    url: or_null(text("URL", URL));
    networks: list(&text("network in CIDR notation", "^[0-9A-Fa-f:.]+/[0-9]{1,3}$"), 0);
    host_names: list(&text("host name", HOST), 0);
    names: list(&json_schema!({ "type": "string", "minLength": 1 }), 1);
    field_names: list(&text("name of a header field", "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), 0);
    cors_fields: list(&text("name of a header field", "^[0-9A-Za-z-]{1,128}$"), 0);
    origins: list(&text("origin", "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@*]+$"), 1);
    host_suffix: or_null(text("domain with a leading dot", "^\\.[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.?$"));
    hosts: json_schema!({ "type": "object", "additionalProperties": { "type": "string" } });
    database: text("database URL", "^(sqlite:/*|postgres(ql)?:///*)[^/].*$");
    audit_database: json_schema!({
        "anyOf": [{ "type": "boolean" }, text("database URL", "^(sqlite:/*|postgres(ql)?:///*)[^/].*$")],
    });
    key_set: text("file, or URL", "^(https?://[^/?#@]+([/?#].*)?|([^:]|:[^/]|:/[^/])+)$");
    issuer_name: text("name, or template with a claim in braces", "^[^{}]*(\\{[^{}]+\\}[^{}]*)?$");
    algorithms: algorithm_names();
    organizations: list(&json_schema!({ "type": "string" }), 1);
    claims: json_schema!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "array", "minItems": 1, "items": { "type": ["string", "number", "boolean"] },
        },
    });
}

fn text(kind: &str, pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern, "x-type": kind })
}

fn time_within(range: &RangeInclusive<Duration>) -> Schema {
    json_schema!({
        "type": ["string", "integer"], "pattern": TIME, "minimum": 0, "maximum": 0, "x-type": "time",
        "x-range": format!("{} to {}", time_text(*range.start()), time_text(*range.end())),
    })
}

fn size_within(range: &RangeInclusive<ByteSize>) -> Schema {
    json_schema!({
        "type": ["string", "integer"], "pattern": SIZE, "minimum": 0, "x-type": "size",
        "x-range": format!("{} to {}", size_text(range.start().as_u64()), size_text(range.end().as_u64())),
    })
}

fn size_or_none(range: &RangeInclusive<ByteSize>) -> Schema {
    let mut schema = size_within(range);
    schema.insert(
        "x-range".to_owned(),
        json!(format!(
            "0B, or {} to {}",
            size_text(range.start().as_u64()),
            size_text(range.end().as_u64())
        )),
    );
    schema
}

fn count_within(range: &RangeInclusive<usize>) -> Schema {
    json_schema!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

fn list(item: &Schema, least: usize) -> Schema {
    let mut schema = json_schema!({ "type": "array", "items": item });
    if least > 0 {
        schema.insert("minItems".to_owned(), json!(least));
    }
    schema
}

fn algorithm_names() -> Schema {
    // `Ed25519` is the newer name of the one kind of `EdDSA` that the gate verifies.
    let names = Algorithm::ALL.iter().map(|it| it.name()).chain(["Ed25519"]);
    let names = json_schema!({ "type": "string", "enum": names.collect::<Vec<_>>() });
    list(&names, 1)
}

/// A duration as an operator would write it.
pub(super) fn time_text(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// A size in the largest unit of which it is a whole number.
pub(super) fn size_text(bytes: u64) -> String {
    let units = [(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift);
    whole.map_or_else(|| format!("{bytes}B"), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// Also allows null, which counts as leaving the key out.
fn or_null(mut schema: Schema) -> Schema {
    let kinds = match schema.remove("type") {
        Some(Value::String(kind)) => json!([kind, "null"]),
        Some(Value::Array(mut kinds)) => {
            kinds.push(json!("null"));
            Value::Array(kinds)
        }
        other => other.unwrap_or_default(),
    };
    schema.insert("type".to_owned(), kinds);
    schema
}
