//! The layers of a decision: which of them the request passed, which refused it, and what each asked.

use std::sync::Arc;

use cedar_policy::PolicyId;
use policy_store::bundle::{ACT_IN, Bundle, Layer, Rule, Slice};
use proxy::judge::decide::{self, Denied};
use proxy::judge::pipeline::{Moment, Put};
use proxy::judge::refusal::Refusal;
use proxy::judge::workbench::Verdict;

use super::report::{Guard, LayerShown, Outcome};

/// How far a request gets: the layer that refuses it, and the place of the refusal in the layer.
pub(super) type Rank = (Layer, usize);

/// Returns how far a request gets that is refused in this way.
pub(super) fn rank(bundle: &Bundle, refusal: &Refusal) -> Rank {
    // In each layer the gate's own refusals come before those of policies. At the end of the layer `role` are
    // the allowlists, then justification and body. Faults after the decision come last of all.
    let place = match refusal {
        Refusal::Malformed(_)
        | Refusal::RateLimited
        | Refusal::Unidentified(_)
        | Refusal::ForeignOrigin
        | Refusal::Revoked
        | Refusal::UnknownUser
        | Refusal::Unloaded(_)
        | Refusal::CrossTenant(_)
        | Refusal::TenantConflict
        | Refusal::TenantRequired => 0,
        Refusal::NotFound => 1,
        Refusal::Denied(denied) => of_policies(bundle, denied),
        Refusal::Justification
        | Refusal::Body(_)
        | Refusal::Unrecordable(_)
        | Refusal::Unreachable(_)
        | Refusal::UpstreamTimeout(_)
        | Refusal::Internal(_) => usize::MAX,
    };
    (refusal.layer(), place)
}

fn of_policies(bundle: &Bundle, denied: &Denied) -> usize {
    let place = |rule: &Arc<Rule>| rule.order + 2;
    match denied {
        Denied::ByRule(rule) => place(rule),
        Denied::ByDefault => usize::MAX - 1,
        Denied::Broken { policy, .. } => bundle.rule(&PolicyId::new(policy)).map_or(0, place),
        Denied::Unaskable(_) | Denied::UnknownRole(_) => 0,
    }
}

/// Returns the layers of a verdict, each with the policies that it asked.
pub(super) fn of(bundle: &Bundle, verdict: &Verdict) -> Vec<LayerShown> {
    let refused = verdict.refusal.as_ref().map(|refusal| rank(bundle, refusal).0);
    let layer = |layer: Layer| {
        let outcome = match refused {
            Some(refused) if layer == refused => Outcome::Refused,
            Some(refused) if layer > refused => Outcome::NotReached,
            _ => Outcome::Passed,
        };
        let guards = if outcome == Outcome::NotReached {
            Vec::new()
        } else {
            guards(bundle, layer, &verdict.questions)
        };
        LayerShown { layer, outcome, guards, note: note(layer, outcome, verdict) }
    };
    Layer::all().map(layer).collect()
}

/// Returns the part of a layer's result that does not come from a policy.
fn note(layer: Layer, outcome: Outcome, verdict: &Verdict) -> Option<String> {
    let record = &verdict.record;
    match (layer, outcome, &verdict.refusal) {
        (_, Outcome::Refused, Some(Refusal::Denied(Denied::ByRule(_)))) => None,
        (_, Outcome::Refused, Some(refusal)) => Some(refusal.to_string()),
        (Layer::Authentication, Outcome::Passed, _) if record.user_id.is_none() => {
            Some("public: nobody has to be signed in".to_owned())
        }
        (Layer::Tenant, Outcome::Passed, _) => {
            record.tenant_id.as_ref().map(|tenant| format!("acts in `{tenant}`"))
        }
        _ => None,
    }
}

/// Returns the policies of a layer that were asked.
fn guards(bundle: &Bundle, layer: Layer, questions: &[Put]) -> Vec<Guard> {
    let last = |moment| questions.iter().rev().find(|put| put.moment == moment);
    let mut found = Vec::new();
    let mut add = |put: &Put, rules: Vec<(Arc<Rule>, Option<bool>)>, of: Option<&str>| {
        let rules = rules.into_iter().filter(|(rule, _)| layer_of(put, rule) == layer);
        found.extend(rules.map(|(rule, applies)| guard(&rule, applies, of)));
    };
    for put in questions.iter().filter(|put| put.moment == Moment::ActIn) {
        let of = put.question.request.resource().map(|it| it.id().unescaped().to_owned());
        for set in [&bundle.act_in().early, &bundle.act_in().late, &bundle.act_in().permits] {
            add(put, decide::asked(bundle, set, &put.question), of.as_deref());
        }
    }
    if let Some(put) = last(Moment::Early) {
        let slice = slice(bundle, put);
        for set in [&slice.early, &slice.permits] {
            add(put, decide::asked(bundle, set, &put.question), None);
        }
    }
    if let Some(put) = last(Moment::Late) {
        add(put, decide::asked(bundle, &slice(bundle, put).late, &put.question), None);
    }
    found
}

/// Returns the layer in which a policy was asked: all questions about acting in a tenant are part of the layer
/// `tenant`.
fn layer_of(put: &Put, rule: &Rule) -> Layer {
    if put.moment == Moment::ActIn { Layer::Tenant } else { rule.layer }
}

/// Returns the policies that a question was asked of.
pub(super) fn slice<'b>(bundle: &'b Bundle, put: &Put) -> &'b Slice {
    if &*put.action == ACT_IN {
        return bundle.act_in();
    }
    bundle.slice(&put.action).unwrap_or_else(|| bundle.unmapped())
}

fn guard(rule: &Rule, applies: Option<bool>, of: Option<&str>) -> Guard {
    Guard {
        policy: rule.id.to_string(),
        file: rule.file.clone(),
        line: rule.line,
        forbids: rule.forbids,
        applies,
        tenant: of.map(str::to_owned),
    }
}
