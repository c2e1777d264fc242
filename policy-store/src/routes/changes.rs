//! The facts that a route changes, so that an explanation can tell who may change them.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Body, Route, Scope};

/// A kind of fact that a request can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum FactKind {
    /// The features that a user's administrator has ticked.
    #[serde(rename = "user.features")]
    UserFeatures,
    /// The features that an organisation has bought.
    #[serde(rename = "organization.features")]
    OrganizationFeatures,
    /// The workflows that are enabled in an organisation.
    #[serde(rename = "organization.workflows")]
    OrganizationWorkflows,
    /// The status of a user.
    #[serde(rename = "user.status")]
    UserStatus,
    /// The status of an organisation.
    #[serde(rename = "organization.status")]
    OrganizationStatus,
    /// Whether an organisation is deleted.
    #[serde(rename = "organization.deleted")]
    OrganizationDeleted,
    /// The roles of a user.
    #[serde(rename = "user.roles")]
    UserRoles,
}

impl FactKind {
    /// Returns the name, as in `routes.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserFeatures => "user.features",
            Self::OrganizationFeatures => "organization.features",
            Self::OrganizationWorkflows => "organization.workflows",
            Self::UserStatus => "user.status",
            Self::OrganizationStatus => "organization.status",
            Self::OrganizationDeleted => "organization.deleted",
            Self::UserRoles => "user.roles",
        }
    }

    /// Whether this is a fact about a user; otherwise it is about an organisation.
    pub fn is_of_user(self) -> bool {
        matches!(self, Self::UserFeatures | Self::UserStatus | Self::UserRoles)
    }

    /// Returns what is wrong with a route that claims to change this kind of fact, and the remedy.
    pub(super) fn fault(
        self,
        scope: Scope,
        resource: &str,
        body: Body,
    ) -> Option<(String, &'static str)> {
        let fits = if self.is_of_user() {
            scope == Scope::Lookup && resource == "User"
        } else {
            scope == Scope::Organization
        };
        let name = self.as_str();
        if body != Body::Json {
            let problem = format!("`changes` of `{name}` needs a body that is read");
            Some((problem, "add `body: json`"))
        } else if !fits && self.is_of_user() {
            let problem = format!("`changes` of `{name}` needs a user named by `{{id}}`");
            Some((problem, "make it `resource: User` and `scope: lookup`"))
        } else if !fits {
            let problem = format!("`changes` of `{name}` needs an organisation named by `{{id}}`");
            Some((problem, "make it `scope: organization`"))
        } else {
            None
        }
    }
}

impl Route {
    /// Returns the member of the body that changes this kind of fact, if there is one.
    pub fn changes(&self, kind: FactKind) -> Option<&Arc<str>> {
        self.changes.get(&kind)
    }

    /// Whether the route declares that it changes facts.
    pub fn changes_facts(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Returns a path of this route with this object and this workflow. Other open variables have the value
    /// `any`.
    pub fn path_of(&self, id: &str, workflow: &str) -> String {
        self.path(|variable| match variable {
            "id" => encoded(id),
            "workflow" => encoded(workflow),
            _ => "any".to_owned(),
        })
    }
}

/// The characters to percent-encode: every byte that is not unreserved (RFC 3986, 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
