//! The default of each key, as an operator would write it.

use std::time::Duration;

use audit::Durability;
use serde_json::{Value, json};

use super::forms::{size_text as size, time_text as time};
use crate::config::{
    Admit, Algorithm, Assertion, Audit, Cors, Facts, Issuer, Jwt, Limits, Listen, Memory, Shutdown,
    Tenancy, Upstream,
};

/// Writes each default into the schema of its key.
pub(super) fn put_into(schema: &mut Value) {
    let issuer = json!({
        "issuer": Issuer::default_issuer().as_str(), "dangerous_any_issuer_value": false,
        "audiences": Issuer::default_audiences(), "subject_claim": Issuer::default_subject_claim(),
        "algorithms": Algorithm::USUAL.map(Algorithm::name),
    });
    let cors = json!({ "allow_headers": Cors::default_allow_headers(), "expose_headers": Cors::default_expose_headers() });
    let sections = [
        ("", json!({ "trusted_proxies": [], "admin_hosts": [] })),
        ("Listen", listen(&Listen::default())),
        ("Upstream", upstream(&Upstream::default())),
        ("Assertion", json!({ "issuer": Assertion::default_issuer() })),
        ("Jwt", json!({ "leeway": time(Jwt::default_leeway()) })),
        ("Issuer", issuer),
        ("Facts", facts()),
        ("Policies", json!({ "admit": Admit::default().word() })),
        ("Audit", audit()),
        ("Tenancy", json!({ "names": Tenancy::default().names, "hosts": {} })),
        ("Headers", json!({ "allow": [], "strip": [] })),
        ("Limits", limits(&Limits::default())),
        ("Memory", memory(Memory::default())),
        ("Cors", cors),
        ("Log", json!({ "format": "text", "level": "info" })),
        ("Shutdown", shutdown(&Shutdown::default())),
    ];
    for (section, defaults) in sections {
        let place = if section.is_empty() {
            "/properties".to_owned()
        } else {
            format!("/$defs/{section}/properties")
        };
        if let (Some(keys), Value::Object(defaults)) = (schema.pointer_mut(&place), defaults) {
            for (name, default) in defaults {
                if let Some(key) = keys.get_mut(&name).and_then(Value::as_object_mut) {
                    key.insert("default".to_owned(), default);
                }
            }
        }
    }
}

fn room(bytes: usize) -> String {
    size(u64::try_from(bytes).unwrap_or(u64::MAX))
}

fn listen(it: &Listen) -> Value {
    json!({ "proxy": it.proxy, "admin": it.admin })
}

fn upstream(it: &Upstream) -> Value {
    json!({
        "address": it.address, "connect_timeout": time(it.connect_timeout),
        "read_timeout": time(it.read_timeout), "forward_authorization": it.forward_authorization,
    })
}

fn facts() -> Value {
    json!({
        "ttl": time(Facts::default_ttl()), "timeout": time(Facts::default_timeout()),
        "entries": Facts::default_entries(), "push": Facts::default_push(),
        "dangerous_stale_for": time(Duration::default()),
    })
}

fn audit() -> Value {
    json!({
        "durability": Durability::default().word(), "database": false, "stdout": false,
        "anonymous_per_second": Audit::default_anonymous_per_second(),
        "anonymous_bytes_per_second": size(Audit::default_anonymous_bytes_per_second()),
        "segment_size": size(Audit::default_segment_size()),
        "segment_age": time(Audit::default_segment_age()), "signing_keys": [], "on_damage": "refuse",
        "check_at_start": size(Audit::default_check_at_start()),
    })
}

fn limits(it: &Limits) -> Value {
    json!({
        "header_bytes": room(it.header_bytes), "header_count": it.header_count,
        "target_bytes": room(it.target_bytes), "json_body": room(it.json_body),
        "json_members": it.json_members, "header_timeout": time(it.header_timeout),
        "body_timeout": time(it.body_timeout), "body_rate": size(it.body_rate),
        "connections": it.connections,
    })
}

fn memory(it: Memory) -> Value {
    json!({
        "tokens": size(it.tokens), "facts": size(it.facts), "decisions": size(it.decisions),
        "clients": size(it.clients),
    })
}

fn shutdown(it: &Shutdown) -> Value {
    json!({ "drain": time(it.drain), "grace": time(it.grace) })
}
