//! Facts: what the database says now. Plain data; nothing here decides.

use std::sync::Arc;
use std::time::Instant;

/// What is true about a user.
#[derive(Debug, Clone, PartialEq)]
pub struct UserFacts {
    /// The user's id: a token's `sub`.
    pub id: Arc<str>,
    /// The organisation it belongs to; `None` for staff of the platform.
    pub organization: Option<Arc<str>>,
    /// The effective roles, sorted. What counts as a role too (a super admin) is the mapping's.
    pub roles: Vec<Arc<str>>,
    /// The features that its administrator has ticked, sorted.
    pub features: Vec<Arc<str>>,
    /// Its status, in the database's word.
    pub status: Arc<str>,
    /// Tokens issued before this time (seconds since the epoch) hold no more.
    pub tokens_valid_after: Option<f64>,
    /// Ids of its tokens that were revoked one by one and have not expired.
    pub revoked_tokens: Vec<Arc<str>>,
}

/// What a user is, whoever it is: all that policies are told of one but its name, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Standing {
    pub(crate) organization: Option<Arc<str>>,
    pub(crate) roles: Vec<Arc<str>>,
    pub(crate) features: Vec<Arc<str>>,
    pub(crate) status: Arc<str>,
}

impl Standing {
    /// What this user is. Each field is named, so that a new one cannot be forgotten.
    pub(crate) fn of(user: &UserFacts) -> Self {
        let UserFacts {
            id: _,
            organization,
            roles,
            features,
            status,
            // Which tokens were taken back is not for policies to judge.
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

/// What a user is at a glance: what decides whether they get in at all, and as what.
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
    /// Its id.
    pub id: Arc<str>,
    /// Its name in hosts and headers.
    pub slug: Arc<str>,
    /// Its status, in the database's word.
    pub status: Arc<str>,
    /// Whether it was deleted; the row stays.
    pub deleted: bool,
    /// The features it has bought, sorted.
    pub features: Vec<Arc<str>>,
    /// The workflows that are enabled, sorted.
    pub workflows: Vec<Arc<str>>,
    /// The group it belongs to.
    pub group: Option<Arc<str>>,
}

/// Whether an organisation is there, at a glance.
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
    /// The organisation that owns it; `None`: nobody does.
    pub owner: Option<Arc<str>>,
    /// The workflow it is of, where its type has them.
    pub workflow: Option<Arc<str>>,
    /// The roles it holds or promises, where its type has them.
    pub roles: Option<Vec<Arc<str>>>,
}

/// A fact with its version and the moment when the database was asked for it.
#[derive(Debug)]
pub struct Fact<T> {
    /// What was answered.
    pub value: T,
    /// When it was asked, not when the answer came: it may have changed in between.
    pub asked_at: Instant,
    /// Grows with each load in this process: two facts of one version are the same fact.
    pub version: u64,
    /// Which other facts say the same to policies but for whom they are about: those of the same number.
    /// It is no other fact's version; one that is like no other has its own.
    pub likeness: u64,
    /// Which other facts say the same to policies that look at a [gist](crate::bundle::SeenCaller::Gist)
    /// only: those of the same number. It is nobody's version, and nobody's likeness where there is a gist.
    pub gist: u64,
}

/// An object named by a request, as far as it is known.
#[derive(Debug, Clone)]
pub enum ObjectFacts {
    /// A user is its own row.
    User(Arc<Fact<UserFacts>>),
    /// An organisation owns itself.
    Organization(Arc<Fact<OrganizationFacts>>),
    /// Anything else.
    Owned(Arc<Fact<OwnedFacts>>),
}

impl ObjectFacts {
    /// The organisation that owns the object; `None`: nobody does.
    pub fn owner(&self) -> Option<&Arc<str>> {
        match self {
            Self::User(user) => user.value.organization.as_ref(),
            Self::Organization(organization) => Some(&organization.value.id),
            Self::Owned(owned) => owned.value.owner.as_ref(),
        }
    }

    /// The version of the fact.
    pub fn version(&self) -> u64 {
        match self {
            Self::User(fact) => fact.version,
            Self::Organization(fact) => fact.version,
            Self::Owned(fact) => fact.version,
        }
    }

    /// When the database was asked.
    pub fn asked_at(&self) -> Instant {
        match self {
            Self::User(fact) => fact.asked_at,
            Self::Organization(fact) => fact.asked_at,
            Self::Owned(fact) => fact.asked_at,
        }
    }
}

/// How an organisation is named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrganizationKey {
    /// By its id.
    Id(Arc<str>),
    /// By its slug.
    Slug(Arc<str>),
}
