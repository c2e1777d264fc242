//! The notifications by which a database reports that a fact has changed.

use std::sync::Arc;

/// A change of facts. A notification has one of these texts:
///
/// | text | what |
/// | --- | --- |
/// | `user ID` | a user: its roles, features, status, organisation, revoked tokens |
/// | `organization ID` | an organisation |
/// | `object TYPE ID` | an object: its owner, or what else its type has |
/// | `object TYPE` | any object of a type, and of others: all objects are dropped |
/// | `all` | anything |
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A user, by its id.
    User(Arc<str>),
    /// An organisation, by its id.
    Organization(Arc<str>),
    /// An object, by its type and id.
    Object(Arc<str>, Arc<str>),
    /// Many objects.
    Objects,
    /// Anything.
    Everything,
}

impl Change {
    /// Parses a notification. A text that is not understood counts as a change of everything.
    pub fn parse(text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (word, rest) {
            ("user", id) if !id.is_empty() => Self::User(Arc::from(id)),
            ("organization", id) if !id.is_empty() => Self::Organization(Arc::from(id)),
            ("object", object) if !object.is_empty() => match object.split_once(' ') {
                // Users and organisations are objects, too.
                Some(("User", id)) => Self::User(Arc::from(id)),
                Some(("Organization", id)) => Self::Organization(Arc::from(id)),
                Some((kind, id)) => Self::Object(Arc::from(kind), Arc::from(id)),
                None if matches!(object, "User" | "Organization") => Self::Everything,
                None => Self::Objects,
            },
            _ => Self::Everything,
        }
    }

    /// Returns `user`, `organization`, `object` or `all`, for the metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Organization(_) => "organization",
            Self::Object(..) | Self::Objects => "object",
            Self::Everything => "all",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Change;

    #[test]
    fn a_notification_says_what_has_changed() {
        let user = |id: &str| Change::User(id.into());
        let cases = [
            ("user alpha-doctor", user("alpha-doctor")),
            ("user with a blank", user("with a blank")),
            ("organization org-alpha", Change::Organization("org-alpha".into())),
            ("object Patient patient 1", Change::Object("Patient".into(), "patient 1".into())),
            ("object User alpha-doctor", user("alpha-doctor")),
            ("object Patient", Change::Objects),
            ("object User", Change::Everything),
            ("all", Change::Everything),
            ("user", Change::Everything),
            ("user ", Change::Everything),
            ("USER alpha-doctor", Change::Everything),
            ("", Change::Everything),
        ];
        for (text, change) in cases {
            assert_eq!(Change::parse(text), change, "{text:?}");
        }
    }
}
