//! Marks: records about the gate itself, in the journal, where they are numbered, chained and signed like all others.
//!
//! A mark is a record with `event_type: "gate"`. It is about no request: its phase is `outcome`, its `reason` is the
//! kind of the mark, and its `details` contain the rest.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Journal;
use super::entry::{Decision, Phase, Record};
use super::journal::Unrecordable;

/// The `event_type` of every mark.
pub const GATE: &str = "gate";

/// The clock was set back. `greatest` is the greatest time before, `clock` what it says since.
pub(crate) const CLOCK_BACK: &str = "clock_back";
/// Records could not be written: `refused` of them, `from` when `to` when.
pub(crate) const UNAVAILABLE: &str = "audit_unavailable";
/// A sink refuses some records by themselves; they stay in the journal.
pub(crate) const SINK_REFUSED: &str = "sink_refused";
/// A sink gets records from the number `first` on: those before had gone when delivery to it began.
pub(crate) const DELIVERY_BEGUN: &str = "delivery_begun";
/// A sink has records up to `has` only, though it `had` taken more.
pub(crate) const SINK_LOST: &str = "sink_lost";
/// Retention has removed records from a sink.
pub(crate) const RETAINED: &str = "retained";
/// Which other journals a sink knows, and how far each has come by what is signed there.
pub(crate) const JOURNALS_KNOWN: &str = "journals_known";
/// Policies were put in force whatever admission said of them: `from` and `to` are digests, `overridden` what was
/// found.
pub const POLICY_EMERGENCY: &str = "policy_emergency";

/// Every kind of mark, with what it says.
pub(crate) const KINDS: [(&str, &str); 8] = [
    (
        CLOCK_BACK,
        "The clock was set back: `greatest` is the greatest time before, `clock` the time since.",
    ),
    (
        UNAVAILABLE,
        "Records could not be written: `refused` is their number, `from` and `to` the time.",
    ),
    (SINK_REFUSED, "A sink refuses some records by themselves; they stay in the journal."),
    (
        DELIVERY_BEGUN,
        "A sink receives records from the number `first` on; earlier ones were gone when delivery began.",
    ),
    (SINK_LOST, "A sink has records up to the number `has` only, though it `had` taken more."),
    (RETAINED, "Retention has removed records from a sink."),
    (JOURNALS_KNOWN, "A sink knows these journals, and up to which record each of them is signed."),
    (
        POLICY_EMERGENCY,
        "Policies took effect by an emergency reload: `from` and `to` are digests, `overridden` what was found.",
    ),
];

/// A mark of this kind, made now.
pub(crate) fn mark(kind: &'static str, details: Map<String, Value>, now: OffsetDateTime) -> Record {
    let mut record = Record::new(Uuid::now_v7(), Phase::Outcome, now);
    record.event_type = Some(GATE.into());
    record.decision = Decision::Allow;
    record.reason = kind.into();
    record.success = Some(true);
    record.details = details;
    record
}

/// The details of a mark, as `json!({…})` gives them.
pub fn details(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

impl Journal {
    /// Writes a mark: a record about the gate itself, numbered, chained and signed like all others. `kind` is one
    /// lower-case word, `details` contain the rest. The mark is in the kernel when this returns.
    ///
    /// A mark is written even if `audit.quota` is used up, so that a full quota hides none of the gate's acts.
    ///
    /// # Errors
    ///
    /// Fails if the mark cannot be written: then the act that was to be marked should not happen.
    pub fn mark(
        &self,
        kind: &'static str,
        details: Map<String, Value>,
    ) -> Result<(), Unrecordable> {
        self.write_mark(&mark(kind, details, super::journal::now()))
    }
}
