//! The tenant in which a request acts, and the object that it touches (`domain.md`, layer 5).

use std::sync::Arc;

use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts, OrganizationKey};

use super::ask::caller_entities;
use super::{Admitted, Pipeline};
use crate::accept::Arrival;
use crate::body;
use crate::decide::Question;
use crate::entities::{self, uid};
use crate::refusal::Refusal;
use crate::trail::Trail;

impl Pipeline {
    /// The tenant that the request names, when all its names are permitted and agree.
    pub(super) async fn named_tenant(
        &self,
        arrival: &Arrival,
        admitted: &Admitted,
        body: &body::Judged,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, Refusal> {
        let mut keys = admitted.access.tenants(arrival, &self.tenancy);
        keys.extend(body.tenants(&self.tenancy.names)?.into_iter().map(OrganizationKey::Id));
        let mut tenants: Vec<Arc<Fact<OrganizationFacts>>> = Vec::with_capacity(keys.len());
        for key in keys {
            let named = match &key {
                OrganizationKey::Id(name) | OrganizationKey::Slug(name) => name,
            };
            let refused = || Refusal::CrossTenant(named.to_string());
            if named.is_empty() {
                return Err(refused());
            }
            let found = self.facts.organization(&key, &admitted.terms).await?;
            let found = found.ok_or_else(refused)?;
            trail.asked_at(found.asked_at);
            if !self.may_act_in(admitted, &found)? {
                return Err(refused());
            }
            tenants.push(found);
        }
        let mut tenants = tenants.into_iter();
        let first = tenants.next();
        if tenants.any(|other| first.as_ref().is_some_and(|it| it.value.id != other.value.id)) {
            return Err(Refusal::TenantConflict);
        }
        Ok(first)
    }

    /// Asks the policies whether the caller may act in `tenant`.
    fn may_act_in(
        &self,
        admitted: &Admitted,
        tenant: &Fact<OrganizationFacts>,
    ) -> Result<bool, Refusal> {
        let Admitted { published, caller, .. } = admitted;
        let bundle = &published.bundle;
        let slice = bundle.act_in();
        let key = || {
            let named = slice.early_view.names_users() || slice.late_view.names_users();
            let (user, organization) = caller.seen(named);
            (slice.number, user, organization, tenant.version)
        };
        Ok(self.memo.act_in(key, || {
            let entity = entities::organization(bundle, &tenant.value)?;
            let resource = entity.uid();
            let mut known = caller_entities(bundle, caller)?;
            if !known.iter().any(|it| it.uid() == resource) {
                known.push(entity);
            }
            let principal = uid(&bundle.types().user, &caller.user.value.id);
            let context = cedar_policy::Context::empty();
            let question = Question::new(slice, principal, resource, context, known)?;
            self.act_in(bundle, &question)
        })?)
    }

    /// The object that the request names; an absent one is not found.
    pub(super) async fn object(
        &self,
        admitted: &Admitted,
        trail: &mut Trail,
    ) -> Result<Option<ObjectFacts>, Refusal> {
        let Some((kind, id)) = admitted.access.object() else { return Ok(None) };
        let found = self.facts.object(kind, id, &admitted.terms).await?;
        let found = found.ok_or(Refusal::NotFound)?;
        trail.asked_at(found.asked_at());
        Ok(Some(found))
    }

    /// The tenant in which the request acts: the one that it names; else the object's, if the
    /// caller may act there; else the caller's own.
    pub(super) async fn tenant(
        &self,
        admitted: &Admitted,
        named: Option<Arc<Fact<OrganizationFacts>>>,
        object: Option<&ObjectFacts>,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, Refusal> {
        if named.is_some() {
            return Ok(named);
        }
        let own = admitted.caller.organization.clone();
        let Some(owner) = object.and_then(ObjectFacts::owner) else { return Ok(own) };
        if own.as_ref().is_some_and(|own| own.value.id == *owner) {
            return Ok(own);
        }
        let key = OrganizationKey::Id(Arc::clone(owner));
        let Some(owner) = self.facts.organization(&key, &admitted.terms).await? else {
            return Ok(own);
        };
        trail.asked_at(owner.asked_at);
        if self.may_act_in(admitted, &owner)? { Ok(Some(owner)) } else { Ok(own) }
    }
}
