//! The layers of a decision: which let the request pass, which refused it, and what each asked.

use std::sync::Arc;

use policy_store::bundle::{ACT_IN, Bundle, Layer, Rule, Slice};
use proxy::judge::decide::{self, Denied};
use proxy::judge::pipeline::{Moment, Put};
use proxy::judge::refusal::Refusal;
use proxy::judge::workbench::Verdict;

use super::report::{Guard, LayerShown, Outcome, Stage};

/// How far a request gets: the layer that refuses it, and the place of the policy there.
pub(super) type Rank = (Stage, usize);

/// All of them, in their order.
const STAGES: [Stage; 8] = [
    Stage::Request,
    Stage::Authentication,
    Stage::Boundary,
    Stage::Role,
    Stage::Tenant,
    Stage::Feature,
    Stage::Workflow,
    Stage::Escalation,
];

/// Where a refusal stands in the order of the layers.
pub(super) fn rank(bundle: &Bundle, refusal: &Refusal) -> Rank {
    match refusal {
        Refusal::Malformed(_) | Refusal::RateLimited => (Stage::Request, 0),
        Refusal::Unidentified(_)
        | Refusal::ForeignOrigin
        | Refusal::Revoked
        | Refusal::UnknownUser
        | Refusal::Unloaded(_) => (Stage::Authentication, 0),
        Refusal::Justification | Refusal::Body(_) => (Stage::Role, usize::MAX),
        Refusal::CrossTenant(_) | Refusal::TenantConflict | Refusal::TenantRequired => {
            (Stage::Tenant, 0)
        }
        Refusal::NotFound => (Stage::Tenant, 1),
        Refusal::Denied(denied) => of_policies(bundle, denied),
        Refusal::Unrecordable(_)
        | Refusal::Unreachable(_)
        | Refusal::UpstreamTimeout(_)
        | Refusal::Internal(_) => (Stage::Escalation, usize::MAX),
    }
}

fn of_policies(bundle: &Bundle, denied: &Denied) -> Rank {
    match denied {
        Denied::ByRule(rule) => (stage(rule.layer), rule.order + 2),
        Denied::ByDefault => (Stage::Role, usize::MAX - 1),
        Denied::Broken { policy, .. } => {
            let broken = bundle.rules().find(|rule| rule.id == *policy);
            broken.map_or((Stage::Authentication, 0), |rule| (stage(rule.layer), rule.order + 2))
        }
        Denied::Unaskable(_) | Denied::UnknownRole(_) => (Stage::Authentication, 0),
    }
}

fn stage(layer: Layer) -> Stage {
    match layer {
        Layer::Authentication => Stage::Authentication,
        Layer::Boundary => Stage::Boundary,
        Layer::Role => Stage::Role,
        Layer::Tenant => Stage::Tenant,
        Layer::Feature => Stage::Feature,
        Layer::Workflow => Stage::Workflow,
        Layer::Escalation => Stage::Escalation,
    }
}

/// The layers of a verdict, each with what it asked.
pub(super) fn of(bundle: &Bundle, verdict: &Verdict) -> Vec<LayerShown> {
    let refused = verdict.refusal.as_ref().map(|refusal| rank(bundle, refusal).0);
    let layer = |layer: Stage| {
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
    STAGES.into_iter().map(layer).collect()
}

/// What no policy says.
fn note(layer: Stage, outcome: Outcome, verdict: &Verdict) -> Option<String> {
    let record = &verdict.record;
    match (layer, outcome, &verdict.refusal) {
        (_, Outcome::Refused, Some(Refusal::Denied(Denied::ByRule(_)))) => None,
        (_, Outcome::Refused, Some(refusal)) => Some(refusal.to_string()),
        (Stage::Authentication, Outcome::Passed, _) if record.user_id.is_none() => {
            Some("public: nobody has to be signed in".to_owned())
        }
        (Stage::Tenant, Outcome::Passed, _) => {
            record.tenant_id.as_ref().map(|tenant| format!("acts in `{tenant}`"))
        }
        _ => None,
    }
}

/// The policies of a layer that were asked.
fn guards(bundle: &Bundle, layer: Stage, questions: &[Put]) -> Vec<Guard> {
    let last = |moment| questions.iter().rev().find(|put| put.moment == moment);
    let mut found = Vec::new();
    let mut add = |put: &Put, rules: Vec<(Arc<Rule>, Option<bool>)>, of: Option<&str>| {
        let rules = rules.into_iter().filter(|(rule, _)| stage_of(put, rule) == layer);
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

/// Whatever is asked about acting in a tenant is of that layer.
fn stage_of(put: &Put, rule: &Rule) -> Stage {
    if put.moment == Moment::ActIn { Stage::Tenant } else { stage(rule.layer) }
}

/// The policies that a question was put to.
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
