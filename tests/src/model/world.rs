//! What is true: organisations, users and objects (`domain.md`, "People and tenants").

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A set of roles, features or workflows.
pub type Names = BTreeSet<String>;

/// Everything that a database may hold, and the hosts that name tenants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The tenants.
    pub organizations: Vec<Organization>,
    /// The people.
    pub users: Vec<User>,
    /// What tenants own, but for people and themselves.
    pub objects: Vec<Object>,
    /// `tenancy.hosts`: the slug that a host names; empty for none.
    pub hosts: BTreeMap<String, String>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Organization {
    /// Its id.
    pub id: String,
    /// Its name in hosts and `X-Tenant`.
    pub slug: String,
    /// ACTIVE, TRIAL, INACTIVE or SUSPENDED.
    pub status: String,
    /// Whether `deleted_at` is set.
    pub deleted: bool,
    /// The group that it is of.
    pub group: Option<String>,
    /// What it has bought.
    pub features: Names,
    /// The workflows that it has enabled.
    pub workflows: Names,
}

/// Somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The id.
    pub id: String,
    /// The organisation that the user belongs to.
    pub organization: Option<String>,
    /// The roles in the row.
    pub roles: Names,
    /// What the organisation's administrator has ticked.
    pub features: Names,
    /// Whether the status is ACTIVE.
    pub active: bool,
    /// Whether the row says `is_super_admin`.
    pub super_admin: bool,
    /// Whether all tokens were taken back.
    pub signed_out: bool,
}

/// Something that a tenant owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its type, as in `routes.csv`.
    pub kind: String,
    /// Its id, which objects of other types may have too.
    pub id: String,
    /// The organisation that owns it.
    pub owner: Option<String>,
    /// The workflow that a patient is of.
    pub workflow: Option<String>,
    /// The roles that an invitation promises.
    pub roles: Names,
}

impl World {
    /// The organisation with this id.
    #[must_use]
    pub fn organization(&self, id: &str) -> Option<&Organization> {
        self.organizations.iter().find(|it| it.id == id)
    }

    /// The organisation with this slug.
    #[must_use]
    pub fn by_slug(&self, slug: &str) -> Option<&Organization> {
        self.organizations.iter().find(|it| it.slug == slug)
    }

    /// The user with this id.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|it| it.id == id)
    }

    /// The organisation that a user belongs to.
    #[must_use]
    pub fn home(&self, user: &User) -> Option<&Organization> {
        self.organization(user.organization.as_ref()?)
    }

    /// The object of a type. Users are their organisation's, and organisations their own.
    #[must_use]
    pub fn object(&self, kind: &str, id: &str) -> Option<Object> {
        let thing = |owner, roles| Object {
            kind: kind.to_owned(),
            id: id.to_owned(),
            owner,
            workflow: None,
            roles,
        };
        match kind {
            "User" => {
                let user = self.user(id)?;
                Some(thing(user.organization.clone(), user.effective_roles()))
            }
            "Organization" => {
                self.organization(id).map(|_| thing(Some(id.to_owned()), Names::new()))
            }
            _ => self.objects.iter().find(|it| it.kind == kind && it.id == id).cloned(),
        }
    }

    /// Whether whatever is referred to is there, as in a database with foreign keys.
    #[must_use]
    pub fn holds_together(&self) -> bool {
        let homes = self.users.iter().filter_map(|user| user.organization.as_ref());
        let owners = self.objects.iter().filter_map(|object| object.owner.as_ref());
        homes.chain(owners).all(|id| self.organization(id).is_some())
    }
}

impl fmt::Display for World {
    /// A line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.organizations.iter().try_for_each(|it| writeln!(f, "  organization {it}"))?;
        self.users.iter().try_for_each(|it| writeln!(f, "  user {it}"))?;
        self.objects.iter().try_for_each(|it| writeln!(f, "  {it}"))?;
        self.hosts.iter().try_for_each(|(host, slug)| writeln!(f, "  host {host} names `{slug}`"))
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}), {}", self.id, self.slug, self.status)?;
        write!(f, "{}", if self.deleted { ", deleted" } else { "" })?;
        listed(f, "of the group", &self.group)?;
        listed(f, "features", &self.features)?;
        listed(f, "workflows", &self.workflows)
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        listed(f, "of", &self.organization)?;
        listed(f, "roles", &self.roles)?;
        listed(f, "features", &self.features)?;
        let marks = [
            (!self.active, "inactive"),
            (self.super_admin, "super admin"),
            (self.signed_out, "signed out"),
        ];
        marks.iter().filter(|(set, _)| *set).try_for_each(|(_, mark)| write!(f, ", {mark}"))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)?;
        listed(f, "of", &self.owner)?;
        listed(f, "of the workflow", &self.workflow)?;
        listed(f, "roles", &self.roles)
    }
}

/// What there is of something, if there is any of it.
fn listed<'a>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    names: impl IntoIterator<Item = &'a String>,
) -> fmt::Result {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    if names.is_empty() { Ok(()) } else { write!(f, ", {what} {}", names.join(" ")) }
}

impl Organization {
    /// Whether its people may do anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.deleted && !["INACTIVE", "SUSPENDED"].contains(&self.status.as_str())
    }
}

impl User {
    /// The roles that count: a super admin holds one more.
    #[must_use]
    pub fn effective_roles(&self) -> Names {
        let staff = self.super_admin.then(|| "PLATFORM_ADMIN".to_owned());
        self.roles.iter().cloned().chain(staff).collect()
    }

    /// Whether the user holds this role.
    #[must_use]
    pub fn is(&self, role: &str) -> bool {
        self.effective_roles().contains(role)
    }

    /// Whether the user holds one of these roles.
    #[must_use]
    pub fn is_any(&self, roles: &BTreeSet<&str>) -> bool {
        self.effective_roles().iter().any(|role| roles.contains(role.as_str()))
    }

    /// Whether the user is non-clinical and nothing else.
    #[must_use]
    pub fn is_only_other(&self) -> bool {
        self.effective_roles() == Names::from(["OTHER".to_owned()])
    }
}
