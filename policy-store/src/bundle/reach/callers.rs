//! The callers that are tried on a route.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::ops::ControlFlow;

use cedar_policy::{
    Context, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression as Expression,
};

use super::Question;
use crate::bundle::tokens::{Token, tokens};
use crate::bundle::{Bundle, Slice};
use crate::routes::Route;

/// What stands for anything that no policy names.
const SAMPLE: &str = "sample";
/// The word that the default mapping has for an account that is in order.
const ACTIVE: &str = "ACTIVE";
/// So many words of the policies are tried in the place of one.
const WORDS: usize = 12;

/// In so many worlds the usual callers are tried before any unusual one.
const WORLDS: usize = 512;

/// Somebody who asks, and from where.
#[derive(Debug, Clone)]
pub(super) struct Caller<'a> {
    roles: Vec<&'a str>,
    features: Vec<&'a str>,
    world: World<'a>,
}

/// What is about a caller besides roles and features.
#[derive(Debug, Clone, Copy)]
struct World<'a> {
    /// Belongs to an organisation.
    organized: bool,
    user_status: &'a str,
    organization_status: &'a str,
    workflow: &'a str,
    client: IpAddr,
}

/// Those who may be tried on a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Callers<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) slice: &'a Slice,
    pub(super) route: &'a Route,
}

impl<'a> Callers<'a> {
    /// Those who hold every role, and those who hold a single one; with all features.
    pub(super) fn usual(self) -> impl Iterator<Item = Caller<'a>> {
        let vocabulary = self.bundle.vocabulary();
        let every: Vec<&str> = vocabulary.roles().map(|it| &**it).collect();
        // A guest holds nothing.
        let singles = if self.slice.public { Vec::new() } else { every.clone() };
        let features: Vec<&str> = vocabulary.features().map(|it| &**it).collect();
        let all = std::iter::once(every).chain(singles.into_iter().map(|role| vec![role]));
        all.map(move |roles| Caller { roles, features: features.clone(), world: World::usual() })
    }

    /// All whom the policies can tell apart, until one of them breaks it off. Of the roles and
    /// features that they do not name, one stands for all.
    pub(super) fn thorough(
        self,
        ask: &mut dyn FnMut(&Caller<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let said = Words::of(self);
        let vocabulary = self.bundle.vocabulary();
        let roles = said.told_apart(vocabulary.roles().map(|it| &**it));
        let features = said.told_apart(vocabulary.features().map(|it| &**it));
        let worlds = said.worlds();
        for world in worlds.iter().take(WORLDS) {
            for caller in self.usual() {
                ask(&Caller { world: *world, ..caller })?;
            }
        }
        for world in worlds {
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

    /// The question that a caller puts. `None` when it cannot be put.
    pub(super) fn question(self, caller: &Caller<'_>) -> Option<Question> {
        let types = self.bundle.types();
        let resource = if self.route.scope.looks_up() {
            uid(types.resource(&self.route.resource)?, SAMPLE)
        } else {
            uid(&types.endpoint, &self.route.action)
        };
        let context = self.context(caller)?;
        if self.slice.public {
            return Some((uid(&types.guest, SAMPLE), resource, context, Vec::new()));
        }
        let user = self.user(caller)?;
        let principal = user.uid();
        let mut known = vec![user];
        known.extend(caller.world.organized.then(|| self.organization(caller)).flatten());
        Some((principal, resource, context, known))
    }

    fn user(self, caller: &Caller<'_>) -> Option<Entity> {
        let types = self.bundle.types();
        let mut attributes = HashMap::from([
            ("roles".to_owned(), entities(&types.role, &caller.roles)),
            ("features".to_owned(), entities(&types.feature, &caller.features)),
            ("status".to_owned(), text(caller.world.user_status)),
        ]);
        if caller.world.organized {
            let own = Expression::new_entity_uid(uid(&types.organization, SAMPLE));
            attributes.insert("organization".to_owned(), own.clone());
            attributes.insert("owner".to_owned(), own);
        }
        Entity::new(uid(&types.user, SAMPLE), attributes, HashSet::new()).ok()
    }

    fn organization(self, caller: &Caller<'_>) -> Option<Entity> {
        let types = self.bundle.types();
        let (own, group) = (uid(&types.organization, SAMPLE), uid(&types.group, SAMPLE));
        let features: Vec<&str> = self.bundle.vocabulary().features().map(|it| &**it).collect();
        let attributes = HashMap::from([
            ("slug".to_owned(), text(SAMPLE)),
            ("status".to_owned(), text(caller.world.organization_status)),
            ("deleted".to_owned(), Expression::new_bool(false)),
            ("features".to_owned(), entities(&types.feature, &features)),
            ("workflows".to_owned(), Expression::new_set([text(caller.world.workflow)])),
            ("owner".to_owned(), Expression::new_entity_uid(own.clone())),
            ("group".to_owned(), Expression::new_entity_uid(group.clone())),
        ]);
        Entity::new(own, attributes, HashSet::from([group])).ok()
    }

    /// What is known of a request before its body is read and its object looked up.
    fn context(self, caller: &Caller<'_>) -> Option<Context> {
        let (route, sight) = (self.route, self.bundle.sight());
        let World { workflow, client, .. } = caller.world;
        let named = |name: &str| if name == "workflow" { workflow } else { SAMPLE }.to_owned();
        let empty = || Expression::new_set([]);
        let mut pairs = vec![
            ("path", text(&route.path(named))),
            ("method", text(&route.method)),
            ("body_fields", empty()),
            ("body_roles", empty()),
        ];
        if let Some(feature) = &route.feature {
            let feature = uid(&self.bundle.types().feature, feature);
            pairs.push(("feature", Expression::new_entity_uid(feature)));
        }
        if route.takes("workflow") {
            pairs.push(("workflow", text(workflow)));
        }
        if sight.token_age && !self.slice.public {
            pairs.push(("token_age", Expression::new_long(0)));
        }
        if sight.client_address {
            pairs.push(("client_address", Expression::new_ip(client.to_string())));
        }
        Context::from_pairs(pairs.into_iter().map(|(name, it)| (name.to_owned(), it))).ok()
    }
}

impl World<'_> {
    fn usual() -> Self {
        Self {
            organized: true,
            user_status: ACTIVE,
            organization_status: ACTIVE,
            workflow: SAMPLE,
            client: IpAddr::from([127, 0, 0, 1]),
        }
    }
}

/// The words of the policies that decide on a route.
#[derive(Debug, Default)]
struct Words<'a>(Vec<Rule<'a>>);

