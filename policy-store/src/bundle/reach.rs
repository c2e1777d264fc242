//! Routes that no role is permitted: found by asking the policies as callers of every kind.
//!
//! What is put to them is what the gate puts to them before it has read a body and looked up an
//! object (`gate.md`, "What policies see"). The usual caller is let in at once. Where nobody usual
//! is, all combinations are tried of what the policies of the route can tell apart.

mod callers;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use cedar_policy::{Authorizer, Decision, Entities, EntityUid, PolicySet, Request};

use super::finding::{Finding, MOST};
use super::kind::Kind;
use super::room::breathe;
use super::{Bundle, Slice};
use crate::routes::Route;
use callers::{Caller, Callers};

/// So many callers are tried on one route,
const TRIES: usize = 16_384;
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
                Err(tried) if findings.len() < MOST => findings.push(finding(bundle, route, tried)),
                Err(_) => {}
            }
        }
        findings
    }
}

/// What of a route the policies can see.
fn key(route: &Route) -> String {
    let Route { method, template, resource, scope, feature, .. } = route;
    format!("{method} {template} {resource} {scope:?} {feature:?}")
}

fn finding(bundle: &Bundle, route: &Route, tried: usize) -> Finding {
    let Route { method, template, action, places, .. } = route;
    let how = match tried {
        0 => "no allowlist names it".to_owned(),
        tried => format!("{tried} kinds of callers were tried"),
    };
    let message = format!("nobody is permitted `{action}` ({method} {template}): {how}");
    let remedy = match tried {
        0 => format!("name Action::\"{action}\" in a `permit` for some role, or remove the route"),
        _ => "look at what the `permit`s that name it ask for, and at the `forbid`s of the layers up to `role`".to_owned(),
    };
    let (line, column) = places.action;
    let file = &bundle.sources().routes;
    file.finding(line, column, &message, &remedy).of_kind(Kind::UnreachableRoute)
}

/// Looks for a caller who is let in. Gives how many were tried in vain.
fn reach(bundle: &Bundle, slice: &Slice, route: &Route, left: &mut usize) -> Result<(), usize> {
    let permits = |id| bundle.rule(id).is_some_and(|rule| !rule.break_glass);
    if !slice.permits.policies().any(|policy| permits(policy.id())) {
        return Err(0);
    }
    let callers = Callers { bundle, slice, route };
    let mut tried = 0;
    for caller in callers.usual() {
        tried += 1;
        if lets_in(callers, &caller) {
            return Ok(());
        }
    }
    let most = tried + TRIES.min(*left);
    let mut reached = false;
    let _broken_off = callers.thorough(&mut |caller| {
        if tried >= most {
            return ControlFlow::Break(());
        }
        tried += 1;
        *left = left.saturating_sub(1);
        reached = lets_in(callers, caller);
        if reached { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if reached { Ok(()) } else { Err(tried) }
}

/// Whether the guards up to the layer `role` let the caller pass, and an allowlist lets it in
/// without a justification. A policy that fails to evaluate lets nobody in.
fn lets_in(callers: Callers<'_>, caller: &Caller<'_>) -> bool {
    let Callers { bundle, slice, .. } = callers;
    let Some((principal, resource, context, known)) = callers.question(caller) else {
        return false;
    };
    let entities = Entities::from_entities(slice.entities.iter().cloned().chain(known), None);
    let request = Request::new(principal, slice.action.clone(), resource, context, None);
    let (Ok(entities), Ok(request)) = (entities, request) else { return false };
    let ask = |set: &PolicySet| Authorizer::new().is_authorized(&request, set, &entities);
    let guards = ask(&slice.early);
    let diagnostics = guards.diagnostics();
    if diagnostics.reason().next().is_some() || diagnostics.errors().next().is_some() {
        return false;
    }
    let permits = ask(&slice.permits);
    let diagnostics = permits.diagnostics();
    let mut by = diagnostics.reason().filter_map(|id| bundle.rule(id));
    permits.decision() == Decision::Allow
        && diagnostics.errors().next().is_none()
        && by.any(|rule| !rule.break_glass)
}

/// A question to the policies, but for the action.
type Question = (EntityUid, EntityUid, cedar_policy::Context, Vec<cedar_policy::Entity>);
