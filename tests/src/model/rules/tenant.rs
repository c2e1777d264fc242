//! Layer 5: the one tenant in which a request acts, and the object that it touches.

use super::{Case, Layer, Place, refuse};
use crate::model::{
    Json, Organization,
    routes::Matched,
    tenancy::{self, Name},
};

impl<'a> Case<'a> {
    /// The start of layer 5: the tenant that the request names.
    pub(super) fn named(
        &self,
        query: Vec<Name>,
        members: &[(String, Json)],
    ) -> Layer<Option<&'a Organization>> {
        let Some(in_body) = tenancy::in_body(members) else {
            return refuse(400, "body_invalid", "a tenant is named by what is no string");
        };
        let host = tenancy::in_host(self.world, self.request);
        let header = self.request.tenant.as_ref().map(|slug| Name::Slug(slug.clone()));
        let mut named: Option<&Organization> = None;
        let mut conflict = None;
        for name in host.into_iter().chain(header).chain(query).chain(in_body) {
            let found = match &name {
                Name::Slug(slug) => self.world.by_slug(slug),
                Name::Id(id) => self.world.organization(id),
            };
            let Some(found) = found.filter(|found| self.may_act_in(found)) else {
                return refuse(403, "cross_tenant", format!("the caller may not act in {name:?}"));
            };
            if let Some(other) = named.filter(|other| other.id != found.id) {
                conflict = Some(format!("{} and {} are both named", other.id, found.id));
            }
            named = Some(found);
        }
        conflict.map_or(Ok(named), |why| refuse(400, "tenant_conflict", why))
    }

    fn may_act_in(&self, tenant: &Organization) -> bool {
        let home = self.world.home(self.caller);
        let own = home.is_some_and(|home| home.id == tenant.id);
        let group = home.and_then(|home| home.group.as_ref());
        let sister = group.is_some() && group == tenant.group.as_ref();
        own || self.caller.is("PLATFORM_ADMIN") || (sister && self.caller.is("GROUP_ADMIN"))
    }

    /// The rest of layer 5: the tenant in which it acts, and the object that it touches.
    pub(super) fn place(
        &self,
        matched: &Matched<'_>,
        named: Option<&'a Organization>,
    ) -> Layer<Place<'a>> {
        let scope = matched.route.scope.as_str();
        let usual = named.or_else(|| self.world.home(self.caller));
        match scope {
            "tenant" | "workflow" if usual.is_none() => {
                refuse(403, "tenant_required", "the caller belongs nowhere and names no tenant")
            }
            "lookup" | "workflow+lookup" | "organization" => self.touched(matched, named, usual),
            _ => Ok(Place { tenant: usual, object: None }),
        }
    }

    fn touched(
        &self,
        matched: &Matched<'_>,
        named: Option<&'a Organization>,
        usual: Option<&'a Organization>,
    ) -> Layer<Place<'a>> {
        let (kind, id) = (matched.route.resource.as_str(), matched.id.unwrap_or_default());
        let Some(object) = self.world.object(kind, id) else {
            return refuse(404, "not_found", format!("there is no {kind} {id}"));
        };
        let owner = object.owner.as_ref().and_then(|id| self.world.organization(id));
        let Some(owner) = owner else {
            let reads = matched.route.method == "GET";
            if kind == "ServiceCode" && (reads || self.caller.is("PLATFORM_ADMIN")) {
                return Ok(Place { tenant: usual, object: Some(object) });
            }
            return refuse(404, "not_found", format!("{kind} {id} belongs to nobody"));
        };
        if !self.may_act_in(owner) {
            return refuse(404, "not_found", format!("{kind} {id} belongs to {}", owner.id));
        }
        if named.is_some_and(|named| named.id != owner.id) {
            return refuse(404, "not_found", format!("{kind} {id} is not the named tenant's"));
        }
        Ok(Place { tenant: Some(owner), object: Some(object) })
    }
}
