//! The facts that the policy or check that refused a request can see. Changes of other facts cannot remove the
//! refusal.

use policy_store::bundle::{Bundle, Reads, Slice};
use policy_store::routes::FactKind;
use proxy::judge::decide::Denied;
use proxy::judge::refusal::Refusal;
use proxy::judge::workbench::Verdict;

/// The attributes that contain facts, and the kinds of facts behind each.
const ATTRIBUTES: [(&str, &[FactKind]); 5] = [
    ("features", &[FactKind::UserFeatures, FactKind::OrganizationFeatures]),
    ("workflows", &[FactKind::OrganizationWorkflows]),
    ("status", &[FactKind::UserStatus, FactKind::OrganizationStatus]),
    ("deleted", &[FactKind::OrganizationDeleted]),
    ("roles", &[FactKind::UserRoles]),
];

/// Returns the kinds of facts that a refusal may depend on.
pub(super) fn of(bundle: &Bundle, verdict: &Verdict) -> Vec<FactKind> {
    let mut policies: Vec<&Reads> = Vec::new();
    let mut elsewhere = false;
    match &verdict.refusal {
        Some(Refusal::Denied(Denied::ByRule(rule))) => policies.push(&rule.reads),
        Some(Refusal::Denied(Denied::ByDefault)) => {
            let action = verdict.record.action.as_deref().unwrap_or_default();
            let slice = bundle.slice(action).unwrap_or_else(|| bundle.unmapped());
            policies.extend(asked(bundle, slice));
        }
        Some(Refusal::CrossTenant(_)) => elsewhere = true,
        _ => {}
    }
    // The tenant of a request depends on where the caller may act.
    if elsewhere || policies.iter().any(|reads| reads.attribute("tenant")) {
        policies.extend(asked(bundle, bundle.act_in()));
    }
    let seen = |name: &str| policies.iter().any(|reads| reads.attribute(name));
    let kinds = ATTRIBUTES.iter().filter(|(name, _)| seen(name));
    kinds.flat_map(|(_, kinds)| kinds.iter().copied()).collect()
}

/// Returns what the policies about an action read.
fn asked<'a>(bundle: &'a Bundle, slice: &'a Slice) -> impl Iterator<Item = &'a Reads> {
    let sets = [&slice.permits, &slice.early, &slice.late].into_iter();
    let policies = sets.flat_map(cedar_policy::PolicySet::policies);
    policies.filter_map(|policy| bundle.rule(policy.id())).map(|rule| &*rule.reads)
}
