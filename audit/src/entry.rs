//! One audit record: the fields, in the order, of `gate.md`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::encode;

/// A word that is nearly always one of this program's own.
pub type Word = Cow<'static, str>;

/// Which moment of a request a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is about to be forwarded.
    Intent,
    /// It was forwarded, and this is how it ended.
    Outcome,
    /// It was refused.
    #[default]
    Denial,
}

/// What the gate said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Yes, whatever the upstream then made of it.
    Allow,
    /// No (4xx).
    #[default]
    Deny,
    /// The gate could not tell (its own 5xx).
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
/// The strings are shared with whoever made them, so that an intent and its outcome cost one
/// allocation, not two. What strangers wrote goes through [`printable`](super::text::printable).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The id of the request, in time order.
    #[serde(with = "encode::hyphenated")]
    pub id: Uuid,
    /// The moment.
    pub phase: Phase,
    /// When, to the microsecond, in UTC.
    #[serde(with = "encode::micros")]
    pub timestamp: OffsetDateTime,
    /// `phi_access`, `login`, `logout` or `api_access`.
    pub event_type: Option<Word>,
    /// The Cedar action, or [`UNMAPPED`].
    pub action: Option<Arc<str>>,
    /// `list`, `view`, `create`, `update`, `delete` or `export`.
    pub operation: Option<Word>,
    /// Who asked.
    pub user_id: Option<Arc<str>>,
    /// The organisation the user belongs to.
    pub organization_id: Option<Arc<str>>,
    /// The organisation in which the request acts.
    pub tenant_id: Option<Arc<str>>,
    /// The effective roles.
    pub roles: Vec<Arc<str>>,
    /// The type of the object.
    pub resource_type: Option<Arc<str>>,
    /// The object.
    pub resource_id: Option<Arc<str>>,
    /// The request's method.
    pub method: Option<Word>,
    /// The canonical path; when there is none, the raw one, printable.
    pub endpoint: Option<Arc<str>>,
    /// The template of the route.
    pub route: Option<Arc<str>>,
    /// What was decided.
    pub decision: Decision,
    /// Why, in one word.
    pub reason: Word,
    /// The ids of the policies that decided, the deciding one first.
    pub policies: Vec<Arc<str>>,
    /// Which bundle they were of.
    pub policy_digest: Option<Arc<str>>,
    /// How old the oldest fact was that was judged by.
    pub facts_age_ms: Option<u64>,
    /// The justification that came with the request.
    pub break_glass: Option<Arc<str>>,
    /// The client's address.
    pub ip_address: Option<IpAddr>,
    /// What the client says it is.
    pub user_agent: Option<Arc<str>>,
    /// The status that the client was sent.
    pub status: Option<u16>,
    /// The status that the upstream gave.
    pub upstream_status: Option<u16>,
    /// Whether it ended well; `null` when nobody knows.
    pub success: Option<bool>,
    /// From the request's arrival to this record ([`millis`]).
    pub duration_ms: Option<f64>,
    /// Whatever else helps.
    pub details: Map<String, Value>,
    /// Whether it was the justification that let the request in; the details say so, too.
    #[serde(skip)]
    pub broke_glass: bool,
}

/// The detail that says that it was the justification that let the request in.
pub const BROKE_GLASS: &str = "broke_glass";

/// The detail that says how long the path was that is cut in the record: nobody knows who wrote it.
pub const ENDPOINT_BYTES: &str = "endpoint_bytes";

/// The action of a request that fits no route.
pub const UNMAPPED: &str = "unmapped";

impl Default for Record {
    fn default() -> Self {
        Self::new(Uuid::nil(), Phase::default(), OffsetDateTime::UNIX_EPOCH)
    }
}

impl Record {
    /// A record that says nothing yet but whose it is and when. Not `allow`, to be on the safe side.
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

    /// The intent of a request whose outcome this is, and whose intent was not written.
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

/// A duration as records have it: milliseconds, to the microsecond.
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
