//! Routes that no role is permitted: found by asking the policies as callers of every kind.
//!
//! What is put to them is what the gate puts to them (`gate.md`, "What policies see"), before it has read
//! a body and looked up an object, and then after it. The usual caller is let in at once, with a body and
//! an object that are in order. Where nobody usual is, all combinations are tried of what the policies of
//! the route can tell apart of a caller; and where some get past the layer `role` only, whatever is odd
//! about the rest.

mod about;
mod callers;
mod words;
mod worlds;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Entities, EntityUid, PolicyId, PolicySet, Request,
};

use super::finding::{Finding, MOST};
use super::kind::Kind;
use super::room::breathe;
use super::{Bundle, Rule, Slice};
use crate::routes::Route;
pub(super) use about::About;
pub(super) use callers::{Caller, Callers};
pub(super) use words::Words;
pub(super) use worlds::{Odd, World, combined};

/// So many callers are tried on one route, and as many requests by so many of them in each situation,
const TRIES: usize = 16_384;
const ADMITTED: usize = 12;
/// by so many in which more is odd,
const ADMITTED_IN_ALL: usize = 256;
/// and so many on all of them: a bundle that nobody can use is refused in bounded time too.
const ALL_TRIES: usize = 131_072;

/// The routes that somebody is known to reach, with the policies by which they do.
#[derive(Debug, Default)]
pub(super) struct Reached(HashMap<Arc<str>, (Arc<Slice>, HashSet<String>)>);

impl Reached {
    /// A finding for each route that nobody reaches.
    pub(super) fn unreachable(&mut self, bundle: &Bundle) -> Vec<Finding> {
        let known = std::mem::take(&mut self.0);
        let mut left = ALL_TRIES;
        let mut findings = Vec::new();
        for route in bundle.routes().routes() {
            breathe();
            let Some(slice) = bundle.slices.get(&route.action) else { continue };
            let key = key(route);
            let before = known.get(&route.action).filter(|(old, _)| Arc::ptr_eq(old, slice));
            let reached = before.is_some_and(|(_, keys)| keys.contains(&key));
            let outcome = if reached { Ok(()) } else { reach(bundle, slice, route, &mut left) };
            match outcome {
                Ok(()) => {
                    let entry = self.0.entry(Arc::clone(&route.action));
                    let (_, keys) = entry.or_insert_with(|| (Arc::clone(slice), HashSet::new()));
                    keys.insert(key);
                }
                Err(vain) if findings.len() < MOST => findings.push(finding(bundle, route, &vain)),
                Err(_) => {}
            }
        }
        findings
    }
}

/// What of a route the policies can see.
fn key(route: &Route) -> String {
    let Route { method, template, resource, scope, feature, body, roles_in, .. } = route;
    format!("{method} {template} {resource} {scope:?} {feature:?} {body:?} {roles_in:?}")
}

/// A search in vain.
#[derive(Debug)]
struct Vain {
    /// How many requests were tried.
    tried: usize,
    /// What refuses those that an allowlist lets in, if any is.
    refused_by: Option<Arc<Rule>>,
}

fn finding(bundle: &Bundle, route: &Route, vain: &Vain) -> Finding {
    let Route { method, template, action, places, .. } = route;
    let (how, remedy) = match vain {
        Vain { tried: 0, .. } => (
            "no allowlist names it".to_owned(),
            format!("name Action::\"{action}\" in a `permit` for some role, or remove the route"),
        ),
        Vain { tried, refused_by: None } => (
            format!("{tried} kinds of callers were tried"),
            "look at what the `permit`s that name it ask for, and at the `forbid`s of the layers up to `role`".to_owned(),
        ),
        Vain { tried, refused_by: Some(rule) } => (
            format!("{tried} kinds of requests were tried, and `{}` refuses whom an allowlist lets in", rule.id),
            format!("look at what `{}` asks for ({}:{}), or remove the route", rule.id, rule.file, rule.line),
        ),
    };
    let message = format!("nobody is permitted `{action}` ({method} {template}): {how}");
    let (line, column) = places.action;
    let file = &bundle.sources().routes;
    file.finding(line, column, &message, &remedy).of_kind(Kind::UnreachableRoute)
}

/// Looks for a request that is let in.
fn reach(bundle: &Bundle, slice: &Slice, route: &Route, left: &mut usize) -> Result<(), Vain> {
    let permits = |id| bundle.rule(id).is_some_and(|rule| !rule.break_glass);
    if !slice.permits.policies().any(|policy| permits(policy.id())) {
        return Err(Vain { tried: 0, refused_by: None });
    }
    let callers = Callers { bundle, slice, route };
    let (admitted, others) = (Vec::new(), Vec::new());
    let mut search = Search { callers, tried: 0, admitted, others, refused_by: None };
    if search.usual() {
        return Ok(());
    }
    let said = Words::of(callers);
    if search.callers(&said, left) || search.requests(&said, left) {
        return Ok(());
    }
    let Search { tried, refused_by, .. } = search;
    Err(Vain { tried, refused_by })
}

