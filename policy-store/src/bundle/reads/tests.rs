use cedar_policy::Policy;

use super::*;

mod proof;

const ALL: &str = "principal, action, resource";

fn reads(scope: &str, condition: &str) -> Reads {
    let text = format!("permit ({scope}) when {{ {condition} }};");
    Reads::of(&text.parse::<Policy>().unwrap_or_else(|error| panic!("{text}: {error:?}")))
}

#[track_caller]
fn check(scope: &str, condition: &str, expected: &[&str]) {
    let reads = reads(scope, condition);
    assert!(!reads.is_everything(), "{condition}");
    let said: Vec<String> = reads.iter().map(|read| format!("{read}")).collect();
    assert_eq!(said, expected, "{condition}");
}

#[test]
fn what_a_policy_reads_is_found() {
    check(ALL, "context has now && context.now > 1", &["context.now"]);
    check(ALL, "context[\"now\"] > 1", &["context.now"]);
    check(
        ALL,
        "principal has organization.group",
        &["principal.organization", "principal.organization.group"],
    );
    check(ALL, "(if true then principal else resource).x", &["principal.x", "resource.x"]);
    check(ALL, "{a: principal}.a.x", &["principal.x"]);
    check(ALL, "User::\"a\".x", &["User::\"…\".x", "User::\"a\""]);
    check(ALL, "resource is Patient", &["resource is Patient"]);
    check(ALL, "principal.hasTag(\"a\")", &["tags of principal"]);
    check(
        ALL,
        "principal in [Role::\"a\", Group::\"b\"]",
        &["principal in Role::\"…\" or Group::\"…\"", "Group::\"b\"", "Role::\"a\""],
    );
    check(ALL, "principal in resource.roles", &["resource.roles", "principal in resource.roles"]);
    check(
        "principal is User in Role::\"a\", action in [Action::\"x\"], resource in Group::\"g\"",
        "true",
        &[
            "principal in Role::\"…\"",
            "resource in Group::\"…\"",
            "Action::\"x\"",
            "Group::\"g\"",
            "Role::\"a\"",
        ],
    );
    check("principal == Guest::\"a\", action, resource", "true", &["Guest::\"a\""]);
}

#[test]
fn what_cannot_be_told_is_everything() {
    for condition in [
        "principal.getTag(\"a\").x == 1",
        "{a: {b: principal}}.a.b.x == 1",
        "(if true then principal.getTag(\"a\") else principal.getTag(\"b\")) has x",
    ] {
        let reads = reads(ALL, condition);
        assert!(reads.is_everything() && reads.is_unclear(), "{condition}");
        assert!(reads.circumstance("token_age") && reads.attribute("status"), "{condition}");
        assert!(reads.takes(&Root::Context, &["path"]) && reads.mentions("Group"), "{condition}");
    }
    assert!(!reads(ALL, "{a: 1} has a && {a: 1}.a == 1").is_everything());
}

#[test]
fn a_circumstance_is_seen_however_it_is_spelled() {
    for condition in [
        "context has token_age",
        "context has token_age.x",
        r#"context["token\u{5f}age"] > 1"#,
        r#"context["token\x5fage"] > 1"#,
        "context == {}",
        "[context].contains(context)",
        "{a: context}.a == 1",
        "(if true then context else {token_age: 1}).token_age == 1",
    ] {
        assert!(reads(ALL, condition).circumstance("token_age"), "{condition}");
    }
    for condition in [
        r#"context.path like "/token_age/\*" && context has feature"#,
        r#"context ["path"] == "context""#,
        r#"principal.token_age == "token_age""#,
    ] {
        assert!(!reads(ALL, condition).circumstance("token_age"), "{condition}");
    }
}

#[test]
fn literals_belong_to_what_they_are_compared_with() {
    let texts = |condition: &str, name: &str| -> String {
        reads(ALL, condition).texts(name).collect::<Vec<_>>().join(" ")
    };
    let condition = r#"principal.status == "A" && !(["B", "C"].contains(resource.slug) || principal has status)"#;
    assert_eq!(texts(condition, "status"), "A");
    assert_eq!(texts(condition, "slug"), "B C");
    assert_eq!(texts(condition, "roles"), "");
    assert_eq!(
        texts(r#"if principal.status == "A" then context.x == "B" else true"#, "status"),
        "A"
    );
    assert_eq!(
        texts(r#"(if principal.status == "A" then "B" else "C") == context.x"#, "status"),
        "A B C"
    );
    assert_eq!(texts(r#"principal.status like "A*\*" "#, "status"), "A**");
    assert_eq!(texts(r#"{a: principal.status}.a == "\"\u{e9}""#, "status"), "\"é");
    assert_eq!(texts(r#"context == {status: "A"}"#, "status"), "A");
    assert_eq!(texts(r#"principal.roles == [Role::"R"]"#, "roles"), "");
    let numbers =
        |condition: &str| -> Vec<i64> { reads(ALL, condition).numbers("token_age").collect() };
    assert_eq!(numbers("context.token_age < 5 && context.other == 7"), [5]);
    assert_eq!(numbers("context.token_age > -(3) + 9"), [-3, 3, 9]);
    assert!(reads(ALL, r#"principal.roles.contains(Role::"R")"#).names("Role", "R"));
}
