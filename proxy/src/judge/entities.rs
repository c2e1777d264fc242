//! Builds Cedar entities and contexts from facts and requests (`gate.md`, "What policies see").
//!
//! The entities are built without a schema check: the bundle was validated against the schema when it was loaded, and
//! the code here builds the shape that the schema demands. A name outside the vocabulary is never built.
//!
//! INVARIANT: no attribute and no circumstance holds a user. Callers with the same likeness share decisions
//! (`pipeline/memo.rs`), which is right as long as a question holds no user but the caller and
//! the object.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use cedar_policy::{
    Context, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression as Expression,
};
use policy_store::bundle::Bundle;
use policy_store::facts::{ObjectFacts, OrganizationFacts, UserFacts};

use crate::judge::decide::Denied;

/// A role in a fact that the bundle does not know. The request of the user concerned is denied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("role `{0}` is not in the vocabulary of the bundle")]
pub struct UnknownRole(pub Arc<str>);

/// The uid of an entity.
pub(crate) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

/// The entity of a user, as principal or as object.
///
/// Users with the same likeness must differ only in their ids here: an attribute that is added here
/// must be added to the likeness too.
pub(crate) fn user(bundle: &Bundle, facts: &UserFacts) -> Result<Entity, Denied> {
    let types = bundle.types();
    let mut attributes = HashMap::with_capacity(6);
    attributes.insert("roles".to_owned(), roles(bundle, &facts.roles)?);
    attributes.insert("features".to_owned(), features(bundle, &facts.features));
    attributes.insert("status".to_owned(), text(&facts.status));
    if let Some(organization) = &facts.organization {
        let organization = Expression::new_entity_uid(uid(&types.organization, organization));
        attributes.insert("organization".to_owned(), organization.clone());
        attributes.insert("owner".to_owned(), organization);
    }
    entity(uid(&types.user, &facts.id), attributes, None)
}

/// The entity of an organisation, with its group as parent.
pub(crate) fn organization(bundle: &Bundle, facts: &OrganizationFacts) -> Result<Entity, Denied> {
    let types = bundle.types();
    let own = uid(&types.organization, &facts.id);
    let mut attributes = HashMap::with_capacity(8);
    attributes.insert("slug".to_owned(), text(&facts.slug));
    attributes.insert("status".to_owned(), text(&facts.status));
    attributes.insert("deleted".to_owned(), Expression::new_bool(facts.deleted));
    attributes.insert("features".to_owned(), features(bundle, &facts.features));
    let workflows = Expression::new_set(facts.workflows.iter().map(text));
    attributes.insert("workflows".to_owned(), workflows);
    attributes.insert("owner".to_owned(), Expression::new_entity_uid(own.clone()));
    let group = facts.group.as_ref().map(|group| uid(&types.group, group));
    if let Some(group) = &group {
        attributes.insert("group".to_owned(), Expression::new_entity_uid(group.clone()));
    }
    entity(own, attributes, group)
}

/// The entity of the object that a request names, after the look-up.
pub(crate) fn object(
    bundle: &Bundle,
    own: &EntityUid,
    facts: &ObjectFacts,
) -> Result<Entity, Denied> {
    let owned = match facts {
        ObjectFacts::User(fact) => return user(bundle, &fact.value),
        ObjectFacts::Organization(fact) => return organization(bundle, &fact.value),
        ObjectFacts::Owned(fact) => &fact.value,
    };
    let mut attributes = HashMap::with_capacity(3);
    if let Some(owner) = &owned.owner {
        let organization = uid(&bundle.types().organization, owner);
        attributes.insert("owner".to_owned(), Expression::new_entity_uid(organization));
    }
    if let Some(workflow) = &owned.workflow {
        attributes.insert("workflow".to_owned(), text(workflow));
    }
    if let Some(held) = &owned.roles {
        attributes.insert("roles".to_owned(), roles(bundle, held)?);
    }
    entity(own.clone(), attributes, None)
}

fn entity(
    own: EntityUid,
    attributes: HashMap<String, Expression>,
    parent: Option<EntityUid>,
) -> Result<Entity, Denied> {
    Entity::new(own, attributes, parent.into_iter().collect::<HashSet<_>>())
        .map_err(|error| Denied::Unaskable(error.to_string()))
}

fn roles(bundle: &Bundle, names: &[Arc<str>]) -> Result<Expression, Denied> {
    if let Some(unknown) = names.iter().find(|name| !bundle.vocabulary().has_role(name)) {
        return Err(Denied::UnknownRole(UnknownRole(Arc::clone(unknown))));
    }
    let role = |name: &Arc<str>| Expression::new_entity_uid(uid(&bundle.types().role, name));
    Ok(Expression::new_set(names.iter().map(role)))
}

/// The features that the bundle knows. Others are left out: no policy can ask for them.
fn features(bundle: &Bundle, names: &[Arc<str>]) -> Expression {
    let known = names.iter().filter(|name| bundle.vocabulary().has_feature(name));
    let feature = |name: &Arc<str>| Expression::new_entity_uid(uid(&bundle.types().feature, name));
    Expression::new_set(known.map(feature))
}

fn text(text: &Arc<str>) -> Expression {
    Expression::new_string(text.to_string())
}

/// The circumstances of a request that a policy can ask about.
#[derive(Debug, Default)]
pub(crate) struct Circumstances<'a> {
    pub(crate) path: &'a str,
    pub(crate) method: &'a str,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) feature: Option<&'a str>,
    pub(crate) workflow: Option<&'a str>,
    pub(crate) body_fields: &'a [Arc<str>],
    pub(crate) body_roles: &'a [Arc<str>],
    pub(crate) break_glass: Option<&'a str>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) token_age: Option<i64>,
}

impl Circumstances<'_> {
    /// The Cedar context of a question.
    pub(crate) fn context(&self, bundle: &Bundle) -> Result<Context, Denied> {
        let types = bundle.types();
        let string = |text: &str| Expression::new_string(text.to_owned());
        let mut pairs = Vec::with_capacity(10);
        pairs.push(("path".to_owned(), string(self.path)));
        pairs.push(("method".to_owned(), string(self.method)));
        pairs.push((
            "body_fields".to_owned(),
            Expression::new_set(self.body_fields.iter().map(text)),
        ));
        pairs.push(("body_roles".to_owned(), roles(bundle, self.body_roles)?));
        let entity = |kind, id: &str| Expression::new_entity_uid(uid(kind, id));
        let optional = [
            ("tenant", self.tenant.map(|id| entity(&types.organization, id))),
            ("feature", self.feature.map(|id| entity(&types.feature, id))),
            ("workflow", self.workflow.map(string)),
            ("break_glass", self.break_glass.map(string)),
            ("token_age", self.token_age.map(Expression::new_long)),
            ("client_address", self.client_address(bundle)),
        ];
        pairs.extend(
            optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        Context::from_pairs(pairs).map_err(|error| Denied::Unaskable(error.to_string()))
    }

    fn client_address(&self, bundle: &Bundle) -> Option<Expression> {
        let asked = bundle.sight().client_address;
        self.client.filter(|_| asked).map(|address| Expression::new_ip(address.to_string()))
    }
}

#[cfg(test)]
mod tests;