/// What was found out so far.
struct Search<'a> {
    callers: Callers<'a>,
    tried: usize,
    /// Some of those whom an allowlist lets in, and a guard after it refuses.
    admitted: Vec<Caller<'a>>,
    /// More of them, one for each thing that is odd about callers.
    others: Vec<Caller<'a>>,
    refused_by: Option<Arc<Rule>>,
}

impl<'a> Search<'a> {
    fn usual(&mut self) -> bool {
        let mut callers = self.callers.usual();
        callers.any(|caller| self.lets_in(&caller))
    }

    /// Tries all kinds of callers.
    fn callers(&mut self, said: &Words<'a>, left: &mut usize) -> bool {
        let most = self.tried + TRIES.min(*left);
        let (callers, mut reached) = (self.callers, false);
        let _broken_off = callers.thorough(said, &mut |caller| {
            if self.tried >= most {
                return ControlFlow::Break(());
            }
            *left = left.saturating_sub(1);
            reached = self.lets_in(caller);
            if reached { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        reached
    }

    /// Tries all kinds of requests by callers who are known to get past the layer `role`: first those with
    /// one odd thing, by all of them, and then those with two.
    fn requests(&mut self, said: &Words<'a>, left: &mut usize) -> bool {
        let most = self.tried + TRIES.min(*left);
        let (odd, very_odd) = (About::odd(self.callers, said), About::very_odd(self.callers, said));
        let one = odd.iter().flat_map(|about| self.admitted.iter().map(move |it| (about, it)));
        let others = odd.iter().flat_map(|about| self.others.iter().map(move |it| (about, it)));
        let two = very_odd.iter().flat_map(|about| self.admitted.iter().map(move |it| (about, it)));
        for (about, caller) in one.chain(others).chain(two) {
            if self.tried >= most {
                return false;
            }
            self.tried += 1;
            *left = left.saturating_sub(1);
            if passes(self.callers, caller, about).is_ok() {
                return true;
            }
        }
        false
    }

    /// Whether a caller is let in, with a request that is in order.
    fn lets_in(&mut self, caller: &Caller<'a>) -> bool {
        self.tried += 1;
        if !admits(self.callers, caller) {
            return false;
        }
        let refused = passes(self.callers, caller, &About::usual()).err();
        if let Some(by) = &refused {
            self.refused_by = self.refused_by.take().or_else(|| by.clone());
            let alike = self.admitted.iter().filter(|it| it.situation() == caller.situation());
            if alike.count() < ADMITTED {
                self.admitted.push(caller.clone());
            } else if self.others.len() < ADMITTED_IN_ALL
                && self.others.last().is_none_or(|it| it.world() != caller.world())
            {
                self.others.push(caller.clone());
            }
        }
        refused.is_none()
    }
}

/// Whether the guards up to the layer `role` let the caller pass, and an allowlist lets it in
/// without a justification. A policy that fails to evaluate lets nobody in.
fn admits(callers: Callers<'_>, caller: &Caller<'_>) -> bool {
    let Callers { bundle, slice, .. } = callers;
    let Some((request, entities)) = question(callers, caller, None) else { return false };
    if refuses(&slice.early, &request, &entities).is_some() {
        return false;
    }
    let permits = Authorizer::new().is_authorized(&request, &slice.permits, &entities);
    let diagnostics = permits.diagnostics();
    let mut by = diagnostics.reason().filter_map(|id| bundle.rule(id));
    permits.decision() == Decision::Allow
        && diagnostics.errors().next().is_none()
        && by.any(|rule| !rule.break_glass)
}

/// Whether the guards after the layer `role` let a request of this caller pass. Otherwise one that does not, if
/// it is known.
fn passes(
    callers: Callers<'_>,
    caller: &Caller<'_>,
    about: &About<'_>,
) -> Result<(), Option<Arc<Rule>>> {
    let Callers { bundle, slice, .. } = callers;
    if slice.public || slice.late.is_empty() {
        return Ok(());
    }
    let (request, entities) = question(callers, caller, Some(about)).ok_or(None)?;
    let refused = refuses(&slice.late, &request, &entities);
    refused.map_or(Ok(()), |by| Err(bundle.rule(&by).cloned()))
}

/// A guard that refuses, or fails to evaluate.
pub(super) fn refuses(
    guards: &PolicySet,
    request: &Request,
    entities: &Entities,
) -> Option<PolicyId> {
    let response = Authorizer::new().is_authorized(request, guards, entities);
    let diagnostics = response.diagnostics();
    let failed = diagnostics
        .errors()
        .map(|AuthorizationError::PolicyEvaluationError(failure)| failure.policy_id());
    diagnostics.reason().chain(failed).min().cloned()
}

pub(super) fn question(
    callers: Callers<'_>,
    caller: &Caller<'_>,
    about: Option<&About<'_>>,
) -> Option<(Request, Entities)> {
    let slice = callers.slice;
    let (principal, resource, context, known) = callers.question(caller, about)?;
    let entities = Entities::from_entities(slice.entities.iter().cloned().chain(known), None);
    let request = Request::new(principal, slice.action.clone(), resource, context, None);
    Some((request.ok()?, entities.ok()?))
}

/// A question to the policies, but for the action.
type Question = (EntityUid, EntityUid, cedar_policy::Context, Vec<cedar_policy::Entity>);

#[cfg(test)]
mod tests;
