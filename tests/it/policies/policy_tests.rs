//! `cedargate test`: the tests of a bundle, their coverage, and what a change changes.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tests::{binary, stand::Stand};

/// A folder with a copy of the project's policies in it.
async fn folder() -> tests::stand::Ground {
    Stand::builder().prepare().await
}

async fn test(folder: &Path, more: &[&str]) -> (i32, String, String) {
    let mut arguments = vec!["test", "--policies", "policies"];
    arguments.extend(more);
    binary::run_long(folder, &arguments).await
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join("policies").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
    fs::write(&path, text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn the_project_s_own_tests_pass_and_cover_its_policies() {
    let ground = folder().await;
    let (code, said, error) =
        test(ground.directory.path(), &["--coverage", "--format", "json"]).await;
    assert_eq!(code, 0, "{said}{error}");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["failed"], 0);
    assert!(said["passed"].as_u64().unwrap() > 2_000, "{}", said["passed"]);
    assert!(said["coverage"]["percent"].as_f64().unwrap() > 98.0, "{}", said["coverage"]);
    let (code, said, _) = test(ground.directory.path(), &["--min-coverage", "100"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("MISSED  ") && said.contains("less than 100 %"), "{said}");
    let asked = ["--min-coverage", "100", "--format", "junit"];
    let (code, said, _) = test(ground.directory.path(), &asked).await;
    assert!(code == 1 && said.contains("failures=\"1\""), "{said}");
    assert!(said.contains("name=\"coverage\">\n      <failure message=\""), "{said}");
    assert!(said.contains("MISSED  "), "{said}");
}

#[tokio::test]
async fn no_change_of_the_project_s_policies_goes_unnoticed() {
    let ground = folder().await;
    let root = ground.directory.path();
    let (code, said, error) = test(root, &["--mutate", "--format", "json"]).await;
    let told: Value = serde_json::from_str(&said).unwrap_or_default();
    assert_eq!(code, 0, "{:#}{error}", told["mutation"]);
    let mutation = &told["mutation"];
    assert_eq!((&mutation["survived"], &mutation["stale"]), (&json!([]), &json!([])));
    assert!(mutation["mutants"].as_u64().unwrap() > 500, "{}", mutation["mutants"]);

    // Where a test is missing, the change that nobody would notice is shown.
    fs::remove_file(root.join("policies/tests/boundary.yaml")).unwrap();
    let (code, said, _) = test(root, &["--mutate", "--format", "junit"]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("name=\"mutation\">\n      <failure message=\""), "{said}");
    assert!(said.contains("SURVIVED  boundary.cedar/outside-boundary: "), "{said}");
    assert!(said.contains("--- a/boundary.cedar\n+++ b/boundary.cedar\n@@ "), "{said}");
}

#[tokio::test]
async fn a_failure_says_what_was_expected_what_came_and_why() {
    let ground = folder().await;
    let root = ground.directory.path();
    fs::write(
        root.join("policies/tests/zz.yaml"),
        "tests:\n  - name: wrong\n    requests: { list: GET /api/patients }\n    expect:\n      doctor: outside_boundary by outside-boundary\n      other: allow\n      no-role: allow\n",
    )
    .unwrap();
    let (code, said, _) = test(root, &["--filter", "zz.yaml"]).await;
    assert_eq!(code, 1);
    for line in [
        "FAILED  tests/zz.yaml:5  wrong: list, doctor",
        "        GET /api/patients",
        "        expected  outside_boundary by outside-boundary",
        "        actual    allow",
        "FAILED  tests/zz.yaml:6  wrong: list, other",
        "        actual    outside_boundary (403)",
        "        when      true   principal.roles == [Role::\"OTHER\"]",
        "        unless    false  context.path like \"/api/codes/*\"",
        "                  false  context.path like \"/api/auth/*\"",
        "        actual    role_not_allowed (403)",
        "0 passed, 3 failed",
    ] {
        assert!(said.lines().any(|it| it == line), "{line}\n{said}");
    }
    assert!(said.contains("        by        outside-boundary (boundary.cedar:"), "{said}");
    assert!(said.contains("        not by    clinic-staff (roles.cedar:"), "{said}");
    let (_, said, _) = test(root, &["--filter", "zz.yaml", "--format", "json"]).await;
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let why = &report["cases"][2]["why"];
    assert_eq!(why["decided_by"][0]["policy"], "outside-boundary", "{said}");
    assert_eq!(why["decided_by"][0]["clauses"][0]["parts"][0]["value"], true, "{said}");
    let (code, said, _) = test(root, &["--filter", "zz.yaml", "--format", "junit"]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("<testsuites name=\"cedargate test\" tests=\"3\" failures=\"3\">"),
        "{said}"
    );
    assert!(said.contains("<failure message=\"expected allow, got outside_boundary\">"), "{said}");

    let (code, _, error) = test(root, &["--filter", "nothing of this name"]).await;
    assert_eq!(code, 1);
    assert!(error.contains("no test fits the filter"), "{error}");
    fs::write(root.join("policies/tests/zz.yaml"), "tests:\n  - nme: x\n").unwrap();
    let (code, _, error) = test(root, &[]).await;
    assert_eq!(code, 2);
    assert!(error.contains("tests/zz.yaml:2"), "{error}");
    // A bundle is accepted whole or not at all: this one would not be served either.
    let (code, said, _) = binary::run(root, &["check", "--policies", "policies"]).await;
    assert_eq!(code, 1, "{said}");
    fs::remove_dir_all(root.join("policies/tests")).unwrap();
    let (code, _, error) = test(root, &[]).await;
    assert_eq!(code, 1);
    assert!(error.contains("there are no tests"), "{error}");
}

#[tokio::test]
async fn a_changed_rule_fails_its_tests_and_tells_what_it_changes() {
    let ground = folder().await;
    let root = ground.directory.path();
    let gate = ground.serve().await;
    gate.kill().await;
    // Somebody mistakes one administrator for another.
    edit(
        root,
        "tenancy.cedar",
        "principal.roles.contains(Role::\"GROUP_ADMIN\")",
        "principal.roles.contains(Role::\"ORG_ADMIN\")",
    );
    let (code, said, _) = test(root, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("expected  cross_tenant"), "{said}");
    let (code, said, _) = test(root, &["--against", "var/audit/policies"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("    old  cross_tenant\n    new  allow by "), "{said}");
    assert!(said.contains(" decided otherwise, "), "{said}");
    let (code, said, _) = test(root, &["--against", "policies"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.ends_with(": 0 decided otherwise, 0 the same by other policies\n"), "{said}");
}
