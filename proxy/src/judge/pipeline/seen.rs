//! A request as the policies see it, in a form that can be put to other policies later.

use std::net::IpAddr;
use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::cache::Weigh;
use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts};

use super::Caller;
use crate::accept::Arrival;
use crate::judge::resolve::Access;

/// The inputs of a question and of the key of its answer. Equal inputs make the same question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) path: &'a Arc<str>,
    pub(super) method: &'a Arc<str>,
    pub(super) client: IpAddr,
    pub(super) access: &'a Access,
    /// The caller; `None` for a guest.
    pub(super) caller: Option<&'a Caller>,
    pub(super) rest: Rest<'a>,
}

/// The inputs that are known only after the layer `role`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rest<'a> {
    pub(super) tenant: Option<&'a Arc<Fact<OrganizationFacts>>>,
    pub(super) object: Option<&'a ObjectFacts>,
    pub(super) body_fields: &'a [Arc<str>],
    pub(super) body_roles: &'a [Arc<str>],
    /// The justification. An answer that depends on it is not remembered.
    pub(super) justification: Option<&'a Arc<str>>,
}

/// The inputs of a question as owned values, which outlive the request.
#[derive(Debug)]
pub(super) struct Remembered {
    path: Arc<str>,
    method: Arc<str>,
    client: IpAddr,
    access: Access,
    caller: Option<Caller>,
    tenant: Option<Arc<Fact<OrganizationFacts>>>,
    object: Option<ObjectFacts>,
    body_fields: Vec<Arc<str>>,
    body_roles: Vec<Arc<str>>,
}

impl<'a> Seen<'a> {
    /// The inputs that are known up to the layer `role`.
    pub(super) fn early(
        arrival: &'a Arrival,
        access: &'a Access,
        caller: Option<&'a Caller>,
    ) -> Self {
        let Arrival { path, method, client, .. } = arrival;
        Self { path, method, client: *client, access, caller, rest: Rest::default() }
    }

    /// The number of bytes that the client chose: its path, its method, and the names from its body.
    pub(super) fn chosen(&self) -> usize {
        let named = self.rest.body_fields.weight() + self.rest.body_roles.weight();
        self.path.len() + self.method.len() + named
    }

    /// These inputs together with `rest`.
    pub(super) fn with(self, rest: Rest<'a>) -> Self {
        Self { rest, ..self }
    }
}

impl Remembered {
    pub(super) fn of(seen: &Seen<'_>) -> Self {
        Self {
            path: Arc::clone(seen.path),
            method: Arc::clone(seen.method),
            client: seen.client,
            access: seen.access.without_tenants(),
            caller: seen.caller.map(Caller::without_token),
            tenant: seen.rest.tenant.cloned(),
            object: seen.rest.object.cloned(),
            body_fields: seen.rest.body_fields.to_vec(),
            body_roles: seen.rest.body_roles.to_vec(),
        }
    }

    /// The size in bytes of these inputs and of the key made from them, which shares their texts but has its own lists.
    pub(super) fn weight(&self) -> usize {
        let Self {
            path,
            method,
            client: _,
            access,
            caller,
            tenant,
            object,
            body_fields,
            body_roles,
        } = self;
        let about = caller.as_ref().map_or(0, |it| it.user.weight() + it.organization.weight());
        let facts = about + tenant.weight() + object.as_ref().map_or(0, Weigh::weight);
        let target = path.weight() + method.weight() + access.named();
        let lists = body_fields.weight() + body_roles.weight();
        let lists_of_key = (body_fields.len() + body_roles.len()) * size_of::<Arc<str>>();
        target + facts + lists + lists_of_key
    }

    /// The access of the same request under another bundle; `None` if the request would ask for something else there.
    pub(super) fn access_in(&self, bundle: &Bundle) -> Option<Access> {
        let access = Access::found(&self.method, &self.path, bundle);
        (access.takes_as(&self.access) && access.slice(bundle).public == self.caller.is_none())
            .then_some(access)
    }

    /// The inputs with the access under another bundle.
    pub(super) fn seen<'a>(&'a self, access: &'a Access) -> Seen<'a> {
        Seen {
            path: &self.path,
            method: &self.method,
            client: self.client,
            access,
            caller: self.caller.as_ref(),
            rest: Rest {
                tenant: self.tenant.as_ref(),
                object: self.object.as_ref(),
                body_fields: &self.body_fields,
                body_roles: &self.body_roles,
                justification: None,
            },
        }
    }
}
