//! The demo's world, as `domain.md` and its tables tell of it.

use std::collections::BTreeSet;

use super::world::{Names, Object, Organization, User, World};
use crate::people::{self, ORGANIZATIONS, ROUTES, USERS};

const PLATFORM_CODES: [&str; 6] = ["97151", "97152", "97153", "97155", "97156", "97158"];

impl World {
    /// The demo's people, organisations and objects.
    #[must_use]
    pub fn demo() -> Self {
        let mut objects: Vec<Object> = ORGANIZATIONS.iter().flat_map(belongings).collect();
        let codes = PLATFORM_CODES.iter().map(|code| object("ServiceCode", code, None));
        objects.extend(codes);
        Self {
            organizations: ORGANIZATIONS.iter().map(organization).collect(),
            users: USERS.iter().map(user).collect(),
            objects,
            ..Self::default()
        }
    }
}

/// The types of objects that tenants own, but for people and themselves.
pub(super) fn kinds() -> BTreeSet<&'static str> {
    let lookups = ROUTES.iter().filter(|route| route.scope.ends_with("lookup"));
    lookups.map(|route| route.resource.as_str()).filter(|kind| *kind != "User").collect()
}

fn names(text: &str) -> Names {
    text.split_whitespace().map(str::to_owned).collect()
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn organization(row: &people::Organization) -> Organization {
    Organization {
        id: row.id.clone(),
        slug: row.slug.clone(),
        status: row.status.clone(),
        deleted: row.deleted == "yes",
        group: some(&row.group),
        features: names(&row.features),
        workflows: names(&row.workflows),
    }
}

fn user(row: &people::User) -> User {
    User {
        id: row.id.clone(),
        organization: some(&row.org),
        roles: names(&row.roles),
        features: names(&row.features),
        active: row.active == "yes",
        super_admin: row.super_admin == "yes",
        signed_out: false,
    }
}

fn object(kind: &str, id: &str, owner: Option<&str>) -> Object {
    let owner = owner.map(str::to_owned);
    Object { kind: kind.into(), id: id.into(), owner, workflow: None, roles: Names::new() }
}

/// What an organisation of the demo owns.
fn belongings(row: &people::Organization) -> Vec<Object> {
    let short = row.id.trim_start_matches("org-");
    let mut objects: Vec<Object> = kinds()
        .into_iter()
        .map(|kind| object(kind, &format!("{}-{short}-1", kebab(kind)), Some(&row.id)))
        .collect();
    for patient in objects.iter_mut().filter(|it| it.kind == "Patient") {
        patient.workflow = row.workflows.split_whitespace().next().map(str::to_owned);
    }
    for invitation in objects.iter_mut().filter(|it| it.kind == "Invitation") {
        invitation.roles = names("OTHER");
    }
    for workflow in row.workflows.split_whitespace() {
        let patient = object("Patient", &format!("patient-{short}-{workflow}-1"), Some(&row.id));
        objects.push(Object { workflow: Some(workflow.to_owned()), ..patient });
    }
    if row.id == "org-kauvery" {
        let second = object("Invitation", "invitation-kauvery-2", Some(&row.id));
        objects.push(Object { roles: names("GROUP_ADMIN"), ..second });
    }
    objects
}

/// `VisitNote` as `visit-note`.
fn kebab(kind: &str) -> String {
    let parts = kind.chars().map(|letter| {
        if letter.is_uppercase() { format!("-{}", letter.to_lowercase()) } else { letter.into() }
    });
    parts.collect::<String>().trim_start_matches('-').to_owned()
}
