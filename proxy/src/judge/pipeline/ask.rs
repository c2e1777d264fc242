//! Puts a request to the policies.

use std::hash::Hash;

use cedar_policy::Entity;
use policy_store::bundle::Bundle;
use policy_store::watch::Published;

use super::memo::{ActInKey, EarlyKey, LateKey};
use super::seen::Seen;
use super::{Caller, Moment, Witness};
use crate::judge::decide::{self, Denied, Early, Judged, Question};
use crate::judge::entities::{self, Circumstances, uid};

/// An answer of the policies about a request.
pub(super) trait Answer: Sized {
    /// The key of the answer: everything that the answer depends on.
    type Key: Hash + Eq + Clone;

    /// The key of the answer that this bundle gives.
    fn key(published: &Published, seen: &Seen<'_>) -> Self::Key;

    /// Puts the question to the policies.
    ///
    /// # Errors
    ///
    /// Fails if a policy fails to evaluate or the question cannot be put.
    fn ask(bundle: &Bundle, seen: &Seen<'_>, witness: Option<&Witness>) -> Result<Self, Denied>;
}

/// Whether a caller may act in a tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct MayActIn(pub(super) bool);

impl Answer for Early {
    type Key = EarlyKey;

    fn key(published: &Published, seen: &Seen<'_>) -> EarlyKey {
        EarlyKey::of(published, seen)
    }

    fn ask(bundle: &Bundle, seen: &Seen<'_>, witness: Option<&Witness>) -> Result<Self, Denied> {
        let (slice, asked) = (seen.access.slice(bundle), question(bundle, seen)?);
        Witness::hear(witness, Moment::Early, slice, &asked);
        decide::early(bundle, slice, &asked)
    }
}

impl Answer for Judged {
    type Key = LateKey;

    fn key(published: &Published, seen: &Seen<'_>) -> LateKey {
        LateKey::of(published, seen)
    }

    fn ask(bundle: &Bundle, seen: &Seen<'_>, witness: Option<&Witness>) -> Result<Self, Denied> {
        let (slice, asked) = (seen.access.slice(bundle), question(bundle, seen)?);
        Witness::hear(witness, Moment::Late, slice, &asked);
        decide::late(bundle, slice, &asked)
    }
}

impl Answer for MayActIn {
    type Key = ActInKey;

    fn key(published: &Published, seen: &Seen<'_>) -> ActInKey {
        ActInKey::of(published, seen)
    }

    fn ask(bundle: &Bundle, seen: &Seen<'_>, witness: Option<&Witness>) -> Result<Self, Denied> {
        let (Some(caller), Some(tenant)) = (seen.caller, seen.rest.tenant) else {
            return Err(Denied::Unaskable("nobody is to act, or nowhere".to_owned()));
        };
        let entity = entities::organization(bundle, &tenant.value)?;
        let resource = entity.uid();
        let mut known = caller_entities(bundle, caller)?;
        if !known.iter().any(|it| it.uid() == resource) {
            known.push(entity);
        }
        let principal = uid(&bundle.types().user, &caller.user.value.id);
        let (slice, context) = (bundle.act_in(), cedar_policy::Context::empty());
        let asked = Question::new(slice, principal, resource, context, known)?;
        Witness::hear(witness, Moment::ActIn, slice, &asked);
        decide::act_in(bundle, &asked).map(Self)
    }
}

/// The question about a request, with the facts known so far.
fn question(bundle: &Bundle, seen: &Seen<'_>) -> Result<Question, Denied> {
    let Some(caller) = seen.caller else { return guest(bundle, seen) };
    let Seen { access, rest, .. } = seen;
    let types = bundle.types();
    let resource = match access.object() {
        Some((kind, id)) => {
            let kind = types.resource(kind);
            uid(
                kind.ok_or_else(|| {
                    Denied::Unaskable("the type of the object is unknown".to_owned())
                })?,
                id,
            )
        }
        None => uid(&types.endpoint, access.action()),
    };
    let mut known = caller_entities(bundle, caller)?;
    let mut add = |entity: Entity| {
        if !known.iter().any(|it| it.uid() == entity.uid()) {
            known.push(entity);
        }
    };
    if let Some(tenant) = rest.tenant {
        add(entities::organization(bundle, &tenant.value)?);
    }
    if let Some(object) = rest.object {
        add(entities::object(bundle, &resource, object)?);
    }
    let circumstances = Circumstances {
        path: seen.path,
        method: seen.method,
        tenant: rest.tenant.map(|tenant| &*tenant.value.id),
        feature: access.feature().map(|it| &**it),
        workflow: access.workflow().map(|it| &**it),
        body_fields: rest.body_fields,
        body_roles: rest.body_roles,
        break_glass: rest.justification.map(|it| &**it),
        client: Some(seen.client),
        token_age: caller.token_age.filter(|_| bundle.sight().token_age),
    };
    let principal = uid(&types.user, &caller.user.value.id);
    Question::new(access.slice(bundle), principal, resource, circumstances.context(bundle)?, known)
}

/// The question about a request to a public route.
fn guest(bundle: &Bundle, seen: &Seen<'_>) -> Result<Question, Denied> {
    let types = bundle.types();
    let circumstances = Circumstances {
        path: seen.path,
        method: seen.method,
        client: Some(seen.client),
        ..Circumstances::default()
    };
    let resource = uid(&types.endpoint, seen.access.action());
    let context = circumstances.context(bundle)?;
    let principal = uid(&types.guest, "guest");
    Question::new(seen.access.slice(bundle), principal, resource, context, Vec::new())
}

/// The entities of the caller and of its organisation.
fn caller_entities(bundle: &Bundle, caller: &Caller) -> Result<Vec<Entity>, Denied> {
    let mut known = vec![entities::user(bundle, &caller.user.value)?];
    if let Some(organization) = &caller.organization {
        known.push(entities::organization(bundle, &organization.value)?);
    }
    Ok(known)
}
