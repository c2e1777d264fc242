//! The single changes of facts that are tried: all those that the bundle's vocabulary can name.

use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::facts::{OrganizationFacts, UserFacts};
use policy_store::routes::FactKind;

use super::change::{Change, To};
use super::scene::Seen;

/// A status that no policy names: it stands for any status other than those that policies know.
pub(super) const NO_STATUS: &str = "";

/// The values that changes can be made of.
pub(super) struct Choice<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) statuses: &'a [Arc<str>],
    /// The workflow in the path.
    pub(super) workflow: Option<Arc<str>>,
    /// All roles, the least powerful first.
    pub(super) roles: &'a [Arc<str>],
}

impl Choice<'_> {
    /// Returns the changes of the facts that were looked up, those that add least first.
    pub(super) fn changes(&self, seen: &Seen) -> Vec<Change> {
        let mut changes = Vec::new();
        for user in seen.users.values() {
            self.of_user(user, &mut changes);
        }
        for organization in seen.organizations.values() {
            self.of_organization(organization, &mut changes);
        }
        // The sort is stable: the least powerful roles stay first.
        changes.sort_by_key(|change| (change.kind, matches!(change.to, To::Without(_))));
        changes
    }

    fn of_user(&self, user: &UserFacts, changes: &mut Vec<Change>) {
        let mut push = |kind, to| changes.push(Change { kind, of: Arc::clone(&user.id), to });
        for feature in self.bundle.vocabulary().features() {
            push(FactKind::UserFeatures, toggled(&user.features, feature));
        }
        for role in self.roles {
            push(FactKind::UserRoles, toggled(&user.roles, role));
        }
        for status in self.other_statuses(&user.status) {
            push(FactKind::UserStatus, To::Is(status));
        }
    }

    fn of_organization(&self, organization: &OrganizationFacts, changes: &mut Vec<Change>) {
        let of = &organization.id;
        let mut push = |kind, to| changes.push(Change { kind, of: Arc::clone(of), to });
        for feature in self.bundle.vocabulary().features() {
            push(FactKind::OrganizationFeatures, toggled(&organization.features, feature));
        }
        if let Some(workflow) = &self.workflow {
            push(FactKind::OrganizationWorkflows, toggled(&organization.workflows, workflow));
        }
        for status in self.other_statuses(&organization.status) {
            push(FactKind::OrganizationStatus, To::Is(status));
        }
        push(FactKind::OrganizationDeleted, To::Set(!organization.deleted));
    }

    fn other_statuses(&self, now: &Arc<str>) -> Vec<Arc<str>> {
        let other = self.statuses.iter().filter(|status| *status != now).cloned();
        other.chain([Arc::from(NO_STATUS)]).collect()
    }
}

fn toggled(list: &[Arc<str>], name: &Arc<str>) -> To {
    if list.contains(name) { To::Without(Arc::clone(name)) } else { To::With(Arc::clone(name)) }
}

/// Returns the roles of the vocabulary, the least powerful first. The more policies name a role, the more
/// powerful the role counts.
pub(super) fn roles(bundle: &Bundle) -> Vec<Arc<str>> {
    let mut roles: Vec<Arc<str>> = bundle.vocabulary().roles().cloned().collect();
    roles.sort_by_cached_key(|role| {
        bundle.rules().filter(|rule| rule.reads.names("Role", role)).count()
    });
    roles
}
