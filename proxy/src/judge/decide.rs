//! Stage 5 of 7: decide.
//!
//! Takes a question and a [`Bundle`]. Returns the policies that permit, or a [`Denied`]. Never
//! reads a clock, a socket or a lock: the same question put to the same bundle always has the same
//! answer.

use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicyId,
    PolicySet, Request, Response,
};
use policy_store::bundle::{Bundle, Layer, Rule, Slice};

use crate::judge::entities::UnknownRole;

/// The reason why the policies did not permit a request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Denied {
    /// A `forbid` applies.
    #[error("denied by `{}`", .0.id)]
    ByRule(Arc<Rule>),
    /// No `permit` applies.
    #[error("no allowlist permits it")]
    ByDefault,
    /// A policy fails to evaluate. Cedar skips such a policy, and a skipped `forbid` would silently
    /// allow: "the rules are broken" must never look like "the rules say yes".
    #[error("policy `{policy}` failed to evaluate: {error}")]
    Broken {
        /// The id of the policy.
        policy: Arc<str>,
        /// The layer of the policy.
        layer: Layer,
        /// Cedar's error.
        error: String,
    },
    /// The question cannot be put to Cedar.
    #[error("the question cannot be put to the policies: {0}")]
    Unaskable(String),
    /// A fact has a role that the bundle does not know.
    #[error(transparent)]
    UnknownRole(#[from] UnknownRole),
}

impl Denied {
    /// The layer that refuses.
    pub(crate) fn layer(&self) -> Layer {
        match self {
            Self::ByRule(rule) => rule.layer,
            Self::ByDefault => Layer::Role,
            Self::Broken { layer, .. } => *layer,
            Self::Unaskable(_) | Self::UnknownRole(_) => Layer::Authentication,
        }
    }
}

/// A question: may a principal do an action to a resource in these circumstances?
#[derive(Debug, Clone)]
pub struct Question {
    /// The principal, action, resource and circumstances.
    pub request: Request,
    /// The entities: the known facts of everyone and everything that the request involves.
    pub entities: Entities,
}

impl Question {
    /// A question about the action of `slice`; `known` are the entities of those involved.
    pub(crate) fn new(
        slice: &Slice,
        principal: EntityUid,
        resource: EntityUid,
        context: Context,
        known: Vec<Entity>,
    ) -> Result<Self, Denied> {
        let all = slice.entities.iter().cloned().chain(known);
        let entities = Entities::from_entities(all, None)
            .map_err(|error| Denied::Unaskable(error.to_string()))?;
        let request = Request::new(principal, slice.action.clone(), resource, context, None)
            .map_err(|error| Denied::Unaskable(error.to_string()))?;
        Ok(Self { request, entities })
    }
}

/// The result of the `permit` policies that applied.
#[derive(Debug, Clone)]
pub(crate) struct Permitted {
    /// The policies that permit.
    pub(crate) by: Vec<Arc<Rule>>,
    /// Whether only the justification let the request in.
    pub(crate) broke_glass: bool,
}

/// The verdict of the layers up to `role`: of the guards, and then of the permits.
#[derive(Debug)]
pub(crate) struct Early {
    /// Whether the guards let the request pass.
    pub(crate) guards: Result<(), Denied>,
    /// Whether a permit applies.
    pub(crate) permits: Result<Permitted, Denied>,
}

/// Judges the layers up to `role`.
///
/// # Errors
///
/// Fails if a policy fails to evaluate.
pub(crate) fn early(bundle: &Bundle, slice: &Slice, question: &Question) -> Result<Early, Denied> {
    let Question { request, entities } = question;
    let guards = sound(guards(bundle, &slice.early, request, entities))?;
    let response = Authorizer::new().is_authorized(request, &slice.permits, entities);
    Ok(Early { guards, permits: sound(permits(bundle, &response))? })
}

/// Separates a verdict (the inner result) from a failure to reach one (the outer error).
fn sound<T>(verdict: Result<T, Denied>) -> Result<Result<T, Denied>, Denied> {
    match verdict {
        Err(denied @ (Denied::ByRule(_) | Denied::ByDefault)) => Ok(Err(denied)),
        Err(failure) => Err(failure),
        Ok(fine) => Ok(Ok(fine)),
    }
}

/// Judges the layers after `role`.
///
/// # Errors
///
/// Fails if a policy fails to evaluate before any layer refuses.
pub(crate) fn late(bundle: &Bundle, slice: &Slice, question: &Question) -> Result<Judged, Denied> {
    let Question { request, entities } = question;
    let verdict = first_guard(bundle, &slice.late, request, entities);
    match verdict {
        Some((_, failure @ Denied::Broken { .. })) => Err(failure),
        verdict => Ok(Judged { verdict }),
    }
}

/// The verdict of the late layers, which can be read up to a layer: the list of handed-out roles is checked
/// between two of them.
#[derive(Debug)]
pub(crate) struct Judged {
    verdict: Option<(Layer, Denied)>,
}

