use std::path::Path;
use std::sync::Arc;

use super::Suite;
use crate::bundle::{Bundle, File};

fn read(text: &str) -> Result<Suite, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let bundle = Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"));
    let file = File { name: "tests/a.yaml".to_owned(), text: Arc::from(text) };
    Suite::read(&[file], bundle.vocabulary()).map_err(|findings| findings.to_string())
}

const FACTS: &str = "facts:
  organizations:
    o: { features: [codes] }
  users:
    ann: { organization: o, roles: [DOCTOR] }
    bob: {}
  objects:
    Patient: { p: { owner: o } }
";

#[test]
fn a_table_becomes_cases() {
    let text = format!(
        "{FACTS}tests:
  - name: t
    requests:
      a: GET /a?b=c
      b: {{ send: POST /b, tenant: o, body: {{ x: [1] }}, token_age: 5 }}
      c: {{ send: PUT /c, body: '{{\"x\"' }}
    expect:
      ann, bob: {{ a: allow by p, \"b, c\": escalation }}
      nobody: {{ a: token_missing, \"*\": token_malformed by q }}
      ghost: user_unknown
"
    );
    let suite = read(&text).unwrap_or_else(|error| panic!("{error}"));
    let cases: Vec<String> = suite
        .cases
        .iter()
        .map(|case| {
            let caller = case.caller.as_deref().unwrap_or("-");
            let policy = case.expected.policy.as_deref().unwrap_or("-");
            let body = case.request.body.as_deref().unwrap_or("-");
            format!(
                "{} {caller} {} {body} {} {policy}",
                case.line, case.request.target, case.expected.reason
            )
        })
        .collect();
    assert_eq!(
        cases,
        [
            "16 ann /a?b=c - allow p",
            "16 ann /b {\"x\":[1]} escalation -",
            "16 ann /c {\"x\" escalation -",
            "16 bob /a?b=c - allow p",
            "16 bob /b {\"x\":[1]} escalation -",
            "16 bob /c {\"x\" escalation -",
            "18 ghost /a?b=c - user_unknown -",
            "18 ghost /b {\"x\":[1]} user_unknown -",
            "18 ghost /c {\"x\" user_unknown -",
            "17 - /a?b=c - token_missing -",
            "17 - /b {\"x\":[1]} token_malformed q",
            "17 - /c {\"x\" token_malformed q",
        ]
    );
    assert!(suite.facts.users.contains_key("ann"));
}

#[test]
fn what_is_wrong_is_said() {
    let check = |text: &str, expected: &str| {
        let error = read(&format!("{FACTS}{text}")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    check("tests:\n  - name: t\n    expect: { ann: allow }\n", "test `t` sends nothing");
    check(
        "tests:\n  - name: t\n    request: GET\n    expect: { ann: allow }\n",
        "is not a method and a target",
    );
    check(
        "tests:\n  - name: t\n    request: GET /\n    expect: { eve: allow }\n",
        "there is no user `eve`",
    );
    check(
        "tests:\n  - name: t\n    request: GET /\n    expect: { ann: { x: allow } }\n",
        "the test has no request `x`",
    );
    check(
        "tests:\n  - name: t\n    request: GET /\n    expect: { ann: '' }\n",
        "an expectation is empty",
    );
    check(
        "tests:\n  - name: t\n    request: GET /\n    expect: { ann: ' by p' }\n",
        "an expectation is empty",
    );
    check("testz: []\n", "testz");
    check("accepted_mutants: [{ mutant: m, reason: ' ' }]\n", "needs its reason");
    let error =
        read("facts: { users: { a: { organization: x, roles: [DOCTR], features: [y] } } }\n")
            .unwrap_err();
    for expected in ["organisation `x`", "role `DOCTR`", "feature `y`"] {
        assert!(error.contains(expected), "{error}");
    }
}
