//! A request as the policies see it: what is put to them now, and can be put to others later.

use std::net::IpAddr;
use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::cache::Weigh;
use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts};

use super::Caller;
use crate::accept::Arrival;
use crate::judge::resolve::Access;

/// All that a question and the key of its answer are made of. Two that are equal are one question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) path: &'a Arc<str>,
    pub(super) method: &'a Arc<str>,
    pub(super) client: IpAddr,
    pub(super) access: &'a Access,
    /// `None`: a guest.
    pub(super) caller: Option<&'a Caller>,
    pub(super) rest: Rest<'a>,
}

/// What is known only after the layer `role`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rest<'a> {
    pub(super) tenant: Option<&'a Arc<Fact<OrganizationFacts>>>,
    pub(super) object: Option<&'a ObjectFacts>,
    pub(super) body_fields: &'a [Arc<str>],
    pub(super) body_roles: &'a [Arc<str>],
    /// An answer that rests on it is not remembered.
    pub(super) justification: Option<&'a Arc<str>>,
}

/// The same, kept for longer than the request.
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
    /// What is seen of a request up to the layer `role`.
    pub(super) fn early(
        arrival: &'a Arrival,
        access: &'a Access,
        caller: Option<&'a Caller>,
    ) -> Self {
        let Arrival { path, method, client, .. } = arrival;
        Self { path, method, client: *client, access, caller, rest: Rest::default() }
    }

    /// How many bytes of it the client chose: its path and method, and what its body names.
    pub(super) fn chosen(&self) -> usize {
        let named = self.rest.body_fields.weight() + self.rest.body_roles.weight();
        self.path.len() + self.method.len() + named
    }

    /// And with this after it.
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

    /// How many bytes it takes, and the key that is made of it: the key has the same texts, in lists of its own.
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

    /// What the same request asks for under other policies; `None`: something else.
    pub(super) fn access_in(&self, bundle: &Bundle) -> Option<Access> {
        let access = Access::found(&self.method, &self.path, bundle);
        (access.takes_as(&self.access) && access.slice(bundle).public == self.caller.is_none())
            .then_some(access)
    }

    /// What is seen of it then.
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
