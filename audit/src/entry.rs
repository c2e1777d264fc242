//! One audit record: the fields of `gate.md`, in the same order.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::encode;

/// A word that is nearly always one of this program's own.
pub type Word = Cow<'static, str>;

/// The moment of a request that a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The request is about to be forwarded. Written before the upstream receives anything.
    Intent,
    /// The request was forwarded, and has ended.
    Outcome,
    /// The request was refused. Written before the client receives the answer.
    #[default]
    Denial,
}

/// The decision of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The request was forwarded, whatever the upstream answered.
    Allow,
    /// The request was refused (4xx).
    #[default]
    Deny,
    /// The gate could not decide or record (5xx).
    Error,
}

impl Decision {
    /// The word in the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// One line of the audit. A field that is not known is `null`.
///
/// The strings are shared with the values that they come from, so that an intent and its outcome cost one allocation,
/// not two. Text from clients goes through [`printable`](super::text::printable).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Record {
    /// The id of the request (UUID, version 7). Ids sort by time. The answer has it as `X-Request-Id`.
    #[serde(with = "encode::hyphenated")]
    #[schemars(with = "String")]
    pub id: Uuid,
    /// The moment of the request that the record is about.
    pub phase: Phase,
    /// The time of the record: RFC 3339, UTC, to the microsecond.
    #[serde(with = "encode::micros")]
    #[schemars(with = "String")]
    pub timestamp: OffsetDateTime,
    /// The kind of event: `phi_access`, `login`, `logout` or `api_access`, as the route says; `gate` for what the
    /// gate says of its own life.
    pub event_type: Option<Word>,
    /// The Cedar action of the route; `unmapped` where no route fits.
    pub action: Option<Arc<str>>,
    /// The operation of the route: `list`, `view`, `create`, `update`, `delete` or `export`.
    pub operation: Option<Word>,
    /// The id of the user, once the token is verified.
    pub user_id: Option<Arc<str>>,
    /// The id of the organization to which the user belongs.
    pub organization_id: Option<Arc<str>>,
    /// The id of the organization in which the request acts.
    pub tenant_id: Option<Arc<str>>,
    /// The effective roles of the user.
    pub roles: Vec<Arc<str>>,
    /// The type of the object.
    pub resource_type: Option<Arc<str>>,
    /// The id of the object.
    pub resource_id: Option<Arc<str>>,
    /// The method of the request.
    pub method: Option<Word>,
    /// The canonical path; if there is none, the path as it came, with control characters escaped.
    pub endpoint: Option<Arc<str>>,
    /// The path template of the route.
    pub route: Option<Arc<str>>,
    /// The decision of the gate.
    pub decision: Decision,
    /// The reason of the decision: `allowed`, or a word of the reference of denials. For what the gate says of its
    /// own life: the kind of mark.
    pub reason: Word,
    /// The ids of the policies that decided, the deciding one first.
    pub policies: Vec<Arc<str>>,
    /// The digest of the bundle that decided.
    pub policy_digest: Option<Arc<str>>,
    /// The age of the oldest fact that the request was judged by, in milliseconds.
    pub facts_age_ms: Option<u64>,
    /// The justification in `X-Break-Glass`.
    pub break_glass: Option<Arc<str>>,
    /// The address of the client.
    pub ip_address: Option<IpAddr>,
    /// The `User-Agent` of the client.
    pub user_agent: Option<Arc<str>>,
    /// The status of the answer to the client.
    pub status: Option<u16>,
    /// The status of the answer of the upstream.
    pub upstream_status: Option<u16>,
    /// Whether the request ended well; `null` if nobody knows.
    pub success: Option<bool>,
    /// The time from the arrival of the request to this record, in milliseconds.
    pub duration_ms: Option<f64>,
    /// What else is known of the request: a map by name.
    pub details: Map<String, Value>,
    /// Whether the justification let the request in; the details say so, too.
    #[serde(skip)]
    pub broke_glass: bool,
}

/// The detail that says that the justification let the request in.
pub const BROKE_GLASS: &str = "broke_glass";

/// The detail with the original length of a path that is cut in the record, because the client is anonymous.
pub const ENDPOINT_BYTES: &str = "endpoint_bytes";

/// The action of a request that fits no route.
pub const UNMAPPED: &str = "unmapped";

impl Default for Record {
    fn default() -> Self {
        Self::new(Uuid::nil(), Phase::default(), OffsetDateTime::UNIX_EPOCH)
    }
}

