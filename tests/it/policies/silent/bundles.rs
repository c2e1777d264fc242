//! The bundles: the one that ships, and what somebody did to it.

use std::{fs, path::Path};

/// A bundle that says less than it seems to.
pub(super) struct Bundle {
    pub(super) name: &'static str,
    pub(super) change: fn(&Path),
    /// What `check` says.
    pub(super) said: &'static [&'static str],
    /// A request that it lets through.
    pub(super) user: &'static str,
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    pub(super) body: Option<&'static str>,
    /// Whether the bundle that ships refuses that request.
    pub(super) is_closed_by_what_is_in_force: bool,
}

/// A GET that the bundle that ships refuses.
pub(super) const fn open(
    name: &'static str,
    change: fn(&Path),
    said: &'static [&'static str],
    user: &'static str,
    target: &'static str,
) -> Bundle {
    let (method, body, is_closed_by_what_is_in_force) = ("GET", None, true);
    Bundle { name, change, said, user, method, target, body, is_closed_by_what_is_in_force }
}

/// A guard more that never refuses the doctor who looks patients up.
pub(super) const fn dead(
    name: &'static str,
    change: fn(&Path),
    said: &'static [&'static str],
) -> Bundle {
    let is_closed_by_what_is_in_force = false;
    let dead = open(name, change, said, "kauvery-doctor", "/api/patients");
    Bundle { is_closed_by_what_is_in_force, ..dead }
}

pub(super) fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

pub(super) fn append(folder: &Path, file: &str, more: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap_or_default();
    fs::write(path, text + "\n" + more).unwrap();
}

/// The pdf of a visit note, as a route, and its action with these groups and this resource.
pub(super) fn pdf(folder: &Path, declared: &str, route: &str) {
    append(
        folder,
        "schema.cedarschema",
        &format!("{declared} appliesTo {{ principal: [User], context: RequestContext, {} }};\n", {
            if route.contains("scope: lookup") {
                "resource: [VisitNote]"
            } else {
                "resource: [Endpoint]"
            }
        }),
    );
    append(
        folder,
        "routes.yaml",
        &format!("  - action: visit_notes.pdf\n    method: GET\n    phi: view\n    {route}\n"),
    );
    replace(
        folder,
        "roles.cedar",
        "[Action::\"visit_notes.list\",\n     Action::\"visit_notes.read\",\n     Action::\"sessions.read\"",
        "[Action::\"visit_notes.list\",\n     Action::\"visit_notes.pdf\",\n     Action::\"visit_notes.read\",\n     Action::\"sessions.read\"",
    );
}

pub(super) const LOOKED_UP: &str =
    "path: /api/visit-notes/{id}/pdf\n    resource: VisitNote\n    scope: lookup";

pub(super) fn forgotten(folder: &Path) {
    pdf(folder, "action \"visit_notes.pdf\"", LOOKED_UP);
}

/// The guard of objects is written for a group of its own, in which all objects are but the notes.
pub(super) fn on_objects(folder: &Path) {
    let path = folder.join("schema.cedarschema");
    let text = fs::read_to_string(&path).unwrap();
    let mut fresh = String::from("action on_object in [request];\n");
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        let object = next.trim_start().starts_with("appliesTo")
            && next.contains("[User]")
            && !next.contains("[Endpoint]");
        let forgotten = line.contains("\"visit_notes.read\"");
        let line = if object && !forgotten {
            line.replace("in [", "in [on_object, ")
        } else {
            line.to_owned()
        };
        fresh += &(line + "\n");
    }
    fs::write(path, fresh).unwrap();
    let group = "action in Action::\"request\"";
    replace(folder, "tenancy.cedar", group, "action in Action::\"on_object\"");
}

pub(super) fn guard(folder: &Path, layer: &str, scope: &str, condition: &str) {
    append(
        folder,
        "incident.cedar",
        &format!(
            "@id(\"incident\")\n@layer(\"{layer}\")\n@reason(\"incident\")\n@message(\"Not now\")\nforbid ({scope})\n{condition};\n"
        ),
    );
}

/// The scope of a guard about the list of patients.
pub(super) const LISTS: &str = "principal is User, action == Action::\"patients.list\", resource";

pub(super) fn declare_in_context(folder: &Path, declared: &str) {
    replace(
        folder,
        "schema.cedarschema",
        "  path: String,\n",
        &format!("  path: String,\n  {declared},\n"),
    );
}