/// The words of one policy, without its annotations.
#[derive(Debug, Default)]
struct Rule<'a> {
    /// Names of attributes, for example.
    plain: HashSet<&'a str>,
    quoted: BTreeSet<&'a str>,
}

impl<'a> Rule<'a> {
    fn of(text: &'a str) -> Self {
        let mut rule = Self::default();
        let effect = |token: &Token<'_>| matches!(token, Token::Word("permit" | "forbid"));
        for token in tokens(text).map(|(_, token)| token).skip_while(|token| !effect(token)) {
            match token {
                Token::Word(word) => drop(rule.plain.insert(word)),
                Token::Text(text) => drop(rule.quoted.insert(text)),
                Token::Mark(_) => {}
            }
        }
        rule
    }
}

impl<'a> Words<'a> {
    fn of(callers: Callers<'a>) -> Self {
        let Slice { early, permits, .. } = callers.slice;
        let policies = early.policies().chain(permits.policies());
        let rules = policies.filter_map(|policy| callers.bundle.rule(policy.id()));
        Self(rules.map(|rule| Rule::of(&rule.text)).collect())
    }

    fn quoted(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(|rule| rule.quoted.iter().copied())
    }

    /// Those of `all` that the policies name, and one of the others.
    fn told_apart(&self, all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let quoted: HashSet<&str> = self.quoted().collect();
        let (mut named, others): (Vec<_>, Vec<_>) = all.partition(|it| quoted.contains(it));
        named.extend(others.first());
        named
    }

    /// `usual`, and what else the policies may ask for where they look at `attribute`.
    fn instead_of(&self, usual: &'a str, attribute: &str) -> Vec<&'a str> {
        let asking = self.0.iter().filter(|rule| rule.plain.contains(attribute));
        let others: BTreeSet<&str> = asking.flat_map(|rule| &rule.quoted).copied().collect();
        let others = others.into_iter().filter(|it| *it != usual).take(WORDS);
        std::iter::once(usual).chain(others).collect()
    }

    fn clients(&self) -> Vec<IpAddr> {
        let network = |text: &str| text.split('/').next()?.parse().ok();
        let named = self.quoted().filter_map(network).take(WORDS);
        std::iter::once(World::usual().client).chain(named).collect()
    }

    /// The usual world first.
    fn worlds(&self) -> Vec<World<'a>> {
        let statuses = self.instead_of(ACTIVE, "status");
        let workflows = self.instead_of(SAMPLE, "workflow");
        let clients = self.clients();
        let mut worlds = Vec::new();
        for organized in [true, false] {
            for user_status in &statuses {
                for organization_status in &statuses {
                    for workflow in &workflows {
                        worlds.extend(clients.iter().map(|client| World {
                            organized,
                            user_status,
                            organization_status,
                            workflow,
                            client: *client,
                        }));
                    }
                }
            }
        }
        worlds
    }
}

/// The subsets of so many things, as bits: first the whole, then the others by their size.
fn subsets(count: usize) -> impl Iterator<Item = u64> {
    let count = u32::try_from(count.min(60)).unwrap_or(60);
    let whole = (1_u64 << count) - 1;
    let sized = move |size: u32| {
        let first = (1_u64 << size) - 1;
        std::iter::successors(Some(first), move |set| next_of_size(*set).filter(|it| *it <= whole))
    };
    std::iter::once(whole).chain((0..count).flat_map(sized))
}

/// The next larger number with as many ones.
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

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn entities(kind: &EntityTypeName, names: &[&str]) -> Expression {
    Expression::new_set(names.iter().map(|name| Expression::new_entity_uid(uid(kind, name))))
}

fn text(text: &str) -> Expression {
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
