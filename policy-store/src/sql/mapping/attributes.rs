//! The attributes of users, organisations and objects that a statement can fill.

use std::fmt;

/// The subject of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sql) enum Subject {
    User,
    Users,
    Organization,
    OrganizationBySlug,
    /// Objects of a type.
    Object(String),
}

/// The name of the subject in a mapping.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Users => f.write_str("users"),
            Self::Organization => f.write_str("organization"),
            Self::OrganizationBySlug => f.write_str("organization_by_slug"),
            Self::Object(kind) => write!(f, "objects.{kind}"),
        }
    }
}

impl Subject {
    /// Returns the attributes that the statement can fill.
    pub(in crate::sql) fn attributes(&self) -> &'static [Attribute] {
        match self {
            Self::User => USER,
            Self::Users => USERS,
            Self::Organization | Self::OrganizationBySlug => ORGANIZATION,
            Self::Object(_) => OBJECT,
        }
    }

    /// Returns the attribute that must be equal to the key.
    pub(in crate::sql) fn key(&self) -> &'static str {
        match self {
            Self::OrganizationBySlug => "slug",
            _ => "id",
        }
    }

    /// Returns the name of the rows in messages.
    pub(in crate::sql) fn kind(&self) -> &str {
        match self {
            Self::User | Self::Users => "user",
            Self::Organization | Self::OrganizationBySlug => "organization",
            Self::Object(kind) => kind,
        }
    }
}

/// The form of an attribute's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sql) enum Form {
    /// A name or an id.
    Name,
    /// Yes or no.
    Flag,
    /// A point in time.
    Moment,
    /// A set of names.
    Names,
}

/// One attribute that a statement can fill.
#[derive(Debug)]
pub(in crate::sql) struct Attribute {
    pub(in crate::sql) name: &'static str,
    pub(in crate::sql) form: Form,
    /// Whether the value may be null.
    pub(in crate::sql) null: bool,
    /// Whether the gate needs the column, whatever the schema declares.
    pub(in crate::sql) needed: bool,
    /// The attribute's type in Cedar; `None` if policies do not see the attribute.
    pub(in crate::sql) cedar: Option<&'static str>,
}

const fn attribute(name: &'static str, form: Form, cedar: Option<&'static str>) -> Attribute {
    Attribute { name, form, null: false, needed: false, cedar }
}

impl Attribute {
    const fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    const fn or_null(self) -> Self {
        Self { null: true, ..self }
    }
}

const USER: &[Attribute] = &[
    attribute("id", Form::Name, None).needed(),
    attribute("organization", Form::Name, Some("Organization")).or_null(),
    attribute("roles", Form::Names, Some("Set<Role>")).needed(),
    attribute("features", Form::Names, Some("Set<Feature>")),
    attribute("status", Form::Name, Some("String")).needed(),
    attribute("tokens_valid_after", Form::Moment, None).or_null(),
    attribute("revoked_tokens", Form::Names, None),
];

const USERS: &[Attribute] = &[attribute("id", Form::Name, None).needed()];

const ORGANIZATION: &[Attribute] = &[
    attribute("id", Form::Name, None).needed(),
    attribute("slug", Form::Name, Some("String")).needed(),
    attribute("status", Form::Name, Some("String")).needed(),
    attribute("deleted", Form::Flag, Some("Bool")).needed(),
    attribute("features", Form::Names, Some("Set<Feature>")),
    attribute("workflows", Form::Names, Some("Set<String>")),
    attribute("group", Form::Name, Some("Group")).or_null(),
];

const OBJECT: &[Attribute] = &[
    attribute("id", Form::Name, None),
    attribute("owner", Form::Name, Some("Organization")).or_null().needed(),
    attribute("workflow", Form::Name, Some("String")).or_null(),
    attribute("roles", Form::Names, Some("Set<Role>")),
];