impl Judged {
    /// Fails if a layer before `layer` refuses.
    pub(crate) fn before(&self, layer: Layer) -> Result<(), Denied> {
        match &self.verdict {
            Some((found, denied)) if *found < layer => Err(denied.clone()),
            _ => Ok(()),
        }
    }

    /// Fails if any layer refuses.
    pub(crate) fn all(&self) -> Result<(), Denied> {
        self.verdict.as_ref().map_or(Ok(()), |(_, denied)| Err(denied.clone()))
    }
}

/// Asks whether the caller may act in a tenant.
///
/// # Errors
///
/// Fails if a policy fails to evaluate.
pub(crate) fn act_in(bundle: &Bundle, question: &Question) -> Result<bool, Denied> {
    let slice = bundle.act_in();
    let Question { request, entities } = question;
    let early = sound(guards(bundle, &slice.early, request, entities))?;
    let late = sound(guards(bundle, &slice.late, request, entities))?;
    let response = Authorizer::new().is_authorized(request, &slice.permits, entities);
    let permits = sound(permits(bundle, &response))?;
    Ok(early.is_ok() && late.is_ok() && permits.is_ok())
}

/// Each policy of `set` in order, with whether it applies; `None`: the policy fails to evaluate. For
/// explanations only, never for a decision.
pub fn asked(
    bundle: &Bundle,
    set: &PolicySet,
    question: &Question,
) -> Vec<(Arc<Rule>, Option<bool>)> {
    let Question { request, entities } = question;
    let response = Authorizer::new().is_authorized(request, set, entities);
    let diagnostics = response.diagnostics();
    let applies: Vec<&PolicyId> = diagnostics.reason().collect();
    let failed: Vec<&PolicyId> = diagnostics
        .errors()
        .map(|AuthorizationError::PolicyEvaluationError(failure)| failure.policy_id())
        .collect();
    let state = |rule: &Arc<Rule>| {
        let id = PolicyId::new(&rule.id);
        (!failed.contains(&&id)).then(|| applies.contains(&&id))
    };
    let rules = rules(bundle, set.policies().map(cedar_policy::Policy::id));
    rules.into_iter().map(|rule| (Arc::clone(&rule), state(&rule))).collect()
}

fn permits(bundle: &Bundle, response: &Response) -> Result<Permitted, Denied> {
    if let Some(error) = response.diagnostics().errors().next() {
        return Err(broken(bundle, error).1);
    }
    if response.decision() != Decision::Allow {
        return Err(Denied::ByDefault);
    }
    let mut by = rules(bundle, response.diagnostics().reason());
    // A permit that needs no justification is sufficient by itself.
    let broke_glass = !by.is_empty() && by.iter().all(|rule| rule.break_glass);
    if !broke_glass {
        by.retain(|rule| !rule.break_glass);
    }
    Ok(Permitted { by, broke_glass })
}

fn guards(
    bundle: &Bundle,
    set: &PolicySet,
    request: &Request,
    entities: &Entities,
) -> Result<(), Denied> {
    first_guard(bundle, set, request, entities).map_or(Ok(()), |(_, denied)| Err(denied))
}

/// The first guard that refuses, by layer and then by order. A guard that fails to evaluate
/// counts as one that refuses.
fn first_guard(
    bundle: &Bundle,
    set: &PolicySet,
    request: &Request,
    entities: &Entities,
) -> Option<(Layer, Denied)> {
    if set.is_empty() {
        return None;
    }
    let response = Authorizer::new().is_authorized(request, set, entities);
    let diagnostics = response.diagnostics();
    let refused = rules(bundle, diagnostics.reason()).into_iter().next();
    let failed = diagnostics.errors().map(|error| broken(bundle, error));
    let failed = failed.min_by_key(|(place, _)| *place);
    match (refused, failed) {
        (Some(rule), Some((place, _))) if (rule.layer, rule.order) < place => {
            Some((rule.layer, Denied::ByRule(rule)))
        }
        (_, Some(((layer, _), denied))) => Some((layer, denied)),
        (Some(rule), None) => Some((rule.layer, Denied::ByRule(rule))),
        (None, None) => None,
    }
}

/// The rules with these ids, sorted by layer and order.
fn rules<'a>(bundle: &Bundle, ids: impl Iterator<Item = &'a PolicyId>) -> Vec<Arc<Rule>> {
    let mut rules: Vec<Arc<Rule>> = ids.filter_map(|id| bundle.rule(id)).cloned().collect();
    rules.sort_by_key(|rule| (rule.layer, rule.order));
    rules
}

fn broken(bundle: &Bundle, error: &AuthorizationError) -> ((Layer, usize), Denied) {
    let AuthorizationError::PolicyEvaluationError(failure) = error;
    let id = failure.policy_id();
    let place = bundle.rule(id).map_or((Layer::Authentication, 0), |rule| (rule.layer, rule.order));
    let policy = Arc::from(AsRef::<str>::as_ref(id));
    (place, Denied::Broken { policy, layer: place.0, error: error.to_string() })
}
