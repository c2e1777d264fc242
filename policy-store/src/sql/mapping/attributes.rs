//! What a statement can give: the attributes of users, organisations and objects.

use std::fmt;

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sql) enum Subject {
    User,
    Users,
    Organization,
    OrganizationBySlug,
    /// Objects of a type.
    Object(String),
}

/// As it is named in a mapping.
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
    /// What its statement can give.
    pub(in crate::sql) fn attributes(&self) -> &'static [Attribute] {
        match self {
            Self::User => USER,
            Self::Users => USERS,
            Self::Organization | Self::OrganizationBySlug => ORGANIZATION,
            Self::Object(_) => OBJECT,
        }
    }

    /// The attribute that has to be what was asked for.
    pub(in crate::sql) fn key(&self) -> &'static str {
        match self {
            Self::OrganizationBySlug => "slug",
            _ => "id",
        }
    }

    /// What its rows are called in messages.
    pub(in crate::sql) fn kind(&self) -> &str {
        match self {
            Self::User | Self::Users => "user",
            Self::Organization | Self::OrganizationBySlug => "organization",
            Self::Object(kind) => kind,
        }
    }
}

/// What an attribute is made from.
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

/// One attribute that a statement can give.
#[derive(Debug)]
pub(in crate::sql) struct Attribute {
    pub(in crate::sql) name: &'static str,
    pub(in crate::sql) form: Form,
    /// Whether a row may have none.
    pub(in crate::sql) null: bool,
    /// Whether the gate cannot do without its column, whatever the schema says.
    pub(in crate::sql) needed: bool,
    /// Its type in Cedar; none where no policy sees it.
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
