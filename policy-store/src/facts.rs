//! Facts: the current content of the database, as plain data. This module decides nothing.

use std::sync::Arc;
use std::time::Instant;

/// What is true about a user.
#[derive(Debug, Clone, PartialEq)]
pub struct UserFacts {
    /// The user's id: a token's `sub`.
    pub id: Arc<str>,
    /// The organisation that the user belongs to; `None` for staff of the platform.
    pub organization: Option<Arc<str>>,
    /// The effective roles, sorted. The mapping decides what else counts as a role, such as being a super
    /// admin.
    pub roles: Vec<Arc<str>>,
    /// The features that the user's administrator has ticked, sorted.
    pub features: Vec<Arc<str>>,
    /// The user's status, as the database spells it.
    pub status: Arc<str>,
    /// Tokens issued before this time (seconds since the epoch) are no longer valid.
    pub tokens_valid_after: Option<f64>,
    /// The ids of the user's tokens that were revoked individually and have not expired.
    pub revoked_tokens: Vec<Arc<str>>,
}

/// Everything that policies see of a user except its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Standing {
    pub(crate) organization: Option<Arc<str>>,
    pub(crate) roles: Vec<Arc<str>>,
    pub(crate) features: Vec<Arc<str>>,
    pub(crate) status: Arc<str>,
}

impl Standing {
    /// Returns what policies see of this user. Each field is named, so that a new one cannot be forgotten.
    pub(crate) fn of(user: &UserFacts) -> Self {
        let UserFacts {
            id: _,
            organization,
            roles,
            features,
            status,
            // Policies do not judge which tokens were revoked.
            tokens_valid_after: _,
            revoked_tokens: _,
        } = user;
        Self {
            organization: organization.clone(),
            roles: roles.clone(),
            features: features.clone(),
            status: Arc::clone(status),
        }
    }
}

/// The gist of a user: what decides whether the user gets in at all, and with which roles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct UserGist {
    pub(crate) belongs: bool,
    pub(crate) roles: Vec<Arc<str>>,
    pub(crate) status: Arc<str>,
}

impl UserGist {
    pub(crate) fn of(user: &UserFacts) -> Self {
        let belongs = user.organization.is_some();
        Self { belongs, roles: user.roles.clone(), status: Arc::clone(&user.status) }
    }
}

/// What is true about an organisation: a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationFacts {
    /// The organisation's id.
    pub id: Arc<str>,
    /// The organisation's name in hosts and headers.
    pub slug: Arc<str>,
    /// The organisation's status, as the database spells it.
    pub status: Arc<str>,
    /// Whether the organisation was deleted; its row stays.
    pub deleted: bool,
    /// The features that the organisation has bought, sorted.
    pub features: Vec<Arc<str>>,
    /// The workflows that are enabled in the organisation, sorted.
    pub workflows: Vec<Arc<str>>,
    /// The group that the organisation belongs to.
    pub group: Option<Arc<str>>,
}

/// The gist of an organisation: its status, and whether the organisation was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OrganizationGist {
    pub(crate) status: Arc<str>,
    pub(crate) deleted: bool,
}

impl OrganizationGist {
    pub(crate) fn of(organization: &OrganizationFacts) -> Self {
        Self { status: Arc::clone(&organization.status), deleted: organization.deleted }
    }
}

/// What is true about an object that a tenant owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnedFacts {
    /// The organisation that owns the object; `None` if the object has no owner.
    pub owner: Option<Arc<str>>,
    /// The workflow of the object, where its type has workflows.
    pub workflow: Option<Arc<str>>,
    /// The roles that the object holds or promises, where its type has roles.
    pub roles: Option<Vec<Arc<str>>>,
}

/// A fact with its version and the moment when the database was asked for it.
#[derive(Debug)]
pub struct Fact<T> {
    /// The content of the fact.
    pub value: T,
    /// When the database was asked. The answer came later, and the fact may have changed in between.
    pub asked_at: Instant,
    /// The version of the fact, unique in this process. Facts with equal versions have the same subject and
    /// content.
    pub version: u64,
    /// Equal for facts whose content policies cannot distinguish, whoever they describe. Never equal to the
    /// `version` of another fact; for a kind of facts that are never alike, it is the fact's own version.
    pub likeness: u64,
    /// Equal for facts that look the same to policies that read only a [gist](crate::bundle::SeenCaller::Gist).
    /// Versions, likenesses and gists come from one counter, so they never collide; a fact without a gist has
    /// its likeness here.
    pub gist: u64,
}

/// An object named by a request, as far as it is known.
#[derive(Debug, Clone)]
pub enum ObjectFacts {
    /// A user, whose row is in the table of users.
    User(Arc<Fact<UserFacts>>),
    /// An organisation, which owns itself.
    Organization(Arc<Fact<OrganizationFacts>>),
    /// Any other object.
    Owned(Arc<Fact<OwnedFacts>>),
}

impl ObjectFacts {
    /// Returns the organisation that owns the object; `None` if the object has no owner.
    pub fn owner(&self) -> Option<&Arc<str>> {
        match self {
            Self::User(user) => user.value.organization.as_ref(),
            Self::Organization(organization) => Some(&organization.value.id),
            Self::Owned(owned) => owned.value.owner.as_ref(),
        }
    }

    /// Returns the version of the fact.
    pub fn version(&self) -> u64 {
        match self {
            Self::User(fact) => fact.version,
            Self::Organization(fact) => fact.version,
            Self::Owned(fact) => fact.version,
        }
    }

    /// Returns when the database was asked.
    pub fn asked_at(&self) -> Instant {
        match self {
            Self::User(fact) => fact.asked_at,
            Self::Organization(fact) => fact.asked_at,
            Self::Owned(fact) => fact.asked_at,
        }
    }
}

/// A key that identifies an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrganizationKey {
    /// By its id.
    Id(Arc<str>),
    /// By its slug.
    Slug(Arc<str>),
}
