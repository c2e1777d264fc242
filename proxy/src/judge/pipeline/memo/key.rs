//! The keys of remembered decisions.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use policy_store::bundle::{SeenPath, View};
use policy_store::facts::ObjectFacts;
use policy_store::routes::Route;
use policy_store::watch::Published;

use crate::judge::pipeline::seen::Seen;

/// Everything that the policies up to the layer `role` can see of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::judge::pipeline) struct EarlyKey {
    /// The number of the policies, which implies the schema.
    policies: u64,
    target: Target,
    /// The ids of the user and its organisation that the policies can tell apart; `None` for a guest.
    caller: Option<(u64, Option<u64>)>,
    /// Whether the object has the caller's id: a user is then the caller itself. Policies can compare the two
    /// without naming either, and the facts of the object are then those of the caller.
    itself: bool,
    client: Option<IpAddr>,
    token_age: Option<i64>,
}

/// The target of a request. A route implies the action, the type and the feature.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    route: Option<This>,
    /// The method of a request without a route; a route implies the method.
    method: Option<Arc<str>>,
    path: SeenPath,
    id: Option<Arc<str>>,
    workflow: Option<Arc<str>>,
}

/// A route, compared by identity.
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

/// Everything that the policies after the layer `role` can see of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::judge::pipeline) struct LateKey {
    early: EarlyKey,
    tenant: Option<u64>,
    /// The id of the object that the policies can tell apart.
    object: Option<u64>,
    body_fields: Vec<Arc<str>>,
    body_roles: Vec<Arc<str>>,
}

/// Everything that decides whether a caller may act in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::judge::pipeline) struct ActInKey {
    policies: (u64, u64),
    caller: Option<(u64, Option<u64>)>,
    tenant: Option<u64>,
}

impl EarlyKey {
    /// The key of the decision up to the layer `role`.
    pub(in crate::judge::pipeline) fn of(published: &Published, seen: &Seen<'_>) -> Self {
        let slice = seen.access.slice(&published.bundle);
        Self::new(published, (slice.early_number, &slice.early_view), seen)
    }

    /// The key for policies with this number and view.
    fn new(published: &Published, (policies, view): (u64, &View), seen: &Seen<'_>) -> Self {
        let (sight, route) = (published.bundle.sight(), seen.access.route());
        let named = seen.access.object().map(|(_, id)| id);
        let caller = seen.caller;
        Self {
            policies,
            target: Target {
                route: route.map(|route| This(Arc::clone(route))),
                method: route.is_none().then(|| Arc::clone(seen.method)),
                path: view.path(seen.path),
                id: named.filter(|_| view.names()).map(Arc::clone),
                workflow: seen.access.workflow().map(Arc::clone),
            },
            caller: caller.map(|it| it.seen(view.caller())),
            itself: caller.is_some_and(|it| named == Some(&it.user.value.id)),
            client: sight.client_address.then_some(seen.client),
            token_age: caller.and_then(|it| it.token_age).filter(|_| sight.token_age),
        }
    }
}

impl LateKey {
    /// The key of the decision after the layer `role`.
    pub(in crate::judge::pipeline) fn of(published: &Published, seen: &Seen<'_>) -> Self {
        let (bundle, rest) = (&published.bundle, seen.rest);
        let slice = seen.access.slice(bundle);
        let view = &slice.late_view;
        let kind = seen.access.object().map(|(kind, _)| kind);
        let named_by_others = kind.is_some_and(|kind| bundle.types().are_named_by_others(kind));
        let unnamed = !view.names() && !named_by_others;
        let object = rest.object.map(|object| match object {
            ObjectFacts::Owned(fact) if unnamed => fact.likeness,
            other => other.version(),
        });
        Self {
            early: EarlyKey::new(published, (slice.late_number, view), seen),
            tenant: rest.tenant.map(|it| it.version),
            object,
            body_fields: rest.body_fields.to_vec(),
            body_roles: rest.body_roles.to_vec(),
        }
    }
}

impl ActInKey {
    /// The key of the decision whether the caller may act in the tenant.
    pub(in crate::judge::pipeline) fn of(published: &Published, seen: &Seen<'_>) -> Self {
        let slice = published.bundle.act_in();
        // Never the gist: late policies see at least a likeness, and both are asked about a tenant
        // that may be the caller's own.
        let caller = slice.early_view.caller().max(slice.late_view.caller());
        Self {
            policies: (slice.early_number, slice.late_number),
            caller: seen.caller.map(|it| it.seen(caller)),
            tenant: seen.rest.tenant.map(|it| it.version),
        }
    }
}
