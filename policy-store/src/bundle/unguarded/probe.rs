//! Asks whether an action is open to a request that a guard refuses elsewhere.

use cedar_policy::{Authorizer, Decision, Entities, PolicySet, Request};

use super::{Guard, Subject};
use crate::bundle::layer::Layer;
use crate::bundle::reach::{About, Caller, Callers, Odd, Words, World, combined, question};
use crate::bundle::{Bundle, Slice};

/// The maximum number of requests that are tried for one guard at one action.
const TRIES: usize = 4_096;
/// The maximum number of requests that are tried for all guards and actions together.
const ALL_TRIES: usize = 131_072;

/// The number of requests that may still be tried.
pub(super) struct Left(usize);

impl Default for Left {
    fn default() -> Self {
        Self(ALL_TRIES)
    }
}

/// Describes a caller whom `guard` would refuse at the action of `subject` if it were asked there, and whom
/// nothing refuses up to the guard's layer. Returns `None` if the search finds no such caller. A search that
/// cannot be made, or for which no tries are left, counts as one that finds a caller.
pub(super) fn open_to(
    bundle: &Bundle,
    subject: &Subject<'_>,
    guard: &Guard<'_>,
    left: &mut Left,
) -> Option<String> {
    let unknown = || Some("whom it refuses elsewhere".to_owned());
    let Some(anywhere) = guard.scope.anywhere.clone() else { return unknown() };
    let Ok(anywhere) = PolicySet::from_policies([anywhere]) else { return unknown() };
    let callers = Callers { bundle, slice: subject.slice, route: &subject.route };
    let words = Words::of_policy(&guard.rule.reads);
    let mut abouts = vec![About::usual()];
    if !guard.rule.layer.is_early() {
        abouts.extend(About::odd(callers, &words));
    }
    let roles = words.told_apart(bundle.vocabulary().roles().map(|it| &**it));
    let mut tried = 0;
    for odds in combined(&words.odds(&subject.route)) {
        for caller in callers.in_world(World::with(&odds), &roles) {
            for about in &abouts {
                if tried >= TRIES {
                    return None;
                }
                if left.0 == 0 {
                    return unknown();
                }
                tried += 1;
                left.0 -= 1;
                let asking = Asking { callers, caller: &caller, about, layer: guard.rule.layer };
                if asking.is_open(&anywhere) {
                    return Some(described(&caller, &odds, about));
                }
            }
        }
    }
    None
}

/// A request that is tried.
struct Asking<'a> {
    callers: Callers<'a>,
    caller: &'a Caller<'a>,
    about: &'a About<'a>,
    /// The layer of the guard.
    layer: Layer,
}

impl Asking<'_> {
    /// Whether the guard would refuse the request, and nothing up to the guard's layer does.
    fn is_open(&self, guard: &PolicySet) -> bool {
        let late = (!self.layer.is_early()).then_some(self.about);
        let Some((request, entities)) = question(self.callers, self.caller, late) else {
            return false;
        };
        let refused = Authorizer::new().is_authorized(&request, guard, &entities);
        if refused.diagnostics().reason().next().is_none() {
            return false;
        }
        let Slice { early, late: after, .. } = self.callers.slice;
        if late.is_none() {
            return !self.refuses(early, &request, &entities);
        }
        let before = question(self.callers, self.caller, None);
        !self.refuses(after, &request, &entities)
            && before.is_some_and(|(request, entities)| !self.refuses(early, &request, &entities))
    }

    /// Whether a guard of this layer or an earlier one refuses, or any guard fails to evaluate.
    fn refuses(&self, guards: &PolicySet, request: &Request, entities: &Entities) -> bool {
        let response = Authorizer::new().is_authorized(request, guards, entities);
        debug_assert_eq!(response.decision(), Decision::Deny, "guards permit nothing");
        let diagnostics = response.diagnostics();
        let layer = |id| self.callers.bundle.rule(id).map(|rule| rule.layer);
        let mut by = diagnostics.reason().filter_map(layer);
        diagnostics.errors().next().is_some() || by.any(|layer| layer <= self.layer)
    }
}

fn described(caller: &Caller<'_>, odds: &[Odd<'_>], about: &About<'_>) -> String {
    let mut said = "a caller".to_owned();
    let mut parts: Vec<String> = match caller.roles.as_slice() {
        [role] => vec![format!("whose only role is `{role}`")],
        _ => Vec::new(),
    };
    parts.extend(odds.iter().map(ToString::to_string));
    parts.push(about.to_string());
    parts.retain(|part| !part.is_empty());
    for part in parts {
        said.push(' ');
        said.push_str(&part);
    }
    said
}
