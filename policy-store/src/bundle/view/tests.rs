use cedar_policy::Policy;

use super::*;

fn view(policies: &[&str], unknown: bool) -> View {
    let glances: Vec<Glance> = policies
        .iter()
        .map(|text| Glance::of(&Reads::of(&text.parse::<Policy>().unwrap())))
        .collect();
    View::of(glances.iter(), unknown)
}

fn when(condition: &str) -> String {
    format!("permit (principal, action, resource) when {{ {condition} }};")
}

fn seen(condition: &str) -> (bool, bool, bool) {
    let policy = when(condition);
    let (known, unknown) = (view(&[&policy], false), view(&[&policy], true));
    assert_eq!(known.shapes, unknown.shapes);
    (known.shapes.is_none(), known.names, unknown.names)
}

#[test]
fn paths_are_told_apart_by_what_they_are_held_against() {
    let condition = r#"context.path like "/a/*" || "/b" == context.path"#;
    let view = view(&[&when(condition), &when(r#"context.path like "/a/*""#)], false);
    let path = |path: &str| view.path(&Arc::from(path));
    assert_eq!(path("/a/1"), path("/a/2/3"));
    assert_eq!(path("/b"), SeenPath::Shapes(2));
    assert_eq!(path("/b/"), path("/c"));
    assert_ne!(path("/a/"), path("/c"));
}

#[test]
fn a_path_that_is_taken_as_a_value_is_seen_whole() {
    for condition in [
        r#"["/a", "/b"].contains(context.path)"#,
        "context.path == context.method",
        r"context.path == resource.path",
        r#"if context.path like "/a" then context == {a: 1} else false"#,
        r#"{path: context.path} == {path: "/a"}"#,
        "[context].isEmpty()",
        r#"context.path == (if true then "/a" else "/b")"#,
    ] {
        assert!(seen(condition).0, "{condition}");
    }
    assert!(!seen(r#"context.method like "G*" && context has path"#).0);
    assert!(!seen(r#"{Var: 1, "like": 2} == {Var: 1}"#).0);
}

#[test]
fn objects_are_told_apart_where_their_names_can_be_seen() {
    for condition in ["resource is T", "true", r#"principal.name == "resource""#] {
        assert_eq!(seen(condition), (false, false, false), "{condition}");
    }
    let attribute = "resource has owner && resource.owner == principal.org";
    assert_eq!(seen(attribute), (false, false, true));
    for condition in [
        r#"resource == T::"a""#,
        "principal == resource",
        "resource in principal.group",
        "resource is T in principal.group",
        "[resource].contains(principal)",
        "{Var: resource} has Var",
        "(if true then resource else principal).owner == 1",
        "resource.hasTag(\"a\")",
        r#"T::"a" has owner"#,
        r#"(if principal.x then T::"a" else T::"b").owner == 1"#,
    ] {
        assert_eq!(seen(condition), (false, true, true), "{condition}");
    }
}

#[test]
fn a_scope_shows_names_unless_it_is_of_a_type() {
    let of = |scope: &str| view(&[&format!("permit (principal, action, {scope});")], false).names;
    assert!(!of("resource") && !of("resource is T"));
    assert!(of("resource == T::\"a\"") && of("resource in T::\"a\""));
    assert!(of("resource is T in T::\"a\""));
}

#[test]
fn users_are_told_apart_where_one_is_written_out() {
    let users = |policy: &str| view(&[policy], false).caller() == SeenCaller::Name;
    for condition in [
        "true",
        "principal == resource",
        "[principal].contains(resource) && {a: principal} == {a: resource}",
        "(if resource.x then principal else resource).roles.contains(Role::\"User\")",
        "principal is User && principal has organization && principal.hasTag(\"User\")",
        "principal is User in T::\"a\" || principal in [resource, T::\"User\"]",
        r#"principal.organization == Organization::"User" || {type: "User"} == {type: "User"}"#,
    ] {
        assert!(!users(&when(condition)), "{condition}");
    }
    for condition in [
        r#"principal == User::"a""#,
        r#"User::"a" == principal"#,
        r#"principal in [T::"a", User::"a"]"#,
        r#"principal in (if true then resource else User::"a")"#,
        r#"principal is User in User::"a""#,
        r#"[User::"a"].contains(principal)"#,
        r#"{a: {b: [User::"a"]}} == {a: {b: [principal]}}"#,
        r#"User::"a" has organization"#,
        r#"User::"a".roles.contains(Role::"b")"#,
        r#"(if context.x then User::"a" else User::"b").getTag("c") == 1"#,
        r#"resource == User::"a""#,
        r#"context.path like "*" && !(resource.x == [[User::"a"]])"#,
        r#"principal == Space::User::"a""#,
    ] {
        assert!(users(&when(condition)), "{condition}");
    }
    assert!(users(&when("true").replace(';', r#" unless { principal == User::"a" };"#)));
}

#[test]
fn a_scope_shows_users_if_it_names_one() {
    let users = |policies: &[&str]| view(policies, false).caller() == SeenCaller::Name;
    let of = |scope: &str| users(&[&format!("forbid ({scope});")]);
    assert!(!of("principal, action, resource") && !of("principal is User, action, resource"));
    assert!(!of("principal is User in T::\"a\", action, resource is User"));
    assert!(of("principal == User::\"a\", action, resource"));
    assert!(of("principal in User::\"a\", action, resource"));
    assert!(of("principal is User in User::\"a\", action, resource"));
    assert!(of("principal, action, resource == User::\"a\""));
    let one = [&*when("true"), r#"forbid (principal == User::"a", action, resource);"#];
    assert!(users(&one));
}

#[test]
fn of_a_caller_no_more_is_seen_than_is_looked_at() {
    let seen = |condition: &str| view(&[&when("true"), &when(condition)], true).caller();
    for condition in [
        "true",
        r#"principal.roles == [Role::"OTHER"] || principal.status == "ACTIVE""#,
        "principal has organization && principal.organization.deleted",
        "principal has roles && principal.organization has status",
        r#"["A", "B"].contains(principal.organization.status)"#,
        "principal is User && resource is T && context.tenant == context.feature",
        r#"context.path like "/a" && context has break_glass"#,
    ] {
        assert_eq!(seen(condition), SeenCaller::Gist, "{condition}");
    }
    for condition in [
        r#"principal.features.contains(Feature::"codes")"#,
        "principal has features || principal has owner",
        "principal.organization == principal.owner",
        r#"principal.organization in Group::"a""#,
        r#"principal.organization.features.contains(Feature::"codes")"#,
        "principal.organization has group",
        "principal.organization.owner.status == principal.status",
        "[principal.organization].isEmpty()",
        r#"{status: principal.organization}.status == "a""#,
        r#"context.tenant.status == "ACTIVE""#,
        "(if true then principal.organization else principal.organization).deleted",
        "(if true then principal else principal).status == 1",
        r#"Organization::"a" has status"#,
        r#"context.tenant == Organization::"a""#,
        r#"Organization::"a" in Group::"b""#,
        r#"principal.hasTag("a") && principal.getTag("a") == 1"#,
        "resource has owner",
        "principal == resource",
    ] {
        assert_eq!(seen(condition), SeenCaller::Likeness, "{condition}");
    }
    assert_eq!(view(&[&when("true")], false).caller(), SeenCaller::Likeness);
    assert_eq!(seen(r#"principal == User::"a""#), SeenCaller::Name);
}

#[test]
fn with_too_many_forms_each_path_is_its_own() {
    let many = |count: usize| {
        let like = |number| format!(r#"context.path like "/{number}/*""#);
        when(&(0..count).map(like).collect::<Vec<_>>().join(" || "))
    };
    assert!(view(&[&many(SHAPES)], false).shapes.is_some());
    assert!(view(&[&many(SHAPES + 1)], false).shapes.is_none());
}

#[test]
fn a_policy_that_cannot_be_read_looks_at_everything() {
    let view = View::of([Glance::of(&Reads::everything())].iter(), false);
    assert!(view.shapes.is_none() && view.names && view.caller() == SeenCaller::Name);
}
