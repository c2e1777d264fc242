//! The kinds of questions that the gate asks the policies: which attributes a question has, before any facts
//! are loaded.
//!
//! Two routes that do not differ here give policies the same attributes, so a policy is examined once for both.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

use super::filled::{BREAK_GLASS, CALLER, Need, REST, Thing, circumstance_of};
use super::layer::Layer;
use super::reads::{Path, Root};
use super::{Bundle, Slice};
use crate::routes::{Body, Route};

/// A kind of question that the gate asks the policies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    /// Whether the route is public, so that the principal is a `Guest`.
    pub(super) guest: bool,
    /// Whether the question is about a tenant (`act_in`) and not about a request.
    pub(super) act_in: bool,
    /// The entity type of the resource.
    pub(super) resource: Arc<str>,
    /// The needs of circumstances that the route satisfies.
    gives: BTreeSet<Need>,
}

/// The layer from which an attribute exists, if it ever does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// The attribute exists from this layer on.
    Layer(Layer),
    /// The attribute does not exist on this route; another route may provide it.
    OtherRoutes,
    /// The attribute never exists.
    Never,
}

/// The thing whose attribute is read.
#[derive(Debug, Clone, Copy)]
enum Holder {
    Context,
    Entity(Thing, Layer),
    /// A value without attributes of its own.
    Value,
}

impl Asked {
    /// Returns the question that is asked about a route.
    pub(super) fn about(route: &Route, public: bool) -> Self {
        let resource = if route.scope.looks_up() {
            Arc::clone(&route.resource)
        } else {
            Arc::from("Endpoint")
        };
        let body = route.body == Body::Json;
        let gives = [
            (Need::Feature, route.feature.is_some()),
            (Need::Workflow, route.takes("workflow")),
            (Need::Body, body),
            (Need::Roles, body && route.roles_in.is_some()),
        ];
        let gives = gives.into_iter().filter(|(_, it)| *it).map(|(need, _)| need).collect();
        Self { guest: public, act_in: false, resource, gives }
    }

    /// Returns the question whether the caller may act in a tenant.
    fn act_in() -> Self {
        Self { act_in: true, ..Self::bare("Organization") }
    }

    /// Returns the question about a method and path that no route declares.
    pub(super) fn unmapped() -> Self {
        Self::bare("Endpoint")
    }

    fn bare(resource: &str) -> Self {
        let (resource, gives) = (Arc::from(resource), BTreeSet::new());
        Self { guest: false, act_in: false, resource, gives }
    }

    fn principal(&self) -> &'static str {
        if self.guest { "Guest" } else { "User" }
    }

    /// Whether the scope of a policy matches this question, its action aside.
    pub(super) fn fits(&self, policy: &Policy) -> bool {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => {
                kind.to_string() == self.principal()
            }
            PrincipalConstraint::Eq(uid) => uid.type_name().to_string() == self.principal(),
            PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        };
        principal
            && match policy.resource_constraint() {
                ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => {
                    kind.to_string() == *self.resource
                }
                ResourceConstraint::Eq(uid) => uid.type_name().to_string() == *self.resource,
                ResourceConstraint::Any | ResourceConstraint::In(_) => true,
            }
    }

    /// Returns the type of the value at `path`, or `None` if the type is unknown or the value does not exist.
    pub(super) fn kind<'a>(&'a self, path: &'a Path) -> Option<&'a str> {
        let Some((last, before)) = path.steps.split_last() else {
            return match &path.root {
                Root::Principal => Some(self.principal()),
                Root::Action => Some("Action"),
                Root::Resource => Some(&self.resource),
                Root::Context => None,
                Root::Written(kind) => Some(written(kind)),
            };
        };
        let holder = self.holder(&path.root, before)?;
        self.attribute(holder, last).map(|(_, kind)| kind)
    }

    /// Returns the layer from which `of.name` exists. Returns `None` if `of` does not exist itself, or is not
    /// understood.
    pub(super) fn since(&self, of: &Path, name: &str) -> Option<Since> {
        match self.holder(&of.root, &of.steps)? {
            Holder::Value => None,
            Holder::Context if self.act_in => Some(Since::Never),
            Holder::Context => {
                let Some(it) = circumstance_of(name) else { return Some(Since::Never) };
                if self.guest && !it.guests {
                    return Some(Since::Never);
                }
                Some(if self.has(it.need) { Since::Layer(it.since) } else { Since::OtherRoutes })
            }
            Holder::Entity(thing, since) => {
                let known = thing.attributes().iter().any(|it| it.name == name);
                Some(if known { Since::Layer(since) } else { Since::Never })
            }
        }
    }

    /// Returns the layer from which the parents of an entity are known: the `Group` of an `Organization`.
    pub(super) fn parents_since(&self, of: &Path) -> Option<Since> {
        match self.holder(&of.root, &of.steps)? {
            Holder::Entity(Thing::Organization, since) => Some(Since::Layer(since)),
            _ => Some(Since::Never),
        }
    }

    fn has(&self, need: Need) -> bool {
        need == Need::Nothing || self.gives.contains(&need)
    }

    fn holder(&self, root: &Root, steps: &[Box<str>]) -> Option<Holder> {
        let caller = |thing| Holder::Entity(thing, CALLER);
        let first = match root {
            Root::Principal => caller(Thing::of(self.principal())),
            Root::Context => Holder::Context,
            Root::Action => caller(Thing::Bare),
            Root::Resource if self.act_in => caller(Thing::Organization),
            Root::Resource => Holder::Entity(Thing::of(&self.resource), REST),
            // The entity written out may be the caller, or its organisation.
            Root::Written(kind) => match Thing::of(kind) {
                Thing::Object => Holder::Entity(Thing::Object, REST),
                thing => caller(thing),
            },
        };
        steps.iter().try_fold(first, |holder, step| {
            let (since, kind) = self.attribute(holder, step)?;
            Some(match kind {
                "Organization" => Holder::Entity(Thing::Organization, since),
                "Group" | "Feature" => Holder::Entity(Thing::Bare, since),
                _ => Holder::Value,
            })
        })
    }

    /// Returns the layer from which an attribute exists, and its type; `None` if the attribute does not exist.
    fn attribute(&self, holder: Holder, name: &str) -> Option<(Layer, &'static str)> {
        match holder {
            Holder::Value => None,
            Holder::Context => {
                let it = circumstance_of(name).filter(|_| !self.act_in)?;
                let there = self.has(it.need) && (it.guests || !self.guest);
                there.then_some((it.since, it.attribute.kind))
            }
            Holder::Entity(thing, since) => {
                let it = thing.attributes().iter().find(|it| it.name == name)?;
                Some((since, it.kind))
            }
        }
    }
}

