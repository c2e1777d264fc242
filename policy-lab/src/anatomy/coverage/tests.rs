use policy_store::bundle::Bundle;

use super::super::tests::{bundle, question};
use super::{AnatomyError, Coverage, Report};

const LIST: &str = "@id(\"list\")
permit (principal is User, action == Action::\"go\", resource)
when { principal.roles.containsAny([Role::\"A\", Role::\"B\"]) };
";

const GUARD: &str = "@id(\"guard\") @layer(\"tenant\") @reason(\"r\") @message(\"m\")
forbid (principal is User, action in Action::\"request\", resource)
when { context has x && context.x };
@id(\"open\")
permit (principal is Guest, action == Action::\"open\", resource);
";

/// Asks questions, each by a caller with these roles and this context.
fn asked(bundle: &Bundle, questions: &[(&str, &str)]) -> Coverage {
    let mut coverage = Coverage::of(bundle).unwrap();
    for (roles, context) in questions {
        let (request, entities) = question(bundle, roles, context);
        coverage.asked(&request, &entities, |_| true).unwrap();
    }
    coverage
}

fn lines(report: &Report) -> Vec<String> {
    report.missing.iter().map(|it| format!("{}:{}: {}", it.file, it.line, it.what)).collect()
}

/// Checks which items of the policies in `text` are missing after these questions, without those of routes.
#[track_caller]
fn check(text: &str, questions: &[(&str, &str)], expected: &[&str]) {
    let report = asked(&bundle(text), questions).report();
    let mut lines = lines(&report);
    lines.retain(|line| line.starts_with("p.cedar"));
    assert_eq!(lines, expected);
}

#[test]
fn everything_is_missing_at_first() {
    check(
        LIST,
        &[],
        &[
            "p.cedar:1: policy `list` never applied",
            "p.cedar:1: policy `list` was never asked without applying",
            "p.cedar:3: condition `principal.roles.containsAny([Role::\"A\", Role::\"B\"])` was never true",
            "p.cedar:3: condition `principal.roles.containsAny([Role::\"A\", Role::\"B\"])` was never false",
            "p.cedar:3: role `A` of the allowlist was never what let a caller in",
            "p.cedar:3: role `B` of the allowlist was never what let a caller in",
            "p.cedar:3: role `C`, which is not on the allowlist, was never kept out",
        ],
    );
}

#[test]
fn a_role_is_seen_by_itself() {
    let a = "p.cedar:3: role `A` of the allowlist was never what let a caller in";
    let b = "p.cedar:3: role `B` of the allowlist was never what let a caller in";
    let c = "p.cedar:3: role `C`, which is not on the allowlist, was never kept out";
    // A caller without roles is refused, and shows nothing about any role.
    let nobody = ("", "{}");
    check(LIST, &[nobody, ("A", "{}")], &[b, c]);
    check(LIST, &[nobody, ("AB", "{}")], &[a, b, c]);
    check(LIST, &[nobody, ("BC", "{}")], &[a, c]);
    check(LIST, &[("A", "{}"), ("B", "{}"), ("C", "{}")], &[]);
}

#[test]
fn a_condition_that_is_not_reached_is_not_seen() {
    check(
        GUARD,
        &[("", "{}")],
        &[
            "p.cedar:1: policy `guard` never applied",
            "p.cedar:3: condition `context has x` was never true",
            "p.cedar:3: condition `context.x` was never true",
            "p.cedar:3: condition `context.x` was never false",
            "p.cedar:4: policy `open` never applied",
        ],
    );
    let questions = [("", "{}"), ("", "{ \"x\": true }"), ("", "{ \"x\": false }")];
    check(GUARD, &questions, &["p.cedar:4: policy `open` never applied"]);
}

#[test]
fn a_policy_that_fails_neither_applies_nor_stands_aside() {
    let text = "@id(\"p\") permit (principal, action, resource) when { context.z };";
    check(
        text,
        &[("", "{}")],
        &[
            "p.cedar:1: policy `p` never applied",
            "p.cedar:1: policy `p` was never asked without applying",
            "p.cedar:1: condition `context.z` was never true",
            "p.cedar:1: condition `context.z` was never false",
        ],
    );
}

#[test]
fn a_policy_that_the_gate_does_not_come_to_is_not_seen() {
    let bundle = bundle(&format!("{LIST}{GUARD}"));
    let mut coverage = Coverage::of(&bundle).unwrap();
    let (request, entities) = question(&bundle, "C", "{ \"x\": true }");
    coverage.asked(&request, &entities, |rule| rule.layer.is_early()).unwrap();
    let missing = lines(&coverage.report());
    assert!(missing.contains(&"p.cedar:4: policy `guard` never applied".to_owned()));
    assert!(
        !missing.iter().any(|line| line.contains("never asked without") && line.contains("list"))
    );
}

#[test]
fn routes_are_seen_from_outside() {
    let bundle = bundle(GUARD);
    let mut coverage = asked(&bundle, &[]);
    let routes = |coverage: &Coverage| {
        let mut lines = lines(&coverage.report());
        lines.retain(|line| line.starts_with("routes.yaml"));
        lines
    };
    // Nothing can refuse the route `open`.
    let (allowed, refused, open) = (
        "routes.yaml:3: route `go` was never allowed",
        "routes.yaml:3: route `go` was never refused",
        "routes.yaml:4: route `open` was never allowed",
    );
    assert_eq!(routes(&coverage), [allowed, refused, open]);
    coverage.decided("go", true);
    coverage.decided("nothing", true);
    assert_eq!(routes(&coverage), [refused, open]);
    coverage.decided("go", false);
    coverage.decided("open", false);
    assert_eq!(routes(&coverage), [open]);
}

#[test]
fn what_several_have_seen_is_put_together() {
    let bundle = bundle(LIST);
    let empty = Coverage::of(&bundle).unwrap();
    let see = |roles: &str| {
        let mut coverage = empty.clone();
        let (request, entities) = question(&bundle, roles, "{}");
        coverage.asked(&request, &entities, |_| true).unwrap();
        coverage
    };
    let mut all = see("A");
    all.merge(&see("B"));
    all.merge(&see("C"));
    let report = all.report();
    assert_eq!((report.covered, report.total), (7, 11));
    assert!((report.percent() - 63.6).abs() < 0.001, "{}", report.percent());
    assert_eq!(empty.report().covered, 0);
}

#[test]
fn a_report_is_written_as_json() {
    let report = Coverage::of(&bundle("@id(\"p\") permit (principal, action, resource);"));
    let json = serde_json::to_value(report.unwrap().report()).unwrap();
    let expected = serde_json::json!({
        "file": "p.cedar", "line": 1, "policy": "p", "kind": "policy",
        "what": "policy `p` never applied"
    });
    assert_eq!(json["missing"][0], expected);
}

#[test]
fn an_unknown_action_is_an_error() {
    let one = bundle(LIST);
    let (request, entities) = question(&one, "A", "{}");
    let request = cedar_policy::Request::new(
        request.principal().unwrap().clone(),
        "Action::\"stay\"".parse().unwrap(),
        request.resource().unwrap().clone(),
        cedar_policy::Context::empty(),
        None,
    );
    let mut coverage = Coverage::of(&one).unwrap();
    let error = coverage.asked(&request.unwrap(), &entities, |_| true).unwrap_err();
    assert_eq!(error, AnatomyError::NoSuchAction("Action::\"stay\"".to_owned()));
}
