//! The callers that are tried on a route.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use cedar_policy::{
    Context, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression as Expression,
};

use super::Question;
use super::about::{ANOTHER, About, Lack};
use super::words::Words;
use super::worlds::{World, combined};
use crate::bundle::{Bundle, Slice};
use crate::routes::Route;

/// The value of anything that no policy names.
pub(super) const SAMPLE: &str = "sample";
/// The status of an account in order, as the default mapping spells it.
pub(super) const ACTIVE: &str = "ACTIVE";
/// The maximum number of words from the policies that are tried for one value.
pub(super) const WORDS: usize = 12;

/// A caller, and the circumstances of the request.
#[derive(Debug, Clone)]
pub(in crate::bundle) struct Caller<'a> {
    pub(in crate::bundle) roles: Vec<&'a str>,
    features: Vec<&'a str>,
    world: World<'a>,
}

impl<'a> Caller<'a> {
    pub(super) fn world(&self) -> World<'a> {
        self.world
    }

    pub(super) fn workflow(&self) -> &'a str {
        self.world.workflow
    }

    /// Whether the caller belongs to an organisation, and whether the caller asks for its own account.
    pub(super) fn situation(&self) -> (bool, bool) {
        (self.world.organized, self.world.itself)
    }

    /// Whether the caller's request acts in a tenant: the tenant that it names, or else the caller's own
    /// organisation.
    fn has_tenant(&self, about: Option<&About<'_>>) -> bool {
        about.is_some_and(|about| self.world.organized || about.has(Lack::Tenant))
    }

    pub(super) fn status(&self) -> &'a str {
        self.world.user_status
    }
}

/// The callers that can be tried on a route.
#[derive(Debug, Clone, Copy)]
pub(in crate::bundle) struct Callers<'a> {
    pub(in crate::bundle) bundle: &'a Bundle,
    pub(in crate::bundle) slice: &'a Slice,
    pub(in crate::bundle) route: &'a Route,
}

