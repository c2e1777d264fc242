//! Guards after the layer `role` that close a route, and guards that only look like it.

use std::path::Path;
use std::sync::Arc;

use crate::bundle::{File, Kind, Loader, Sources};

/// Actions about which the bundle that ships has a guard more, with this condition: the findings.
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

#[test]
fn a_guard_that_lets_nothing_pass_closes_its_route() {
    let mut loader = Loader::default();
    for (action, condition) in [
        ("audit.list", ""),
        ("audit.list", r#"unless { context.body_fields.contains("reason") }"#),
        ("codes.lists.read", "unless { context has workflow }"),
        ("patients.read", r#"unless { principal.roles == [Role::"OTHER"] }"#),
    ] {
        assert_eq!(
            findings(&mut loader, action, condition),
            [Kind::UnreachableRoute],
            "{action} {condition}"
        );
    }
}

/// What was found out about a route holds for as long as the guards see the same of it.
#[test]
fn a_route_whose_body_is_not_read_any_more_is_looked_at_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut sources = Sources::read(&folder).unwrap();
    sources.tests.clear();
    let text = r#"@id("more") @layer("tenant") @reason("more") @message("More")
        forbid (principal is User, action == Action::"users.me.update", resource)
        unless { context.body_fields.contains("locale") };"#;
    sources.policies.push(File { name: "z.cedar".to_owned(), text: Arc::from(text) });
    let mut loader = Loader::default();
    loader.load(sources.clone()).unwrap_or_else(|findings| panic!("{findings}"));
    let (before, rest) = sources.routes.text.split_once("action: users.me.update").unwrap();
    let rest = rest.replacen("body: json", "body: opaque", 1);
    sources.routes.text = Arc::from(format!("{before}action: users.me.update{rest}"));
    let findings = loader.load(sources).unwrap_err().0;
    assert_eq!(findings.iter().map(|it| it.kind).collect::<Vec<_>>(), [Kind::UnreachableRoute]);
}