/// Bundles by which somebody does what the one that ships refuses.
pub(super) const OPEN: &[Bundle] = &[
    open(
        "an inactive account, by an action in no group",
        forgotten,
        &[
            "[unguarded-action]",
            "`visit_notes.pdf` is outside the guards of layer `authentication`: `user-inactive` (authentication.cedar:2) would refuse a caller whose status is `sample`",
            "`visit_notes.pdf` is outside the guards of layer `boundary`: `outside-boundary` (boundary.cedar:5)",
            "`visit_notes.pdf` is outside the guards of layer `tenant`: `not-found` (tenancy.cedar:",
            "write `in [request]` at the action",
        ],
        "kauvery-left",
        "/api/visit-notes/visit-note-kauvery-1/pdf",
    ),
    open(
        "a deleted organisation, by an action in no group",
        forgotten,
        &["`organization-inactive`"],
        "closed-doctor",
        "/api/visit-notes/visit-note-closed-1/pdf",
    ),
    open(
        "an object of another tenant, by an action in no group",
        forgotten,
        &["layer `tenant`"],
        "alpha-doctor",
        "/api/visit-notes/visit-note-kauvery-1/pdf",
    ),
    open(
        "an object of another tenant, by an action that forgot one group of several",
        on_objects,
        &[
            "[unguarded-action]",
            "`visit_notes.read` is outside the guards of layer `tenant`: `not-found` (tenancy.cedar:",
            "for an object of another tenant",
            "write `in [on_object]`",
        ],
        "alpha-doctor",
        "/api/visit-notes/visit-note-kauvery-1",
    ),
    Bundle {
        method: "PATCH",
        body: Some("{\"roles\": [\"PLATFORM_ADMIN\"]}"),
        ..open(
            "roles that are handed out, by an action that forgot its group",
            |folder| {
                replace(
                    folder,
                    "schema.cedarschema",
                    "[grants_roles, on_account]\n  appliesTo { principal: [User], resource: [User]",
                    "[on_account]\n  appliesTo { principal: [User], resource: [User]",
                );
            },
            &[
                "`admin.users.roles.update` is outside the guards of layer `escalation`: `grant-platform-admin`",
            ],
            "kauvery-admin",
            "/api/admin/users/kauvery-doctor/roles",
        )
    },
    open(
        "guards whose condition names the group",
        |folder| {
            for file in ["authentication.cedar", "boundary.cedar", "tenancy.cedar"] {
                let path = folder.join(file);
                let text = fs::read_to_string(&path).unwrap();
                let text = text.replace(
                    "action in Action::\"request\",\n  resource\n)\n",
                    "action,\n  resource\n)\nwhen { action in Action::\"request\" }\n",
                );
                fs::write(path, text).unwrap();
            }
            forgotten(folder);
        },
        &["layer `authentication`: `user-inactive`", "layer `boundary`", "layer `tenant`"],
        "kauvery-left",
        "/api/visit-notes/visit-note-kauvery-1/pdf",
    ),
    open(
        "an object that is named otherwise than by {id}",
        |folder| {
            pdf(
                folder,
                "action \"visit_notes.pdf\" in [phi_view]",
                "path: /api/visit-notes/{note}/pdf\n    scope: tenant",
            );
        },
        &[
            "[object-not-looked-up]",
            "`visit_notes.pdf` has `{note}` in its path, and nobody looks up whose it is",
            "`unowned: true`",
        ],
        "alpha-doctor",
        "/api/visit-notes/visit-note-kauvery-1/pdf",
    ),
    open(
        "an {id} of no type",
        |folder| {
            pdf(
                folder,
                "action \"visit_notes.pdf\" in [phi_view]",
                "path: /api/visit-notes/{id}/pdf\n    scope: tenant",
            );
        },
        &["[object-not-looked-up]", "`visit_notes.pdf` has `{id}` in its path"],
        "alpha-doctor",
        "/api/visit-notes/visit-note-kauvery-1/pdf",
    ),
    open(
        "an object beneath one that is looked up",
        |folder| {
            pdf(
                folder,
                "action \"visit_notes.pdf\" in [phi_view]",
                "path: /api/notes/{id}/pages/{page}\n    resource: VisitNote\n    scope: lookup",
            );
        },
        &[
            "[object-not-looked-up]",
            "`visit_notes.pdf` has `{page}` in its path",
            "`{id}` alone is",
        ],
        "alpha-doctor",
        "/api/notes/visit-note-alpha-1/pages/page-of-kauvery",
    ),
];
