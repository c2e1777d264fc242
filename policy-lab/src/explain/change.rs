//! One change of one fact.

use std::sync::Arc;

use policy_store::facts::{OrganizationFacts, UserFacts};
use policy_store::routes::FactKind;

/// The new value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum To {
    /// The list contains this name, too.
    With(Arc<str>),
    /// The list no longer contains this name.
    Without(Arc<str>),
    /// The value is this word.
    Is(Arc<str>),
    /// The value is this boolean.
    Set(bool),
}

/// A change of a fact about a user or an organisation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Change {
    /// The kind of fact.
    pub kind: FactKind,
    /// The id of the user or organisation.
    pub of: Arc<str>,
    /// The new value.
    pub to: To,
}

impl Change {
    /// Applies the change if it concerns this user.
    pub(super) fn user(&self, user: &mut UserFacts) {
        if user.id != self.of {
            return;
        }
        match self.kind {
            FactKind::UserRoles => self.to.list(&mut user.roles),
            FactKind::UserFeatures => self.to.list(&mut user.features),
            FactKind::UserStatus => self.to.word(&mut user.status),
            _ => {}
        }
    }

    /// Applies the change if it concerns this organisation.
    pub(super) fn organization(&self, organization: &mut OrganizationFacts) {
        if organization.id != self.of {
            return;
        }
        match self.kind {
            FactKind::OrganizationFeatures => self.to.list(&mut organization.features),
            FactKind::OrganizationWorkflows => self.to.list(&mut organization.workflows),
            FactKind::OrganizationStatus => self.to.word(&mut organization.status),
            FactKind::OrganizationDeleted => {
                if let To::Set(deleted) = self.to {
                    organization.deleted = deleted;
                }
            }
            _ => {}
        }
    }

    /// Whether the two changes cannot both be made.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        let word = |to: &To| matches!(to, To::Is(_) | To::Set(_));
        self == other
            || (self.kind == other.kind && self.of == other.of && word(&self.to) && word(&other.to))
    }
}

impl To {
    fn list(&self, list: &mut Vec<Arc<str>>) {
        match self {
            Self::With(name) if !list.contains(name) => {
                list.push(Arc::clone(name));
                list.sort_unstable();
            }
            Self::Without(name) => list.retain(|it| it != name),
            _ => {}
        }
    }

    fn word(&self, word: &mut Arc<str>) {
        if let Self::Is(to) = self {
            word.clone_from(to);
        }
    }

    /// Returns the name or word in the new value.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::With(name) | Self::Without(name) | Self::Is(name) => Some(name),
            Self::Set(_) => None,
        }
    }
}
