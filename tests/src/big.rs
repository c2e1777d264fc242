//! A bundle as large as one likes: the default one, and so many policies more.

use std::{fmt::Write as _, fs, path::Path};

/// So many policies are about each of the actions that are added.
pub const PER_ACTION: usize = 5;

/// Adds `policies` to the bundle in `folder`, on actions, routes and policies of their own.
pub fn enlarge(folder: &Path, policies: usize) {
    let actions = policies / PER_ACTION;
    let (mut schema, mut routes) = (String::new(), String::new());
    for action in 0..actions {
        writeln!(
            schema,
            "action \"bulk.{action}\" in [read]\n  appliesTo {{ principal: [User], resource: [Endpoint], context: RequestContext }};"
        )
        .unwrap();
        writeln!(
            routes,
            "  - action: bulk.{action}\n    method: GET\n    path: /api/bulk/{action}\n    operation: view"
        )
        .unwrap();
    }
    append(&folder.join("schema.cedarschema"), &schema);
    append(&folder.join("routes.yaml"), &routes);
    fs::write(folder.join("bulk.cedar"), bulk(actions, "DOCTOR")).unwrap();
}

/// The text of `bulk.cedar`; the very last policy lets `last` in.
#[must_use]
pub fn bulk(actions: usize, last: &str) -> String {
    const ROLES: [&str; PER_ACTION] = ["DOCTOR", "NURSE", "PHARMACIST", "LAB_TECH", "BILLING"];
    let mut text = String::new();
    for action in 0..actions {
        for (place, role) in ROLES.into_iter().enumerate() {
            let is_last = action + 1 == actions && place + 1 == PER_ACTION;
            let role = if is_last { last } else { role };
            writeln!(
                text,
                "@id(\"bulk-{action}-{place}\")\npermit (principal is User, action == Action::\"bulk.{action}\", resource)\nwhen {{ principal.roles.contains(Role::\"{role}\") && context.path like \"/api/bulk/*\" }};\n"
            )
            .unwrap();
        }
    }
    text
}

fn append(file: &Path, more: &str) {
    let text = fs::read_to_string(file).unwrap();
    fs::write(file, text + "\n" + more).unwrap();
}
