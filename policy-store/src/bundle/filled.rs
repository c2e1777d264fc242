//! The table of everything that the gate fills in, and the layer from which each entry exists (`gate.md`, "What
//! policies see").
//!
//! Three readers share the table: the findings about policies that read what never exists or does not exist yet
//! (`unfilled.rs`), the page `docs/policies-see.md` ([`page`]), and the tests of the gate, which compare the
//! table with the questions that the gate asks.

mod page;

use super::layer::Layer;

pub use page::page;

/// An attribute that facts fill in.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// The name of the attribute.
    pub name: &'static str,
    /// The type of the attribute, as Cedar's schema language writes it.
    pub kind: &'static str,
    /// Whether the attribute may be absent.
    pub optional: bool,
    /// The meaning of the attribute, in a line.
    pub says: &'static str,
}

const fn always(name: &'static str, kind: &'static str, says: &'static str) -> Attribute {
    Attribute { name, kind, optional: false, says }
}

const fn maybe(name: &'static str, kind: &'static str, says: &'static str) -> Attribute {
    Attribute { name, kind, optional: true, says }
}

const USER: &[Attribute] = &[
    always("roles", "Set<Role>", "a super admin's hold `PLATFORM_ADMIN`"),
    always("features", "Set<Feature>", "what the administrator has ticked for the user"),
    always("status", "String", "the word of the database"),
    maybe("organization", "Organization", "absent for staff of the platform"),
    maybe("owner", "Organization", "the same as `organization`"),
];

const ORGANIZATION: &[Attribute] = &[
    always("slug", "String", "the name in hosts and in `X-Tenant`"),
    always("status", "String", "the word of the database"),
    always("deleted", "Bool", "the row of a deleted organisation stays"),
    always("features", "Set<Feature>", "what the organisation has bought"),
    always("workflows", "Set<String>", "the workflows that are enabled"),
    maybe("group", "Group", "the group is the organisation's parent too"),
    always("owner", "Organization", "the organisation itself"),
];

const OBJECT: &[Attribute] = &[
    maybe("owner", "Organization", "absent for an object that belongs to nobody"),
    maybe("workflow", "String", "where the mapping of facts selects it for the type"),
    maybe("roles", "Set<Role>", "where the mapping of facts selects it for the type"),
];

/// A kind of entity; its attributes depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A user.
    User,
    /// An organisation.
    Organization,
    /// Any other object that a route looks up.
    Object,
    /// An entity without attributes: a guest, an endpoint, a group, a role, a feature.
    Bare,
}

impl Thing {
    /// Returns the kind of an entity of the type `name`.
    pub fn of(name: &str) -> Self {
        match name {
            "User" => Self::User,
            "Organization" => Self::Organization,
            "Guest" | "Endpoint" | "Group" | "Role" | "Feature" | "Action" => Self::Bare,
            _ => Self::Object,
        }
    }

    /// Returns the attributes that facts fill in for this kind of entity.
    pub fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => USER,
            Self::Organization => ORGANIZATION,
            Self::Object => OBJECT,
            Self::Bare => &[],
        }
    }
}

/// An entity that a policy can reach, and the layer from which its attributes exist.
#[derive(Debug, Clone, Copy)]
pub struct Holder {
    /// The expression by which a policy reaches the entity.
    pub written: &'static str,
    /// The kind of the entity.
    pub thing: Thing,
    /// The layer from which the attributes of the entity exist.
    pub since: Layer,
    /// The routes on which the expression is this kind of entity; empty for all routes.
    pub on: &'static str,
}

const fn holder(written: &'static str, thing: Thing, since: Layer, on: &'static str) -> Holder {
    Holder { written, thing, since, on }
}

/// Every entity whose attributes a policy about a request can read.
pub const HOLDERS: &[Holder] = &[
    holder("principal", Thing::User, CALLER, ""),
    holder("principal.organization", Thing::Organization, CALLER, ""),
    holder("context.tenant", Thing::Organization, REST, ""),
    holder("resource", Thing::Object, REST, "where a route looks it up"),
    holder("resource", Thing::User, REST, "where a route looks up a `User`"),
    holder("resource", Thing::Organization, REST, "where a route looks up an `Organization`"),
    holder(
        "resource.owner",
        Thing::Organization,
        REST,
        "where the owner is the tenant or the caller's own organisation",
    ),
];

/// The layer from which the caller's own facts exist.
pub const CALLER: Layer = Layer::Authentication;
/// The layer from which everything else exists: before it the body is not read, the tenant is unknown and the
/// object is not looked up.
pub const REST: Layer = Layer::Tenant;

/// What a route must have for a circumstance to exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The circumstance exists on every route.
    Nothing,
    /// `feature` at the route.
    Feature,
    /// The open variable `{workflow}` in the path.
    Workflow,
    /// `body: json` at the route.
    Body,
    /// `roles_in` at the route.
    Roles,
}

/// A member of `context`.
#[derive(Debug, Clone, Copy)]
pub struct Circumstance {
    /// The name and type of the member, and whether it may be absent.
    pub attribute: Attribute,
    /// The layer from which the member exists.
    pub since: Layer,
    /// Whether the member exists on a public route.
    pub guests: bool,
    /// What the route must have for the member to exist.
    pub need: Need,
}

const fn circumstance(attribute: Attribute, since: Layer) -> Circumstance {
    Circumstance { attribute, since, guests: false, need: Need::Nothing }
}

impl Circumstance {
    const fn for_guests(self) -> Self {
        Self { guests: true, ..self }
    }

    const fn needs(self, need: Need) -> Self {
        Self { need, ..self }
    }
}

/// The name of the justification: a `permit` sees it in the layer `role`, guards do not.
pub const BREAK_GLASS: &str = "break_glass";

/// All members of `context`, except for `act_in`, whose context is empty.
pub const CONTEXT: &[Circumstance] = &[
    circumstance(always("path", "String", "the canonical path"), CALLER).for_guests(),
    circumstance(always("method", "String", "in capitals"), CALLER).for_guests(),
    circumstance(maybe("client_address", "ipaddr", "where the schema declares it"), CALLER)
        .for_guests(),
    circumstance(maybe("token_age", "Long", "seconds since `iat`; absent without one"), CALLER),
    circumstance(maybe("feature", "Feature", "the `feature` of the route"), CALLER)
        .needs(Need::Feature),
    circumstance(maybe("workflow", "String", "`{workflow}` in the path"), CALLER)
        .needs(Need::Workflow),
    circumstance(maybe("tenant", "Organization", "absent for staff who name none"), REST),
    circumstance(
        always(
            "body_fields",
            "Set<String>",
            "empty before, and where the route does not read the body",
        ),
        REST,
    )
    .needs(Need::Body),
    circumstance(
        always("body_roles", "Set<Role>", "empty before, and where the route has no `roles_in`"),
        REST,
    )
    .needs(Need::Roles),
    circumstance(maybe(BREAK_GLASS, "String", "the justification"), REST),
];

/// Returns the circumstance `name`.
pub(super) fn circumstance_of(name: &str) -> Option<&'static Circumstance> {
    CONTEXT.iter().find(|it| it.attribute.name == name)
}
