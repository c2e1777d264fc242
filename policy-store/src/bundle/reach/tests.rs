//! Guards after the layer `role` that close a route, and guards that only seem to.

use std::path::Path;
use std::sync::Arc;

use crate::bundle::{File, Kind, Loader, Sources};

/// Returns the findings about the default bundle with one more guard, which refuses `action` under `condition`.
fn findings(loader: &mut Loader, action: &str, condition: &str) -> Vec<Kind> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut sources = Sources::read(&folder).unwrap();
    sources.tests.clear();
    let text = format!(
        "@id(\"more\") @layer(\"tenant\") @reason(\"more\") @message(\"More\")
        forbid (principal is User, action == Action::\"{action}\", resource) {condition};"
    );
    sources.policies.push(File { name: "z.cedar".to_owned(), text: Arc::from(text) });
    let findings = loader.load(sources).err().map(|findings| findings.0);
    findings.into_iter().flatten().map(|finding| finding.kind).collect()
}

#[test]
fn a_guard_that_lets_some_request_pass_closes_nothing() {
    let mut loader = Loader::default();
    for (action, condition) in [
        ("users.me.update", r#"unless { context.body_fields.contains("locale") }"#),
        ("invitations.create", r#"unless { context.body_roles.contains(Role::"NURSE") }"#),
        ("admin.users.status.update", "when { principal == resource }"),
        ("admin.users.status.update", "unless { principal == resource }"),
        (
            "invitations.update",
            r#"unless { resource has roles && resource.roles.contains(Role::"NURSE") }"#,
        ),
        ("service_codes.update", "when { resource has owner }"),
        ("codes.search", r#"when { principal.features.contains(Feature::"codes") }"#),
        (
            "codes.search",
            r#"when { context has tenant && context.tenant.features.contains(Feature::"ai_notes") && principal.roles.contains(Role::"DOCTOR") }"#,
        ),
        (
            "organizations.read",
            "unless { context has tenant && resource.slug == context.tenant.slug }",
        ),
        ("organizations.list", "when { context has tenant }"),
        ("patients.read", "unless { context has break_glass }"),
        (
            "patients.update",
            "when { principal has organization && resource has owner && resource.owner == principal.organization }",
        ),
        ("workflows.list", "unless { principal.roles == [Role::\"NURSE\"] }"),
        (
            "workflows.patients.list",
            r#"unless { context has workflow && context.workflow == "calls" }"#,
        ),
    ] {
        assert_eq!(findings(&mut loader, action, condition), [], "{action} {condition}");
    }
}

/// A guard may let only unusual requests pass, such as those of one customer, or those outside an incident.
/// The route is still reachable.
#[test]
fn a_guard_that_lets_only_odd_requests_pass_closes_nothing() {
    let mut loader = Loader::default();
    let tenant = |condition: &str| format!("context has tenant && context.tenant{condition}");
    let own = |condition: &str| {
        format!("principal has organization && principal.organization{condition}")
    };
    let (codes, notes) = (
        tenant(".features.contains(Feature::\"codes\")"),
        tenant(".features.contains(Feature::\"ai_notes\")"),
    );
    for (action, condition) in [
        // One feature of several, of the tenant, of the caller's own organisation, and of the caller.
        ("codes.favorites.delete", format!("when {{ {notes} }}")),
        ("codes.search", format!("when {{ {notes} }}")),
        ("sessions.note.generate", format!("when {{ {codes} }}")),
        ("workflows.list", format!("unless {{ {codes} }} when {{ {notes} }}")),
        ("codes.search", format!("when {{ {} }}", own(".features.contains(Feature::\"ai_notes\")"))),
        ("codes.search", "when { principal.features.contains(Feature::\"ai_notes\") }".to_owned()),
        // Workflows.
        ("workflows.list", format!("unless {{ {} }}", tenant(".workflows.contains(\"beta\")"))),
        ("workflows.patients.list", format!("unless {{ {} }}", tenant(".workflows.contains(\"beta\")"))),
        ("workflows.list", format!("unless {{ {} }}", tenant(".workflows.isEmpty()"))),
        // Statuses, and what is deleted.
        ("workflows.list", format!("unless {{ {} }}", tenant(".status == \"TRIAL\""))),
        ("organizations.update", format!("unless {{ {} }}", tenant(".deleted"))),
        ("organizations.update", "unless { resource.deleted }".to_owned()),
        // Names.
        ("workflows.list", format!("unless {{ {} }}", tenant(".slug == \"kauvery\""))),
        ("workflows.list", format!("unless {{ {} }}", tenant(" == Organization::\"org-kauvery\""))),
        ("organizations.read", "unless { resource == Organization::\"org-kauvery\" }".to_owned()),
        ("patients.read", "unless { resource == Patient::\"patient-kauvery-1\" }".to_owned()),
        ("workflows.list", "unless { principal == User::\"kauvery-admin\" }".to_owned()),
        ("workflows.list", format!("unless {{ {} }}", own(" in Group::\"south\""))),
        ("workflows.list", format!("when {{ {} }}", own(" has group"))),
        // Ages of tokens.
        ("workflows.list", "unless { context has token_age && context.token_age > 900 }".to_owned()),
        ("workflows.list", "when { context has token_age }".to_owned()),
        // Roles that an object holds.
        (
            "invitations.update",
            "unless { resource has roles && resource.roles.containsAll([Role::\"NURSE\", Role::\"DOCTOR\"]) }".to_owned(),
        ),
        // Two at once, and three.
        (
            "codes.search",
            format!("when {{ {notes} }} unless {{ {} }}", own(".status == \"TRIAL\"")),
        ),
        (
            "codes.search",
            format!("when {{ {notes} }} unless {{ {} && {} }}", own(".status == \"TRIAL\""), tenant(".slug == \"kauvery\"")),
        ),
    ] {
        assert_eq!(findings(&mut loader, action, &condition), [], "{action} {condition}");
    }
}

#[test]
fn a_guard_that_lets_nothing_pass_closes_its_route() {
    let mut loader = Loader::default();
    for (action, condition) in [
        ("audit.list", ""),
        (
            "audit.list",
            "unless { context has tenant && context.tenant.slug like \"a\" && context.tenant.slug like \"b\" }",
        ),
        ("patients.read", r#"unless { principal.roles == [Role::"OTHER"] }"#),
    ] {
        let kinds = findings(&mut loader, action, condition);
        assert_eq!(kinds, [Kind::UnreachableRoute], "{action} {condition}");
    }
    // The finding about the condition comes first and replaces the one about the route.
    for (action, condition) in [
        ("audit.list", r#"unless { context.body_fields.contains("reason") }"#),
        ("codes.lists.read", "unless { context has workflow }"),
    ] {
        let kinds = findings(&mut loader, action, condition);
        assert_eq!(kinds, [Kind::NeverFilled], "{action} {condition}");
    }
}

/// What was found out about a route holds as long as the guards see the same route.
#[test]
fn a_route_whose_path_has_changed_is_looked_at_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut sources = Sources::read(&folder).unwrap();
    sources.tests.clear();
    let text = r#"@id("more") @layer("tenant") @reason("more") @message("More")
        forbid (principal is User, action == Action::"users.me.update", resource)
        unless { context.path like "/api/users/*" };"#;
    sources.policies.push(File { name: "z.cedar".to_owned(), text: Arc::from(text) });
    let mut loader = Loader::default();
    loader.load(sources.clone()).unwrap_or_else(|findings| panic!("{findings}"));
    let (before, rest) = sources.routes.text.split_once("action: users.me.update").unwrap();
    let rest = rest.replacen("path: /api/users/me", "path: /api/accounts/me", 1);
    sources.routes.text = Arc::from(format!("{before}action: users.me.update{rest}"));
    let findings = loader.load(sources).unwrap_err().0;
    assert_eq!(findings.iter().map(|it| it.kind).collect::<Vec<_>>(), [Kind::UnreachableRoute]);
}
