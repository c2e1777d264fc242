//! The statuses that policies compare with. No fact lists the statuses that exist.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy_store::bundle::Bundle;

/// Returns the strings that policies may compare a status with, sorted.
pub(super) fn of(bundle: &Bundle) -> Vec<Arc<str>> {
    let found: BTreeSet<&str> =
        bundle.rules().flat_map(|rule| rule.reads.texts("status")).collect();
    found.into_iter().map(Arc::from).collect()
}