impl Record {
    /// A record with nothing but an id, a phase and a time. Its decision is not `allow`, to be on the safe side.
    #[must_use]
    pub fn new(id: Uuid, phase: Phase, timestamp: OffsetDateTime) -> Self {
        Self {
            id,
            phase,
            timestamp,
            event_type: None,
            action: None,
            operation: None,
            user_id: None,
            organization_id: None,
            tenant_id: None,
            roles: Vec::new(),
            resource_type: None,
            resource_id: None,
            method: None,
            endpoint: None,
            route: None,
            decision: Decision::default(),
            reason: Word::default(),
            policies: Vec::new(),
            policy_digest: None,
            facts_age_ms: None,
            break_glass: None,
            ip_address: None,
            user_agent: None,
            status: None,
            upstream_status: None,
            success: None,
            duration_ms: None,
            details: Map::new(),
            broke_glass: false,
        }
    }

    /// The intent that belongs to this outcome, for a request whose intent was not written.
    #[must_use]
    pub fn intent_of_outcome(&self) -> Self {
        let mut intent = self.clone();
        intent.phase = Phase::Intent;
        (intent.user_id, intent.status, intent.upstream_status) = (None, None, None);
        (intent.success, intent.duration_ms) = (None, None);
        intent
    }

    /// The outcome of an intent whose process died before it could write one.
    #[must_use]
    pub fn closed_at_start(mut self, now: OffsetDateTime) -> Self {
        self.phase = Phase::Outcome;
        self.timestamp = now;
        (self.status, self.upstream_status, self.success, self.duration_ms) =
            (None, None, None, None);
        self.details.insert("closed_at_start".into(), Value::Bool(true));
        self
    }
}

/// A duration in the format of records: milliseconds, to the microsecond.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn written(record: &Record) -> String {
        serde_json::to_string(record).unwrap()
    }

    #[test]
    fn a_record_has_the_fields_of_the_contract_in_their_order() {
        let mut record = Record::new(Uuid::nil(), Phase::Intent, datetime!(2025-01-02 3:04:05 UTC));
        record.duration_ms = Some(millis(Duration::from_nanos(1_234_567)));
        record.ip_address = Some("192.0.2.7".parse().unwrap());
        record.broke_glass = true;
        let expected = concat!(
            r#"{"id":"00000000-0000-0000-0000-000000000000","phase":"intent","#,
            r#""timestamp":"2025-01-02T03:04:05.000000Z","event_type":null,"action":null,"#,
            r#""operation":null,"user_id":null,"organization_id":null,"tenant_id":null,"#,
            r#""roles":[],"resource_type":null,"resource_id":null,"method":null,"#,
            r#""endpoint":null,"route":null,"decision":"deny","reason":"","policies":[],"#,
            r#""policy_digest":null,"facts_age_ms":null,"break_glass":null,"#,
            r#""ip_address":"192.0.2.7","user_agent":null,"status":null,"#,
            r#""upstream_status":null,"success":null,"duration_ms":1.235,"details":{}}"#,
        );
        assert_eq!(written(&record), expected);
    }

    #[test]
    fn a_timestamp_is_in_utc_whatever_it_was_in() {
        let at = datetime!(2025-06-30 23:59:59.123_456_789 +5:30);
        let line = written(&Record::new(Uuid::nil(), Phase::Denial, at));
        assert!(line.contains(r#""timestamp":"2025-06-30T18:29:59.123456Z""#), "{line}");
    }

    #[test]
    fn a_record_that_was_read_is_written_as_it_was() {
        let mut record =
            Record::new(Uuid::now_v7(), Phase::Intent, datetime!(2025-01-02 3:04:05.000_006 UTC));
        record.action = Some("patients.read".into());
        record.roles = vec!["DOCTOR".into()];
        record.decision = Decision::Allow;
        record.reason = "allowed".into();
        record.details.insert("client_request_id".into(), "a\nb\"".into());
        let line = written(&record);
        assert_eq!(written(&serde_json::from_str::<Record>(&line).unwrap()), line);
    }

    #[test]
    fn fields_that_a_later_version_adds_do_not_stand_in_the_way() {
        let line = r#"{"id":"01890000-0000-7000-8000-000000000001","phase":"intent","new":[1]}"#;
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(record.phase, Phase::Intent);
        assert_eq!(record.timestamp, OffsetDateTime::UNIX_EPOCH);
    }
}
