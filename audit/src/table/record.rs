//! A record as the journal has it, restored from what the database keeps.

use serde_json::{Map, Value};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The SQL for a record as a JSON object: for Postgres, over `audit_logs a`.
pub(super) const POSTGRES: &str = "to_jsonb(a) || jsonb_build_object('timestamp', \
     to_char(a.timestamp at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))";
/// The SQL for a record as a JSON object: for SQLite, which has neither lists nor booleans.
pub(super) const SQLITE: &str = "json_object('id', id, 'phase', phase, 'timestamp', timestamp, \
     'event_type', event_type, 'action', action, 'operation', operation, 'user_id', user_id, \
     'organization_id', organization_id, 'tenant_id', tenant_id, 'roles', json(roles), \
     'resource_type', resource_type, 'resource_id', resource_id, 'method', method, \
     'endpoint', endpoint, 'route', route, 'decision', decision, 'reason', reason, \
     'policies', json(policies), 'policy_digest', policy_digest, 'facts_age_ms', facts_age_ms, \
     'break_glass', break_glass, 'ip_address', ip_address, 'user_agent', user_agent, \
     'status', status, 'upstream_status', upstream_status, \
     'success', json(case success when 1 then 'true' when 0 then 'false' end), \
     'duration_ms', duration_ms, 'details', json(details), 'instance', instance, \
     'durability', durability, 'seq', seq, 'chain', chain)";

/// The members of a record, in the journal's order; the last four are its seal.
const MEMBERS: [&str; 32] = [
    "id",
    "phase",
    "timestamp",
    "event_type",
    "action",
    "operation",
    "user_id",
    "organization_id",
    "tenant_id",
    "roles",
    "resource_type",
    "resource_id",
    "method",
    "endpoint",
    "route",
    "decision",
    "reason",
    "policies",
    "policy_digest",
    "facts_age_ms",
    "break_glass",
    "ip_address",
    "user_agent",
    "status",
    "upstream_status",
    "success",
    "duration_ms",
    "details",
    "instance",
    "durability",
    "seq",
    "chain",
];

/// The number of members that are the seal.
const SEAL: usize = 4;

const MICROS: &[BorrowedFormatItem<'_>] = time::macros::format_description!(
    "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
);

/// A time in the format of records: RFC 3339 in UTC, always with six digits after the point. Such texts sort like the
/// times.
pub(super) fn stamp(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(MICROS).unwrap_or_default()
}

/// Restores what a database's numbers, times and `jsonb` lose: whole milliseconds, fractions, six digits, the order
/// of details, and that a record from before there were seals has none. Foreign columns are left out.
pub(super) fn restore(mut kept: Map<String, Value>) -> Map<String, Value> {
    if let Some(details) = details(&kept) {
        kept.insert("details".to_owned(), details);
    }
    let is_sealed = kept.get("seq").is_some_and(|seq| !seq.is_null());
    let members =
        if is_sealed { MEMBERS.as_slice() } else { MEMBERS.split_at(MEMBERS.len() - SEAL).0 };
    let mut record = Map::new();
    for member in members {
        let value = kept.remove(*member).unwrap_or_default();
        if *member == "durability" && value.is_null() {
            continue;
        }
        let restored = match *member {
            "timestamp" => moment(&value),
            "facts_age_ms" => value.as_f64().and_then(whole).map(Value::from),
            "duration_ms" => value.as_f64().map(Value::from),
            _ => None,
        };
        record.insert((*member).to_owned(), restored.unwrap_or(value));
    }
    record
}

/// The details in the journal's order, if their text was kept.
pub(super) fn details(kept: &Map<String, Value>) -> Option<Value> {
    serde_json::from_str(kept.get("details_text")?.as_str()?).ok()
}

fn moment(text: &Value) -> Option<Value> {
    let at = OffsetDateTime::parse(text.as_str()?, &Rfc3339).ok()?;
    Some(stamp(at).into())
}

/// The number as an integer, if it has no fraction.
fn whole(number: f64) -> Option<u64> {
    format!("{number:.0}").parse().ok().filter(|_| number.fract() == 0.0)
}

#[cfg(test)]
mod tests {
    use super::{MEMBERS, SEAL, restore};
    use serde_json::json;

    #[test]
    fn numbers_times_and_seals_are_those_of_the_journal() {
        let kept = json!({
            "duration_ms": 3, "facts_age_ms": 12.0, "status": 200, "mine": 1,
            "timestamp": "2025-01-02T03:04:05.5Z", "instance": null, "seq": null, "chain": null,
        });
        let record = restore(kept.as_object().unwrap().clone());
        assert_eq!(record.len(), MEMBERS.len() - SEAL);
        assert!(!record.contains_key("chain") && !record.contains_key("mine"));
        assert_eq!(record["timestamp"], "2025-01-02T03:04:05.500000Z");
        assert_eq!(record["facts_age_ms"].to_string(), "12");
        assert_eq!(record["duration_ms"].to_string(), "3.0");

        let sealed = json!({
            "facts_age_ms": null, "instance": "a", "seq": 1, "chain": "c",
            "details": {"n": 1, "longer": 2}, "details_text": r#"{"longer":2,"n":1}"#,
        });
        let record = restore(sealed.as_object().unwrap().clone());
        assert_eq!(record.len(), MEMBERS.len() - 1, "no durability where it is the usual one");
        assert_eq!(record["details"].to_string(), r#"{"longer":2,"n":1}"#);
        assert_eq!((&record["seq"], &record["facts_age_ms"]), (&json!(1), &json!(null)));
    }
}
