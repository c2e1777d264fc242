//! The organisations and people of the demo, read from the two tables.

use serde_json::{Map, Value, json};

use super::{DemoUser, ORGANIZATIONS, Seed, USERS, cells, lines};

/// An organisation of the demo.
#[derive(Debug)]
pub(super) struct Organization {
    pub(super) id: &'static str,
    slug: &'static str,
    name: &'static str,
    kind: &'static str,
    status: &'static str,
    tier: &'static str,
    group: &'static str,
    features: Vec<&'static str>,
    pub(super) workflows: Vec<&'static str>,
    deleted: bool,
}

impl Organization {
    /// The id without `org-`, as in the ids of its objects.
    pub(super) fn short(&self) -> &'static str {
        self.id.strip_prefix("org-").unwrap_or(self.id)
    }
}

pub(super) fn organizations() -> Vec<Organization> {
    lines(ORGANIZATIONS).filter_map(organization).collect()
}

fn organization(line: &'static str) -> Option<Organization> {
    let [id, slug, name, kind, status, tier, group, features, workflows, deleted] = cells(line)?;
    Some(Organization {
        id,
        slug,
        name,
        kind,
        status,
        tier,
        group,
        features: features.split_whitespace().collect(),
        workflows: workflows.split_whitespace().collect(),
        deleted: deleted == "yes",
    })
}

pub(super) fn users() -> Vec<DemoUser> {
    lines(USERS).filter_map(user).collect()
}

fn user(line: &'static str) -> Option<DemoUser> {
    let [id, organization, roles, _features, active, _super_admin] = cells(line)?;
    Some(DemoUser {
        id,
        email: email(id),
        organization: (!organization.is_empty()).then_some(organization),
        roles: roles.split_whitespace().collect(),
        active: active == "yes",
    })
}

/// The e-mail address for this id.
pub(super) fn email(id: &str) -> String {
    format!("{id}@cedargate.example")
}

pub(super) fn group_rows(organizations: &[Organization]) -> Vec<Seed> {
    let groups = organizations.iter().map(|organization| organization.group);
    let named = groups.filter(|group| !group.is_empty());
    named.map(|group| ("organization_groups", json!({ "id": group }))).collect()
}

pub(super) fn organization_row(of: &Organization) -> Seed {
    let features: Map<String, Value> =
        of.features.iter().map(|name| ((*name).to_owned(), true.into())).collect();
    let workflows: Map<String, Value> =
        of.workflows.iter().map(|name| ((*name).to_owned(), workflow(name))).collect();
    let row = json!({
        "id": of.id,
        "slug": of.slug,
        "name": of.name,
        "type": of.kind,
        "status": of.status,
        "tier": of.tier,
        "group_id": (!of.group.is_empty()).then_some(of.group),
        "features": features,
        "workflows": workflows,
        "branding": { "company_name": of.name },
        "deleted_at": of.deleted.then_some("2026-01-31T12:00:00Z"),
    });
    ("organizations", row)
}

/// A workflow, with the questions that it asks about a patient.
fn workflow(name: &str) -> Value {
    let mut fields = vec![
        field("patient_name", "Patient name", "string", true),
        field("date_of_birth", "Date of birth", "date", true),
    ];
    if name == "prior_auth" {
        fields.extend([
            field("insurance_member_id", "Member ID", "string", true),
            field("insurance_company_name", "Insurance company", "string", true),
            field("insurance_phone", "Insurance phone", "string", true),
            field("cpt_code", "CPT code", "string", false),
            field("prior_auth_status", "Authorization status", "select", false),
        ]);
    } else {
        fields.extend([
            field("phone", "Phone", "string", true),
            field("question", "Question", "string", false),
        ]);
    }
    json!({ "enabled": true, "patient_schema": { "fields": fields } })
}

fn field(key: &str, label: &str, kind: &str, required: bool) -> Value {
    let mut field = json!({ "key": key, "label": label, "type": kind, "required": required });
    if let (Some(members), "select") = (field.as_object_mut(), kind) {
        members.insert("options".to_owned(), json!(["Pending", "Approved", "Denied"]));
    }
    field
}

pub(super) fn user_row(user: &DemoUser) -> Seed {
    let line = lines(USERS).filter_map(cells::<6>).find(|cells| cells.first() == Some(&user.id));
    let [_, _, _, features, _, super_admin] = line.unwrap_or_default();
    let row = json!({
        "id": user.id,
        "organization_id": user.organization,
        "email": user.email,
        "name": spoken(user.id),
        "roles": user.roles,
        "enabled_features": features.split_whitespace().collect::<Vec<_>>(),
        "status": if user.active { "ACTIVE" } else { "INACTIVE" },
        "is_super_admin": super_admin == "yes",
    });
    ("users", row)
}

/// `kauvery-doctor` as a person's name: `Kauvery Doctor`.
fn spoken(id: &str) -> String {
    let words = id.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    });
    words.flatten().collect::<Vec<_>>().join(" ")
}