impl<'a> Callers<'a> {
    /// Returns one caller with every role, and one caller for each single role; all with all features.
    pub(super) fn usual(self) -> impl Iterator<Item = Caller<'a>> {
        let every: Vec<&str> = self.bundle.vocabulary().roles().map(|it| &**it).collect();
        self.in_world(World::usual(), &every)
    }

    /// Returns one caller with every role, and one caller for each of the roles `singles`, in `world`.
    pub(in crate::bundle) fn in_world(
        self,
        world: World<'a>,
        singles: &[&'a str],
    ) -> impl Iterator<Item = Caller<'a>> + use<'a> {
        let vocabulary = self.bundle.vocabulary();
        let every: Vec<&str> = vocabulary.roles().map(|it| &**it).collect();
        // A guest has no roles.
        let singles = if self.slice.public { Vec::new() } else { singles.to_vec() };
        let features = world.ticked.of(vocabulary.features().map(|it| &**it));
        let all = std::iter::once(every).chain(singles.into_iter().map(|role| vec![role]));
        all.map(move |roles| Caller { roles, features: features.clone(), world })
    }

    /// Tries all callers whom the policies can distinguish, until `ask` breaks off. One role and one feature
    /// stand for all those that the policies do not name.
    pub(super) fn thorough(
        self,
        said: &Words<'a>,
        ask: &mut dyn FnMut(&Caller<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let vocabulary = self.bundle.vocabulary();
        let roles = said.told_apart(vocabulary.roles().map(|it| &**it));
        let features = said.told_apart(vocabulary.features().map(|it| &**it));
        let worlds = combined(&said.odds(self.route));
        for odds in &worlds {
            for caller in self.in_world(World::with(odds), &roles) {
                ask(&caller)?;
            }
        }
        for world in worlds.iter().filter(|odds| odds.len() <= 1).map(|odds| World::with(odds)) {
            for some_features in subsets(features.len()) {
                for some_roles in subsets(roles.len()) {
                    let (roles, features) =
                        (chosen(&roles, some_roles), chosen(&features, some_features));
                    ask(&Caller { roles, features, world })?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Returns the question about a caller: without `about`, as before the body is read and the object looked
    /// up; with `about`, as after that. Returns `None` if the question cannot be built.
    pub(super) fn question(
        self,
        caller: &Caller<'_>,
        about: Option<&About<'_>>,
    ) -> Option<Question> {
        let types = self.bundle.types();
        let world = &caller.world;
        let resource = if self.route.scope.looks_up() {
            let other = is_account(self.route) && !world.itself;
            let own = match &*self.route.resource {
                "User" => world.user,
                "Organization" => world.organization,
                _ => world.object,
            };
            let foreign = about.is_some_and(|about| about.foreign) && self.is_of_organizations();
            let other = other || foreign;
            uid(types.resource(&self.route.resource)?, if other { ANOTHER } else { own })
        } else {
            uid(&types.endpoint, &self.route.action)
        };
        let context = self.context(caller, about)?;
        if self.slice.public {
            return Some((uid(&types.guest, "guest"), resource, context, Vec::new()));
        }
        let home = about.is_none_or(|about| about.has(Lack::Home)) && world.at_home;
        let home = if home { world.organization } else { ANOTHER };
        let user = self.user(caller, home)?;
        let principal = user.uid();
        let mut known = vec![user];
        if world.organized || caller.has_tenant(about) {
            known.push(self.organization(world.organization, caller, about)?);
        }
        let foreign = resource.type_name() == &types.organization
            && resource.id().unescaped() != world.organization;
        if home != world.organization || foreign {
            known.push(self.organization(ANOTHER, caller, about)?);
        }
        if let Some(about) = about.filter(|_| resource != principal) {
            known.extend(about.object(self, caller, &resource));
        }
        Some((principal, resource, context, known))
    }

    fn is_of_organizations(self) -> bool {
        &*self.route.resource == "Organization"
    }

    /// Returns the entity of the caller; `home` is the caller's organisation, if there is one.
    fn user(self, caller: &Caller<'_>, home: &str) -> Option<Entity> {
        let types = self.bundle.types();
        let mut attributes = HashMap::from([
            ("roles".to_owned(), entities(&types.role, &caller.roles)),
            ("features".to_owned(), entities(&types.feature, &caller.features)),
            ("status".to_owned(), text(caller.world.user_status)),
        ]);
        if caller.world.organized {
            let own = Expression::new_entity_uid(uid(&types.organization, home));
            attributes.insert("organization".to_owned(), own.clone());
            attributes.insert("owner".to_owned(), own);
        }
        Entity::new(uid(&types.user, caller.world.user), attributes, HashSet::new()).ok()
    }

    fn organization(
        self,
        id: &str,
        caller: &Caller<'_>,
        about: Option<&About<'_>>,
    ) -> Option<Entity> {
        let (types, world) = (self.bundle.types(), &caller.world);
        let own = uid(&types.organization, id);
        let group = world.group.map(|group| uid(&types.group, group));
        let bought = about.is_none_or(|about| about.has(Lack::Features));
        let enabled = about.is_none_or(|about| about.has(Lack::Workflow));
        let features = self.bundle.vocabulary().features().filter(|_| bought).map(|it| &**it);
        let features = if bought { world.bought.of(features) } else { Vec::new() };
        let workflows = std::iter::once(world.workflow);
        let workflows = if enabled { world.enabled.of(workflows) } else { Vec::new() };
        // Only the tenant can be deleted or have an unusual slug: other organisations have its other
        // attributes.
        let tenant = id == world.organization;
        let slug = if tenant { world.slug } else { id };
        let status = if tenant || !world.deleted { world.organization_status } else { ACTIVE };
        let mut attributes = HashMap::from([
            ("slug".to_owned(), text(slug)),
            ("status".to_owned(), text(status)),
            ("deleted".to_owned(), Expression::new_bool(world.deleted && tenant)),
            ("features".to_owned(), entities(&types.feature, &features)),
            ("workflows".to_owned(), Expression::new_set(workflows.into_iter().map(text))),
            ("owner".to_owned(), Expression::new_entity_uid(own.clone())),
        ]);
        if let Some(group) = &group {
            attributes.insert("group".to_owned(), Expression::new_entity_uid(group.clone()));
        }
        Entity::new(own, attributes, group.into_iter().collect()).ok()
    }

    fn context(self, caller: &Caller<'_>, about: Option<&About<'_>>) -> Option<Context> {
        let (route, sight, types) = (self.route, self.bundle.sight(), self.bundle.types());
        let World { workflow, client, object, organization, age, .. } = caller.world;
        let named = |name: &str| if name == "workflow" { workflow } else { object }.to_owned();
        let fields = about.into_iter().flat_map(|about| &about.fields).map(|it| text(it));
        let handed = about.map_or(&[][..], |about| &about.handed);
        let mut pairs = vec![
            ("path", text(&route.path(named))),
            ("method", text(&route.method)),
            ("body_fields", Expression::new_set(fields)),
            ("body_roles", entities(&types.role, handed)),
        ];
        if caller.has_tenant(about) {
            let tenant = uid(&types.organization, organization);
            pairs.push(("tenant", Expression::new_entity_uid(tenant)));
        }
        if about.is_some_and(|about| about.justified) {
            pairs.push(("break_glass", text(SAMPLE)));
        }
        if let Some(feature) = route.feature.as_ref().filter(|_| !self.slice.public) {
            let feature = uid(&types.feature, feature);
            pairs.push(("feature", Expression::new_entity_uid(feature)));
        }
        if route.takes("workflow") && !self.slice.public {
            pairs.push(("workflow", text(workflow)));
        }
        if let Some(age) = age.filter(|_| sight.token_age && !self.slice.public) {
            pairs.push(("token_age", Expression::new_long(age)));
        }
        if sight.client_address {
            pairs.push(("client_address", Expression::new_ip(client.to_string())));
        }
        Context::from_pairs(pairs.into_iter().map(|(name, it)| (name.to_owned(), it))).ok()
    }
}

/// Returns the subsets of `count` things, as bits: first the whole set, then the others by size.
fn subsets(count: usize) -> impl Iterator<Item = u64> {
    let count = u32::try_from(count.min(60)).unwrap_or(60);
    let whole = (1_u64 << count) - 1;
    let sized = move |size: u32| {
        let first = (1_u64 << size) - 1;
        std::iter::successors(Some(first), move |set| next_of_size(*set).filter(|it| *it <= whole))
    };
    std::iter::once(whole).chain((0..count).flat_map(sized))
}

/// Returns the next larger number with the same number of ones.
fn next_of_size(set: u64) -> Option<u64> {
    let lowest = set & set.wrapping_neg();
    let carried = set.checked_add(lowest).filter(|_| lowest > 0)?;
    Some(carried | (((set ^ carried) >> 2) / lowest))
}

fn chosen<'a>(names: &[&'a str], set: u64) -> Vec<&'a str> {
    names
        .iter()
        .enumerate()
        .filter(|(bit, _)| set >> (bit & 63) & 1 == 1)
        .map(|(_, it)| *it)
        .collect()
}

/// Whether the object of a route is a user's account.
pub(super) fn is_account(route: &Route) -> bool {
    &*route.resource == "User"
}

pub(super) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

pub(super) fn entities(kind: &EntityTypeName, names: &[&str]) -> Expression {
    Expression::new_set(names.iter().map(|name| Expression::new_entity_uid(uid(kind, name))))
}

pub(super) fn text(text: &str) -> Expression {
    Expression::new_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::subsets;

    #[test]
    fn every_subset_comes_once_and_small_ones_first() {
        assert_eq!(subsets(0).collect::<Vec<_>>(), [0]);
        assert_eq!(subsets(3).collect::<Vec<_>>(), [7, 0, 1, 2, 4, 3, 5, 6]);
        assert_eq!(subsets(12).count(), 4_096);
        assert_eq!(subsets(1_000).take(100).count(), 100);
    }
}
