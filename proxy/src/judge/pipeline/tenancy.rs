//! Finds the tenant in which a request acts, and the object that it touches (`domain.md`, layer 5).

use std::sync::Arc;

use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts, OrganizationKey};

use super::seen::{Rest, Seen};
use super::{Admitted, Pipeline};
use crate::accept::Arrival;
use crate::judge::body;
use crate::judge::refusal::Refusal;
use crate::judge::trail::Trail;

/// Which questions about the object of a request were put to the database.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The question about the object itself.
    pub(super) object: bool,
    /// The question about the organisation that owns it.
    pub(super) owner: bool,
}

impl Pipeline {
    /// The tenant that the request names, if all names are permitted and agree.
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
            let asked = admitted.terms.questions();
            let found = self.facts.organization(&key, &admitted.terms).await?;
            if let Some(found) = &found {
                trail.asked_at(found.asked_at);
            }
            match found {
                Some(found) if self.may_act_in(arrival, admitted, &found)? => tenants.push(found),
                // Neither the answer nor its timing reveals whether the tenant exists.
                _ => {
                    if asked == admitted.terms.questions() {
                        self.facts.organization_anew(&key, &admitted.terms).await?;
                    }
                    return Err(refused());
                }
            }
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
        arrival: &Arrival,
        admitted: &Admitted,
        tenant: &Arc<Fact<OrganizationFacts>>,
    ) -> Result<bool, Refusal> {
        let Admitted { published, access, caller, .. } = admitted;
        let rest = Rest { tenant: Some(tenant), ..Rest::default() };
        let seen = Seen::early(arrival, access, Some(caller)).with(rest);
        Ok(self.memo.act_in(published, &seen, self.witness())?)
    }

    /// Makes a refusal that must not reveal whether the object exists cost as much as one for an absent
    /// object: one query for the object and one for an organisation. Otherwise a client that guesses ids
    /// could tell by the timing which of them belong to other tenants.
    pub(super) async fn even_out(&self, admitted: &Admitted, asked: &Asked) -> Result<(), Refusal> {
        let Some((kind, id)) = admitted.access.object() else { return Ok(()) };
        if !asked.object {
            self.facts.object_anew(kind, id, &admitted.terms).await?;
        }
        let own = admitted.caller.user.value.organization.as_ref();
        if let Some(own) = own.filter(|_| !asked.owner) {
            let key = OrganizationKey::Id(Arc::clone(own));
            self.facts.organization_anew(&key, &admitted.terms).await?;
        }
        Ok(())
    }

    /// The object that the request names, if any. An absent object is refused as not found.
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

    /// The tenant in which the request acts: the named one; else the object's owner, if the
    /// caller may act there; else the caller's own.
    pub(super) async fn tenant(
        &self,
        arrival: &Arrival,
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
        if self.may_act_in(arrival, admitted, &owner)? { Ok(Some(owner)) } else { Ok(own) }
    }
}
