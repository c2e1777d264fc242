//! Emergency reloads of policies in the audit journal.

use std::sync::Arc;

use audit::Journal;
use audit::mark::{self, POLICY_EMERGENCY};
use base::chain;
use policy_store::watch::{BundleStore, Emergency};
use serde_json::json;

/// Sees to it that from now on each emergency reload is recorded in this journal.
pub(super) fn record_all(bundles: &BundleStore, journal: &Arc<Journal>) {
    // The journal is closed when the gate lets go of it, whoever else still holds the policies.
    let journal = Arc::downgrade(journal);
    bundles.record_emergencies_by(Arc::new(move |emergency| {
        let journal = journal.upgrade().ok_or("the gate is ending")?;
        record(&journal, emergency)
    }));
}

/// Marks an emergency reload in the journal before its bundle is in force: both digests, and what admission would
/// have refused the bundle for.
///
/// # Errors
///
/// Why it cannot be recorded: then the bundle is not put in force.
fn record(journal: &Journal, emergency: &Emergency<'_>) -> Result<(), String> {
    let overridden: Vec<String> = emergency.overridden.iter().map(ToString::to_string).collect();
    let details = json!({ "from": emergency.from, "to": emergency.to, "overridden": overridden });
    journal.mark(POLICY_EMERGENCY, mark::details(details)).map_err(|error| chain(&error))
}
