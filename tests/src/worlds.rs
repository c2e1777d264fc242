//! Worlds and requests of the model, in the terms of the gate.

use std::sync::Arc;

use policy_store::{
    facts::{OrganizationFacts, OwnedFacts, UserFacts},
    source::FixedFacts,
};
use proxy::judge::workbench::Ask;

use crate::model::{Body, Names, Object, Organization, Request, User, World};

/// A request of the model as a question to the workbench.
#[must_use]
pub fn ask(request: &Request) -> Ask {
    Ask {
        user: request.user.as_deref().map(Arc::from),
        method: request.method.clone(),
        target: request.target(),
        host: request.host.clone(),
        tenant: request.tenant.clone(),
        break_glass: request.break_glass.clone(),
        body: request.body.as_ref().map(Body::text),
        content_type: request.body.as_ref().map(|body| body.kind.clone()),
        token_age: None,
    }
}

/// A world of the model as the gate would read it from its database.
#[must_use]
pub fn facts(world: &World) -> FixedFacts {
    let users = world.users.iter().map(user).map(|user| (Arc::clone(&user.id), user));
    let object = |object: &Object| ((object.kind.clone(), object.id.clone()), owned(object));
    FixedFacts {
        users: users.collect(),
        organizations: world.organizations.iter().map(organization).collect(),
        objects: world.objects.iter().map(object).collect(),
    }
}

fn sorted(names: &Names) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(name.as_str())).collect()
}

fn shared(text: Option<&String>) -> Option<Arc<str>> {
    text.map(|text| Arc::from(text.as_str()))
}

fn user(user: &User) -> UserFacts {
    UserFacts {
        id: Arc::from(user.id.as_str()),
        organization: shared(user.organization.as_ref()),
        // The mapping of facts counts a super admin among the platform's administrators.
        roles: sorted(&user.effective_roles()),
        features: sorted(&user.features),
        status: Arc::from(if user.active { "ACTIVE" } else { "INACTIVE" }),
        tokens_valid_after: user.signed_out.then_some(f64::MAX),
        revoked_tokens: Vec::new(),
    }
}

fn organization(organization: &Organization) -> OrganizationFacts {
    OrganizationFacts {
        id: Arc::from(organization.id.as_str()),
        slug: Arc::from(organization.slug.as_str()),
        status: Arc::from(organization.status.as_str()),
        deleted: organization.deleted,
        features: sorted(&organization.features),
        workflows: sorted(&organization.workflows),
        group: shared(organization.group.as_ref()),
    }
}

fn owned(object: &Object) -> OwnedFacts {
    OwnedFacts {
        owner: shared(object.owner.as_ref()),
        workflow: shared(object.workflow.as_ref()),
        roles: (object.kind == "Invitation").then(|| sorted(&object.roles)),
    }
}
