//! The policy bundle: schema, policies and routes as one checked, versioned value.
//!
//! A bundle is accepted whole or not at all. Its digest covers the content in canonical order, so the same
//! bundle has the same digest on every machine.

mod asked;
mod attributes;
mod bounds;
mod check;
mod depth;
mod excerpt;
pub mod filled;
mod finding;
mod given;
pub mod kind;
mod layer;
mod load;
mod nearest;
mod notes;
mod policies;
mod reach;
mod read;
mod reads;
mod room;
mod shape;
mod sight;
mod slices;
mod statement;
mod syntax;
mod tokens;
mod unfilled;
mod unguarded;
mod validate;
mod view;
mod vocabulary;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use cedar_policy::{EntityTypeName, PolicyId, Schema};

use crate::cases::Suite;
use crate::routes::RouteTable;

pub use attributes::Attribute;
pub use excerpt::printable;
pub use finding::{Finding, Findings};
pub use kind::Kind;
pub use layer::Layer;
pub use load::Loader;
pub(crate) use nearest::nearest;
pub use notes::{OF_FORBIDS, OF_PERMITS};
pub use policies::Rule;
pub use read::{File, Sources};
pub use reads::Reads;
pub(crate) use room::giving_way;
pub use room::{STACK, breathe, with_room};
pub use sight::Sight;
pub use slices::Slice;
pub use view::{SeenCaller, SeenPath, View};
use vocabulary::Declared;
pub use vocabulary::Vocabulary;

/// The message of every `not_found`: one text, so that an object that does not exist and one that the caller
/// may not see have the same answer.
pub const NOT_FOUND: &str = "Not found";
/// The action that is asked about each tenant that a request names or touches.
pub const ACT_IN: &str = "act_in";
/// The action of a request whose method and path no route declares.
pub const UNMAPPED: &str = "unmapped";

/// A bundle that passed all checks.
#[derive(Debug)]
pub struct Bundle {
    digest: Arc<str>,
    sources: Sources,
    declared: Arc<Declared>,
    routes: Arc<RouteTable>,
    suite: Arc<Suite>,
    rules: HashMap<PolicyId, Arc<Rule>>,
    slices: HashMap<Arc<str>, Arc<Slice>>,
    types: Types,
    sight: Sight,
    act_in: Arc<Slice>,
    unmapped: Arc<Slice>,
}

impl Bundle {
    /// Reads and checks the bundle in `directory`.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the bundle, each finding with file, line and remedy.
    pub fn load(directory: &Path) -> Result<Self, Findings> {
        Loader::default().load(Sources::read(directory)?)
    }

    /// Returns the SHA-256 of the content, in hexadecimal.
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// Returns the files that the bundle was made from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Returns the Cedar schema.
    pub fn schema(&self) -> &Schema {
        &self.declared.schema
    }

    /// Returns the attributes that the schema declares for the entity type `name`.
    pub fn attributes(&self, name: &str) -> BTreeMap<String, Attribute> {
        attributes::declared(&self.declared.json, name)
    }

    /// Returns the names of the roles and features that the schema declares.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.declared.vocabulary
    }

    /// Returns the tests of the bundle.
    pub fn suite(&self) -> &Arc<Suite> {
        &self.suite
    }

    /// Returns the table of routes.
    pub fn routes(&self) -> &RouteTable {
        &self.routes
    }

    /// Returns whether the policies can see the client's address and the age of the token.
    pub fn sight(&self) -> Sight {
        self.sight
    }

    /// Returns the names of the entity types that the gate makes.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// Returns the policies that can apply to `action`, or `None` for an action without a route.
    pub fn slice(&self, action: &str) -> Option<&Slice> {
        self.slices.get(action).map(|slice| &**slice)
    }

    /// Returns the policies about acting in a tenant.
    pub fn act_in(&self) -> &Slice {
        &self.act_in
    }

    /// Returns the policies about a method and path that no route declares.
    pub fn unmapped(&self) -> &Slice {
        &self.unmapped
    }

    /// Drops the bundle piece by piece, yielding to requests in between: dropping a large bundle takes a while.
    pub(crate) fn take_apart(self) {
        self.rules.into_iter().for_each(|_| breathe());
        self.slices.into_iter().for_each(|_| breathe());
    }

    /// Returns what is known about the policy `id`.
    pub fn rule(&self, id: &PolicyId) -> Option<&Arc<Rule>> {
        self.rules.get(id)
    }

    /// Returns all policies, in no particular order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.values()
    }
}

/// The names of the entity types that the gate makes (`gate.md`, "What policies see").
#[derive(Debug)]
pub struct Types {
    /// `User`
    pub user: EntityTypeName,
    /// `Organization`
    pub organization: EntityTypeName,
    /// `Group`
    pub group: EntityTypeName,
    /// `Role`
    pub role: EntityTypeName,
    /// `Feature`
    pub feature: EntityTypeName,
    /// `Endpoint`
    pub endpoint: EntityTypeName,
    /// `Guest`
    pub guest: EntityTypeName,
    resources: HashMap<Arc<str>, EntityTypeName>,
}

impl Types {
    /// Returns the type of the objects of a route.
    pub fn resource(&self, name: &str) -> Option<&EntityTypeName> {
        self.resources.get(name)
    }

    /// Whether other entities than the object of a request can refer to entities of the type `kind`: policies
    /// can then read an object of that type through those entities, too.
    pub fn are_named_by_others(&self, kind: &str) -> bool {
        let named = [&self.user, &self.organization, &self.group, &self.role, &self.feature];
        self.resource(kind).is_none_or(|kind| named.contains(&kind))
    }

    fn of(routes: &RouteTable) -> Option<Self> {
        let named = routes.routes().iter().map(|route| &route.resource);
        let resources = named.map(|name| Some((Arc::clone(name), type_name(name)?)));
        Some(Self {
            user: type_name("User")?,
            organization: type_name("Organization")?,
            group: type_name("Group")?,
            role: type_name("Role")?,
            feature: type_name("Feature")?,
            endpoint: type_name("Endpoint")?,
            guest: type_name("Guest")?,
            resources: resources.collect::<Option<_>>()?,
        })
    }
}

/// Parses the name of an entity type that the contract fixes.
fn type_name(name: &str) -> Option<EntityTypeName> {
    name.parse().ok()
}

#[cfg(test)]
mod tests;
