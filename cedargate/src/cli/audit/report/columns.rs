//! The columns of reports, in CSV and in JSON.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::access::{Access, Tally};

/// A column: its name, and the function that computes its value.
pub(super) type Column = (&'static str, fn(&Access) -> Value);

/// The columns of every report.
pub(super) const COMMON: [Column; 18] = [
    ("time", |it| clock(it.decided.timestamp).into()),
    ("outcome", |it| it.ending().as_str().into()),
    ("user", |it| json!(it.user())),
    ("organization", |it| json!(it.decided.organization_id)),
    ("roles", |it| json!(it.decided.roles)),
    ("tenant", |it| json!(it.decided.tenant_id)),
    ("action", |it| json!(it.decided.action)),
    ("operation", |it| json!(it.decided.operation)),
    ("resource_type", |it| json!(it.decided.resource_type)),
    ("resource_id", |it| json!(it.decided.resource_id)),
    ("method", |it| json!(it.decided.method)),
    ("endpoint", |it| json!(it.decided.endpoint)),
    ("ip_address", |it| json!(it.decided.ip_address)),
    ("user_agent", |it| json!(it.decided.user_agent)),
    ("status", |it| json!(it.status())),
    ("justification", |it| json!(it.decided.break_glass)),
    ("policies", |it| json!(it.decided.policies)),
    ("request", |it| it.decided.id.to_string().into()),
];

/// The additional columns of the break-glass report.
pub(super) const BREAK_GLASS: [Column; 3] = [
    ("let_in_by_justification", |it| json!(it.by_justification)),
    ("decision", |it| it.decided.decision.as_str().into()),
    ("reason", |it| json!(it.decided.reason)),
];

const CLOCK: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// A time in the format of records.
pub(super) fn clock(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(CLOCK).unwrap_or_default()
}

/// An access as a JSON object.
pub(super) fn object(access: &Access, columns: &[Column]) -> Value {
    let members = columns.iter().map(|(name, value)| ((*name).to_owned(), value(access)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// The tally of a user as a JSON object.
pub(super) fn tally(user: &str, tally: &Tally) -> Value {
    use super::access::Ending::{Failed, Refused, Succeeded, Unknown};
    let mut value = json!({
        "user": (!user.is_empty()).then_some(user),
        "accesses": tally.accesses,
        "first": clock(tally.first),
        "last": clock(tally.last),
    });
    for ending in [Succeeded, Failed, Unknown, Refused] {
        if let Some(members) = value.as_object_mut() {
            members.insert(ending.as_str().to_owned(), tally.ended(ending).into());
        }
    }
    value
}
