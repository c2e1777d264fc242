//! Puts what is known of a request into a question for the policies.

use std::sync::Arc;

use cedar_policy::Entity;
use policy_store::bundle::Bundle;
use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts};

use super::Caller;
use crate::accept::Arrival;
use crate::decide::{Denied, Question};
use crate::entities::{self, Circumstances, uid};
use crate::resolve::Access;

/// What is known only after the layer `role`.
#[derive(Debug, Default)]
pub(super) struct Rest<'a> {
    pub(super) tenant: Option<&'a Fact<OrganizationFacts>>,
    pub(super) object: Option<&'a ObjectFacts>,
    pub(super) body_fields: &'a [Arc<str>],
    pub(super) body_roles: &'a [Arc<str>],
    pub(super) justification: Option<&'a Arc<str>>,
}

/// The question about a request, with what is known so far.
pub(super) fn question(
    bundle: &Bundle,
    access: &Access,
    arrival: &Arrival,
    caller: &Caller,
    rest: &Rest<'_>,
) -> Result<Question, Denied> {
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
        path: &arrival.path,
        method: &arrival.method,
        tenant: rest.tenant.map(|tenant| &*tenant.value.id),
        feature: access.feature().map(|it| &**it),
        workflow: access.workflow().map(|it| &**it),
        body_fields: rest.body_fields,
        body_roles: rest.body_roles,
        break_glass: rest.justification.map(|it| &**it),
        client: Some(arrival.client),
        token_age: caller.token_age.filter(|_| bundle.sight().token_age),
    };
    let principal = uid(&types.user, &caller.user.value.id);
    Question::new(access.slice(bundle), principal, resource, circumstances.context(bundle)?, known)
}

/// The question about a public route.
pub(super) fn guest(
    bundle: &Bundle,
    access: &Access,
    arrival: &Arrival,
) -> Result<Question, Denied> {
    let types = bundle.types();
    let circumstances = Circumstances {
        path: &arrival.path,
        method: &arrival.method,
        client: Some(arrival.client),
        ..Circumstances::default()
    };
    let resource = uid(&types.endpoint, access.action());
    let context = circumstances.context(bundle)?;
    let principal = uid(&types.guest, "guest");
    Question::new(access.slice(bundle), principal, resource, context, Vec::new())
}

/// The caller and its organisation.
pub(super) fn caller_entities(bundle: &Bundle, caller: &Caller) -> Result<Vec<Entity>, Denied> {
    let mut known = vec![entities::user(bundle, &caller.user.value)?];
    if let Some(organization) = &caller.organization {
        known.push(entities::organization(bundle, &organization.value)?);
    }
    Ok(known)
}
