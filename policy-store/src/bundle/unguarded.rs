//! Actions that the guards of a layer do not reach.
//!
//! A guard is written for a group of actions, and an action that is not put into the group escapes the guard
//! unnoticed: all other checks look only at the actions that the guard covers. So the check considers each
//! guard that covers most of the actions at which everything that the guard reads exists, and asks what the
//! guard would decide at the others. If it would refuse a caller, a tenant or an object that nothing else
//! refuses, the action is outside the layer.

mod exemptions;
mod probe;
mod scope;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::EntityUid;

use super::asked::{Asked, Since};
use super::attributes::Attribute;
use super::finding::{Finding, MOST};
use super::kind::Kind;
use super::layer::Layer;
use super::policies::{Checked, Rule};
use super::reads::{Path, Read, Root};
use super::room::breathe;
use super::{Bundle, Slice, UNMAPPED};
use crate::routes::Route;

use exemptions::Exemptions;
use probe::{Left, open_to};
use scope::Scope;

/// A guard that lists actions one by one means exactly these, unless it lists nearly all: at least this many,
/// with at most one in eight of the actions missing.
const LISTED: usize = 7;

/// Returns findings about the actions that are outside a layer, and about wrong exemptions.
pub(super) fn findings(bundle: &Bundle, policies: &[Arc<Checked>]) -> Vec<Finding> {
    let exemptions = Exemptions::of(bundle);
    let guards: Vec<Guard<'_>> = Guard::all(bundle, policies).collect();
    let subjects = Subjects::of(bundle).guarded_by(&guards);
    let mut outside: BTreeMap<(usize, Layer), Outside<'_>> = BTreeMap::new();
    let mut needed: HashSet<(&str, Layer)> = HashSet::new();
    let mut left = Left::default();
    for guard in &guards {
        breathe();
        let layer = guard.rule.layer;
        for (place, subject) in subjects.passed_by(guard, &exemptions) {
            if outside.len() >= MOST {
                break;
            }
            let exempt = exemptions.of_action(subject, layer);
            let known = |name: &&str| needed.contains(&(*name, layer));
            if !exempt.is_empty() && exempt.iter().all(known) {
                continue;
            }
            breathe();
            let Some(who) = open_to(bundle, subject, guard, &mut left) else { continue };
            if exempt.is_empty() {
                let new = || Outside { who, guards: Vec::new() };
                outside.entry((place, layer)).or_insert_with(new).guards.push(guard.clone());
            }
            needed.extend(exempt.into_iter().map(|name| (name, layer)));
        }
    }
    let mut found = exemptions.unknown(bundle);
    let subject = |place: usize| subjects.all.get(place);
    let outside = outside.iter().filter_map(|((place, _), it)| Some((subject(*place)?, it)));
    found.extend(outside.filter_map(|(subject, outside)| outside.finding(bundle, subject)));
    if found.len() < MOST {
        found.extend(exemptions.needless(bundle, &needed));
    }
    found.truncate(MOST);
    found
}

/// The actions that are not public.
struct Subjects<'a> {
    all: Vec<Subject<'a>>,
    /// The kinds of questions that the policies are asked about these actions.
    kinds: Vec<Asked>,
    /// The groups that the actions are in.
    groups: HashSet<EntityUid>,
    /// The attributes that the schema declares for the resources of the actions, by type.
    declared: HashMap<Arc<str>, BTreeMap<String, Attribute>>,
}

/// An action that is not public, with a route that leads to it.
struct Subject<'a> {
    route: Arc<Route>,
    slice: &'a Slice,
    /// The place of the action's kind of question in `Subjects::kinds`.
    kind: usize,
    /// The action, and the groups that it is in.
    around: HashSet<EntityUid>,
    /// Whether a guard that is written for a group reaches the action.
    in_a_guarded_group: bool,
}

impl<'a> Subjects<'a> {
    /// Returns all actions that are not public, each once. `unmapped` is included; `act_in` is not, because it
    /// is asked only for callers who have passed the guards of another action.
    fn of(bundle: &'a Bundle) -> Self {
        let unmapped = Arc::new(Route::unmapped(UNMAPPED));
        let (all, kinds) = (Vec::new(), Vec::new());
        let mut subjects = Self { all, kinds, groups: HashSet::new(), declared: HashMap::new() };
        let (mut seen, mut places) = (HashSet::new(), BTreeMap::new());
        let routed = bundle.routes().routes().iter();
        let routed = routed.filter_map(|it| Some((it, bundle.slice(&it.action)?)));
        for (route, slice) in routed.chain([(&unmapped, bundle.unmapped())]) {
            breathe();
            if slice.public || !seen.insert(&route.action) {
                continue;
            }
            let asked = Asked::about(route, false);
            let kind = *places.entry(asked).or_insert_with_key(|asked| {
                subjects.kinds.push(asked.clone());
                subjects.kinds.len() - 1
            });
            let around: HashSet<EntityUid> =
                slice.entities.iter().map(cedar_policy::Entity::uid).collect();
            let groups = around.iter().filter(|uid| **uid != slice.action);
            let new: Vec<EntityUid> =
                groups.filter(|uid| !subjects.groups.contains(*uid)).cloned().collect();
            subjects.groups.extend(new);
            let (route, in_a_guarded_group) = (Arc::clone(route), false);
            subjects.all.push(Subject { route, slice, kind, around, in_a_guarded_group });
        }
        let kinds = subjects.kinds.iter().map(|it| &it.resource);
        subjects.declared = kinds.map(|kind| (Arc::clone(kind), bundle.attributes(kind))).collect();
        subjects
    }

