//! Finds layers that have lost all their guards.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy_store::bundle::{Bundle, Finding, Kind, Layer};
use policy_store::watch::Candidate;

/// The maximum number of lost guards that a finding names.
const NAMED: usize = 5;

/// A finding for each layer that has guards in the bundle in force and none in the new one.
pub(super) fn gone(candidate: &Candidate) -> Vec<Finding> {
    let Some(before) = &candidate.before else { return Vec::new() };
    let left = guards(&candidate.next.bundle);
    let mut before = guards(&before.bundle);
    before.retain(|layer, _| !left.contains_key(layer));
    before.into_iter().map(|(layer, guards)| finding(layer, guards)).collect()
}

/// The ids of the guards of each layer that has at least one.
fn guards(bundle: &Bundle) -> BTreeMap<Layer, Vec<Arc<str>>> {
    let mut guards = BTreeMap::<Layer, Vec<Arc<str>>>::new();
    for rule in bundle.rules().filter(|rule| rule.forbids) {
        guards.entry(rule.layer).or_default().push(Arc::clone(&rule.id));
    }
    guards
}

fn finding(layer: Layer, mut guards: Vec<Arc<str>>) -> Finding {
    guards.sort_unstable();
    let layer = layer.name();
    let named: Vec<String> = guards.iter().take(NAMED).map(|id| format!("`{id}`")).collect();
    let more = if guards.len() > NAMED { ", …" } else { "" };
    let message = format!(
        "the layer `{layer}` has no guard any more; in the bundle that is in force it has {}{more}",
        named.join(", ")
    );
    let remedy = "look whether a file is missing; to put the policies in force as they are, once: `POST /reload?emergency=true` at the admin listener, or at a start `policies.admit: any`";
    Finding::about(Kind::GuardsGone, ".", &message, remedy)
}
