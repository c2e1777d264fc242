//! Finds routes that no role is permitted to use, by asking the policies on behalf of callers of every kind.
//!
//! The questions are those that the gate asks (`gate.md`, "What policies see"): first the one before the body is
//! read and the object is looked up, and then the one after that. Usual callers come first, with a valid body and a
//! valid object. If none of them is let in, all combinations of what the route's policies can distinguish about
//! a caller are tried. For callers who pass the layer `role` but not the layers after it, unusual requests are
//! tried too.

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

/// The maximum number of callers, and of requests, that are tried on one route.
const TRIES: usize = 16_384;
/// The maximum number of callers in one situation for whom unusual requests are tried.
const ADMITTED: usize = 12;
/// The maximum number of further callers for whom unusual requests are tried, one for each unusual world.
const ADMITTED_IN_ALL: usize = 256;
/// The maximum number of tries on all routes together: a bundle that no caller can use is refused in bounded
/// time, too.
const ALL_TRIES: usize = 131_072;

/// The routes that some caller is known to reach, with the policies that were asked.
#[derive(Debug, Default)]
pub(super) struct Reached(HashMap<Arc<str>, (Arc<Slice>, HashSet<String>)>);

impl Reached {
    /// Returns a finding for each route that no caller reaches.
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

/// Returns what the policies can see of a route, as a key.
fn key(route: &Route) -> String {
    let Route { method, template, resource, scope, feature, body, roles_in, .. } = route;
    format!("{method} {template} {resource} {scope:?} {feature:?} {body:?} {roles_in:?}")
}

/// The result of a search that found no caller.
#[derive(Debug)]
struct Vain {
    /// The number of requests that were tried.
    tried: usize,
    /// The guard that refuses callers whom an allowlist lets in, if there is one.
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

/// Searches for a request that is let in.
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

/// The state of a search.
struct Search<'a> {
    callers: Callers<'a>,
    tried: usize,
    /// Callers whom an allowlist lets in and a later guard refuses.
    admitted: Vec<Caller<'a>>,
    /// More such callers, one for each unusual world.
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

    /// Tries all kinds of requests by callers who are known to pass the layer `role`: first requests with one
    /// unusual property, by all these callers, and then requests with two.
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

    /// Whether a caller is let in with a request that is in order.
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

/// Whether the guards up to the layer `role` let the caller pass, and an allowlist lets the caller in without a
/// justification. A policy that fails to evaluate lets no caller in.
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

/// Checks that the guards after the layer `role` let a request of this caller pass. The error is the guard that
/// refuses the request, if it is known.
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

/// Returns a guard that refuses, or that fails to evaluate.
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

/// The parts of a question to the policies except the action.
type Question = (EntityUid, EntityUid, cedar_policy::Context, Vec<cedar_policy::Entity>);

#[cfg(test)]
mod tests;
