//! Which facts what refused a request can see: no other change can take the refusal away.

use policy_store::bundle::{Bundle, Slice};
use policy_store::routes::FactKind;
use proxy::judge::decide::Denied;
use proxy::judge::refusal::Refusal;
use proxy::judge::workbench::Verdict;

use super::statuses::body;

/// The attributes that facts become, and the kinds of facts behind each.
const ATTRIBUTES: [(&str, &[FactKind]); 5] = [
    ("features", &[FactKind::UserFeatures, FactKind::OrganizationFeatures]),
    ("workflows", &[FactKind::OrganizationWorkflows]),
    ("status", &[FactKind::UserStatus, FactKind::OrganizationStatus]),
    ("deleted", &[FactKind::OrganizationDeleted]),
    ("roles", &[FactKind::UserRoles]),
];

/// The kinds of facts on which a refusal may depend.
pub(super) fn of(bundle: &Bundle, verdict: &Verdict) -> Vec<FactKind> {
    let mut text = String::new();
    match &verdict.refusal {
        Some(Refusal::Denied(Denied::ByRule(rule))) => text.push_str(body(rule)),
        Some(Refusal::Denied(Denied::ByDefault)) => {
            let action = verdict.record.action.as_deref().unwrap_or_default();
            let slice = bundle.slice(action).unwrap_or_else(|| bundle.unmapped());
            read(bundle, slice, &mut text);
        }
        Some(Refusal::CrossTenant(_)) => text.push_str("tenant"),
        _ => {}
    }
    // In which tenant a request acts depends on where the caller may.
    if text.contains("tenant") {
        read(bundle, bundle.act_in(), &mut text);
    }
    let seen = ATTRIBUTES.iter().filter(|(name, _)| text.contains(name));
    seen.flat_map(|(_, kinds)| kinds.iter().copied()).collect()
}

/// The texts of the policies about an action.
fn read(bundle: &Bundle, slice: &Slice, text: &mut String) {
    for set in [&slice.permits, &slice.early, &slice.late] {
        for policy in set.policies() {
            text.push_str(bundle.rule(policy.id()).map_or("", |rule| body(rule)));
        }
    }
}
