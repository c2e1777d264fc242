//! The statuses that policies compare with: no fact lists those that there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy_store::bundle::Bundle;

/// The strings with which policies may compare a status, sorted.
pub(super) fn of(bundle: &Bundle) -> Vec<Arc<str>> {
    let found: BTreeSet<&str> =
        bundle.rules().flat_map(|rule| rule.reads.texts("status")).collect();
    found.into_iter().map(Arc::from).collect()
}