/// Returns the type name of an entity that is written out, without the prefix `__cedar::`.
fn written(kind: &str) -> &str {
    kind.strip_prefix("__cedar::").unwrap_or(kind)
}

/// Returns the layer in which a policy that reads `of.name` is judged. A `permit` is asked in the layer `role`,
/// but sees the justification, which otherwise exists only later.
pub(super) fn judged_in(forbids: bool, layer: Layer, of: &Path, name: &str) -> Layer {
    let justified = !forbids && of.root == Root::Context && name == BREAK_GLASS;
    if justified { Layer::Escalation } else { layer }
}

/// All kinds of questions about the actions of a bundle.
#[derive(Debug, Default)]
pub(super) struct Questions {
    all: Vec<Asked>,
    /// The places in `all` of the questions about an action, or about the members of a group.
    by_action: HashMap<EntityUid, BTreeSet<usize>>,
}

impl Questions {
    pub(super) fn of(bundle: &Bundle) -> Self {
        let mut kinds: BTreeMap<Asked, usize> = BTreeMap::new();
        let mut by_action: HashMap<EntityUid, BTreeSet<usize>> = HashMap::new();
        let mut add = |asked: Asked, slice: &Slice| {
            let count = kinds.len();
            let kind = *kinds.entry(asked).or_insert(count);
            for around in &slice.entities {
                // Most actions are of a kind that `by_action` lists already.
                match by_action.get_mut(&around.uid()) {
                    Some(known) => drop(known.insert(kind)),
                    None => drop(by_action.insert(around.uid(), BTreeSet::from([kind]))),
                }
            }
        };
        for route in bundle.routes().routes() {
            if let Some(slice) = bundle.slice(&route.action) {
                add(Asked::about(route, slice.public), slice);
            }
        }
        add(Asked::act_in(), bundle.act_in());
        add(Asked::unmapped(), bundle.unmapped());
        let mut all: Vec<(usize, Asked)> =
            kinds.into_iter().map(|(it, place)| (place, it)).collect();
        all.sort_unstable_by_key(|(place, _)| *place);
        Self { all: all.into_iter().map(|(_, it)| it).collect(), by_action }
    }

    /// Returns the questions that match the scope of a policy.
    pub(super) fn fitting(&self, policy: &Policy) -> Vec<&Asked> {
        let of = |uid: &EntityUid| self.by_action.get(uid).into_iter().flatten().copied();
        let places: BTreeSet<usize> = match policy.action_constraint() {
            ActionConstraint::Any => (0..self.all.len()).collect(),
            ActionConstraint::Eq(uid) => of(&uid).collect(),
            ActionConstraint::In(uids) => uids.iter().flat_map(of).collect(),
        };
        let asked = places.into_iter().filter_map(|place| self.all.get(place));
        asked.filter(|asked| asked.fits(policy)).collect()
    }
}
