//! Remembers decisions, exactly: a decision is a pure function of what is put to the policies, and
//! the key holds all of it that they can see.
//!
//! Facts are in the key as their versions, the bundle as the number of the slice of policies that is
//! asked; so an entry is never wrong, only no longer asked for, and an edit of one policy makes nothing
//! else forgotten. What is left out is what the policies cannot look at, as
//! [`View`](policy_store::bundle::View) has it: the path but for the forms that they hold it
//! against, the names of a caller and of an object, the token's age, the client's address. Where a name
//! is not seen, what is said of its bearer is in the key as the likeness of the fact: a thousand nurses
//! of one hospital have one entry.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use policy_store::bundle::{SeenPath, Slice, View};
use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts};
use policy_store::routes::Route;
use policy_store::watch::Published;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::Caller;
use crate::accept::Arrival;
use crate::decide::{Denied, Early, Judged};
use crate::resolve::Access;

/// Entries of each kind at the most.
const ENTRIES: usize = 100_000;

/// Everything that the policies can see of a request, up to the layer `role`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EarlyKey {
    /// The policies: with them goes the schema.
    slice: u64,
    target: Target,
    /// The user, as far as it is seen, and its organisation; `None` for a guest.
    caller: Option<(u64, Option<u64>)>,
    /// Whether the object has the caller's name: a user is then the caller itself. Policies can ask for
    /// that without any name, and what is known of the object is then what is known of the caller.
    itself: bool,
    client: Option<IpAddr>,
    token_age: Option<i64>,
}

/// What is asked for. A route says action, type and feature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    route: Option<This>,
    /// Of what fits no route: a route has one.
    method: Option<Arc<str>>,
    path: SeenPath,
    id: Option<Arc<str>>,
    workflow: Option<Arc<str>>,
}

/// This route and no other, for as long as it is held.
#[derive(Debug, Clone)]
struct This(Arc<Route>);

impl PartialEq for This {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for This {}

impl Hash for This {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// Everything that they can see after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LateKey {
    early: EarlyKey,
    tenant: Option<u64>,
    /// The object, as far as it is seen.
    object: Option<u64>,
    body_fields: Vec<Arc<str>>,
    body_roles: Vec<Arc<str>>,
}

/// Everything about acting in a tenant: the policies, the user, its organisation, the tenant.
pub(super) type ActInKey = (u64, u64, Option<u64>, u64);

impl EarlyKey {
    /// The key of what `view` is the view of.
    pub(super) fn new(
        published: &Published,
        slice: &Slice,
        view: &View,
        access: &Access,
        arrival: &Arrival,
        caller: Option<&Caller>,
    ) -> Self {
        let (sight, route) = (published.bundle.sight(), access.route());
        let named = access.object().map(|(_, id)| id);
        Self {
            slice: slice.number,
            target: Target {
                route: route.map(|route| This(Arc::clone(route))),
                method: route.is_none().then(|| Arc::clone(&arrival.method)),
                path: view.path(&arrival.path),
                id: named.filter(|_| view.names()).map(Arc::clone),
                workflow: access.workflow().map(Arc::clone),
            },
            caller: caller.map(|it| it.seen(view.names_users())),
            itself: caller.is_some_and(|it| named == Some(&it.user.value.id)),
            client: sight.client_address.then_some(arrival.client),
            token_age: caller.and_then(|it| it.token_age).filter(|_| sight.token_age),
        }
    }
}

impl LateKey {
    /// The key of what `view`, which made `early`, is the view of; and whether others name objects of
    /// this type.
    pub(super) fn new(
        early: EarlyKey,
        (view, named_by_others): (&View, bool),
        tenant: Option<&Fact<OrganizationFacts>>,
        object: Option<&ObjectFacts>,
        body_fields: &[Arc<str>],
        body_roles: &[Arc<str>],
    ) -> Self {
        let unnamed = !view.names() && !named_by_others;
        let object = object.map(|object| match object {
            ObjectFacts::Owned(fact) if unnamed => fact.likeness,
            other => other.version(),
        });
        Self {
            early,
            tenant: tenant.map(|it| it.version),
            object,
            body_fields: body_fields.to_vec(),
            body_roles: body_roles.to_vec(),
        }
    }
}

/// The decisions that are remembered.
#[derive(Debug)]
pub(crate) struct Memo {
    /// `None`: nothing is.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    early: Answers<EarlyKey, Arc<Early>>,
    late: Answers<LateKey, Arc<Judged>>,
    act_in: Answers<ActInKey, bool>,
}

/// A look into it writes nothing but that there was one: what is asked for often is shared by all
/// workers, and a list in the order of use would be written by each of them at each request.
type Answers<K, V> = Cache<K, V, UnitWeighter, ahash::RandomState>;

impl Memo {
    /// Remembers, if it is to.
    pub(crate) fn new(on: bool) -> Self {
        Self { kept: on.then(Kept::new) }
    }

    pub(super) fn early(
        &self,
        key: impl FnOnce() -> EarlyKey,
        ask: impl FnOnce() -> Result<Early, Denied>,
    ) -> Result<Arc<Early>, Denied> {
        let ask = || ask().map(Arc::new);
        remembered(self.kept.as_ref().map(|kept| &kept.early), key, ask)
    }

    pub(super) fn late(
        &self,
        key: impl FnOnce() -> LateKey,
        ask: impl FnOnce() -> Result<Judged, Denied>,
    ) -> Result<Arc<Judged>, Denied> {
        let ask = || ask().map(Arc::new);
        remembered(self.kept.as_ref().map(|kept| &kept.late), key, ask)
    }

    pub(super) fn act_in(
        &self,
        key: impl FnOnce() -> ActInKey,
        ask: impl FnOnce() -> Result<bool, Denied>,
    ) -> Result<bool, Denied> {
        remembered(self.kept.as_ref().map(|kept| &kept.act_in), key, ask)
    }
}

impl Kept {
    fn new() -> Self {
        Self { early: cache(), late: cache(), act_in: cache() }
    }
}

fn cache<K, V>() -> Answers<K, V>
where
    K: Hash + Eq,
    V: Clone,
{
    let hasher = ahash::RandomState::new();
    Cache::with(ENTRIES, ENTRIES as u64, UnitWeighter, hasher, DefaultLifecycle::default())
}

/// The remembered answer, or a new one, which is remembered unless it is that the policies are
/// broken or cannot be asked.
fn remembered<K, V>(
    cache: Option<&Answers<K, V>>,
    key: impl FnOnce() -> K,
    ask: impl FnOnce() -> Result<V, Denied>,
) -> Result<V, Denied>
where
    K: Hash + Eq,
    V: Clone,
{
    let Some(cache) = cache else { return ask() };
    let key = key();
    if let Some(known) = cache.get(&key) {
        return Ok(known);
    }
    let answer = ask()?;
    cache.insert(key, answer.clone());
    Ok(answer)
}

#[cfg(test)]
mod tests;
