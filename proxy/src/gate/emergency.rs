//! Emergency reloads of policies in the audit journal.

use std::sync::Arc;

use policy_store::watch::{BundleStore, Emergency};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::chain::chain;
use crate::record::{Journal, Phase, Record};

/// The word for an emergency reload, in a record's `reason` and `details`.
const EMERGENCY: &str = "policy_emergency";

/// Sees to it that from now on each emergency reload is recorded in this journal.
pub(super) fn record_all(bundles: &BundleStore, journal: &Arc<Journal>) {
    // The journal is closed when the gate lets go of it, whoever else still holds the policies.
    let journal = Arc::downgrade(journal);
    bundles.record_emergencies_by(Arc::new(move |emergency| {
        let journal = journal.upgrade().ok_or("the gate is ending")?;
        record(&journal, emergency)
    }));
}

/// Records an emergency reload before its bundle is in force: both digests, and what admission would have refused
/// the bundle for.
///
/// # Errors
///
/// Why it cannot be recorded: then the bundle is not put in force.
fn record(journal: &Journal, emergency: &Emergency<'_>) -> Result<(), String> {
    let overridden: Vec<String> = emergency.overridden.iter().map(ToString::to_string).collect();
    let mut record = Record::new(Uuid::now_v7(), Phase::Denial, now());
    record.reason = EMERGENCY.into();
    record.policy_digest = Some(emergency.to.clone());
    let details = json!({ "from": emergency.from, "to": emergency.to, "overridden": overridden });
    record.details.insert(EMERGENCY.into(), details);
    journal.append(&record).map_err(|error| chain(&error))
}

#[expect(clippy::disallowed_methods, reason = "an emergency reload is no request")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
