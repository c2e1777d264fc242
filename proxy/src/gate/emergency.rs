//! Records emergency reloads of policies in the audit journal.

use std::sync::Arc;

use audit::Journal;
use audit::mark::{self, POLICY_EMERGENCY};
use base::chain;
use policy_store::watch::{BundleStore, Emergency};
use serde_json::json;

/// Makes `bundles` record each emergency reload in this journal.
pub(super) fn record_all(bundles: &BundleStore, journal: &Arc<Journal>) {
    // A weak reference: the policies may outlive the gate, and must not keep the journal open.
    let journal = Arc::downgrade(journal);
    bundles.record_emergencies_by(Arc::new(move |emergency| {
        let journal = journal.upgrade().ok_or("the gate is ending")?;
        record(&journal, emergency)
    }));
}

/// Records an emergency reload in the journal before its bundle is in force: both digests, and the findings for which
/// admission would have refused the bundle.
///
/// # Errors
///
/// Fails if the journal cannot record it: then the bundle is not put in force.
fn record(journal: &Journal, emergency: &Emergency<'_>) -> Result<(), String> {
    let overridden: Vec<String> = emergency.overridden.iter().map(ToString::to_string).collect();
    let details = json!({ "from": emergency.from, "to": emergency.to, "overridden": overridden });
    journal.mark(POLICY_EMERGENCY, mark::details(details)).map_err(|error| chain(&error))
}