    /// Marks the actions that guards of groups reach.
    fn guarded_by(mut self, guards: &[Guard<'_>]) -> Self {
        for guard in guards.iter().filter(|guard| guard.scope.names_one_of(&self.groups)) {
            breathe();
            for subject in &mut self.all {
                subject.in_a_guarded_group |= guard.scope.reaches(&subject.around);
            }
        }
        self
    }

    /// Returns the actions that a guard misses, if it reaches most of those that it could concern.
    fn passed_by(
        &self,
        guard: &Guard<'_>,
        exemptions: &Exemptions<'_>,
    ) -> Vec<(usize, &Subject<'a>)> {
        let of_a_group = guard.scope.names_one_of(&self.groups);
        if !of_a_group && guard.scope.len() < LISTED {
            return Vec::new();
        }
        let policy = &guard.checked.policy;
        let fits: Vec<bool> = self.kinds.iter().map(|asked| asked.fits(policy)).collect();
        let fills = self.kinds.iter().zip(&fits).map(|(it, fits)| *fits && self.fills(it, guard));
        let fills: Vec<bool> = fills.collect();
        let concerns = if fills.contains(&true) { fills } else { fits };
        let all = self.all.iter().enumerate();
        let concerned = all.filter(|(_, it)| concerns.get(it.kind).is_some_and(|it| *it));
        let (reached, mut passed): (Vec<_>, Vec<_>) =
            concerned.partition(|(_, it)| guard.scope.reaches(&it.around));
        // Exempt actions are not counted as missed: they would hide the next one that is missed.
        let layer = guard.rule.layer;
        let exempt = |it: &Subject<'_>| !exemptions.of_action(it, layer).is_empty();
        let missed = passed.iter().filter(|(_, it)| !exempt(it)).count();
        let all = reached.len() + missed;
        let for_most = missed <= 1 || missed * 5 <= all;
        let for_half = reached.len() * 2 >= all;
        if of_a_group {
            passed.retain(|(_, it)| for_most || (for_half && !it.in_a_guarded_group));
        } else if missed * (LISTED + 1) > all {
            passed.clear();
        }
        passed
    }

    /// Whether everything that a guard reads exists in a kind of question.
    fn fills(&self, asked: &Asked, guard: &Guard<'_>) -> bool {
        guard.checked.reads.iter().all(|read| match read {
            Read::Attribute(of, name) => {
                !matches!(asked.since(of, name), Some(Since::Never | Since::OtherRoutes))
                    && self.is_declared(asked, of, name)
            }
            _ => true,
        })
    }

    /// Whether the type of the object declares the attribute: not every type has roles, for example.
    fn is_declared(&self, asked: &Asked, of: &Path, name: &str) -> bool {
        let of_object = of.root == Root::Resource && of.steps.is_empty();
        let declared = self.declared.get(&asked.resource);
        !of_object || declared.is_none_or(|it| it.contains_key(name))
    }
}

/// A guard that is written for some actions, not for all.
#[derive(Clone)]
struct Guard<'a> {
    checked: &'a Checked,
    rule: &'a Rule,
    scope: Scope,
}

impl<'a> Guard<'a> {
    /// Returns the guards that name actions or groups.
    fn all(bundle: &'a Bundle, policies: &'a [Arc<Checked>]) -> impl Iterator<Item = Self> {
        policies.iter().filter_map(|checked| {
            let rule = bundle.rule(checked.policy.id()).filter(|rule| rule.forbids)?;
            let scope = Scope::of(checked).filter(|scope| !scope.is_open())?;
            Some(Self { checked, rule, scope })
        })
    }
}

/// What is known about an action outside a layer.
struct Outside<'a> {
    /// A caller, as a message describes it, whom the first guard would refuse and nothing else refuses.
    who: String,
    guards: Vec<Guard<'a>>,
}

impl Outside<'_> {
    fn finding(&self, bundle: &Bundle, subject: &Subject<'_>) -> Option<Finding> {
        let action = &subject.route.action;
        let Guard { rule, scope, .. } = self.guards.first()?;
        let others: Vec<String> =
            self.guards.iter().skip(1).map(|it| format!("`{}`", it.rule.id)).collect();
        let others = if others.is_empty() {
            String::new()
        } else {
            format!("; {} would not be asked either", others.join(", "))
        };
        let Rule { id, layer, file, line, .. } = rule;
        let (layer, group) = (layer.name(), scope.first());
        let message = format!(
            "`{action}` is outside the guards of layer `{layer}`: `{id}` ({file}:{line}) would refuse {}, and nothing refuses it here{others}",
            self.who
        );
        let remedy = format!(
            "write `in [{group}]` at the action, so that `{id}` reaches it; only if it is meant to do without that layer, write @without(\"{layer}\") before it"
        );
        let finding = exemptions::at(bundle, action, &message, &remedy);
        Some(finding.of_kind(Kind::UnguardedAction))
    }
}
