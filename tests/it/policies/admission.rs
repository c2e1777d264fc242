//! Which bundles the gate puts in force: what their tests say, what they have lost, and what a start would say.

mod copies;
mod revocations;
mod starts;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tests::{
    client::{self, Answer, Request},
    metrics::Metrics,
    stand::{Ground, Stand},
};

/// The receptionist may read the notes of visits.
const GRANT: &str = "@id(\"extra\")
permit (principal is User, action == Action::\"visit_notes.list\", resource)
when { principal.roles.contains(Role::\"RECEPTIONIST\") };
";
const NOTES: &str = "/api/visit-notes";

/// A few tests in the place of the bundle's own, which take seconds.
const OWN: &str = "facts:
  organizations:
    org-kauvery: { slug: kauvery, features: [codes, ai_notes] }
  users:
    doctor: { organization: org-kauvery, roles: [DOCTOR] }
    desk: { organization: org-kauvery, roles: [RECEPTIONIST] }
tests:
  - name: notes
    request: GET /api/visit-notes
    expect:
      doctor: allow by clinical
      desk: role_not_allowed
";

fn policies(ground: &Ground) -> PathBuf {
    ground.directory.path().join("policies")
}

/// Replaces the tests of a bundle by one file.
fn test_by(policies: &Path, text: &str) {
    let tests = policies.join("tests");
    let _none = fs::remove_dir_all(&tests);
    fs::create_dir(&tests).unwrap();
    fs::write(tests.join("own.yaml"), text).unwrap();
}

/// Files for a gate that admits only what `admit` says, whose bundle has few tests.
async fn ground(admit: &str) -> Ground {
    let ground = Stand::builder().set("policies.admit", admit).prepare().await;
    test_by(&policies(&ground), OWN);
    ground
}

async fn reload(stand: &Stand, query: &str) -> Answer {
    client::send(stand.admin(), &Request::new("POST", format!("/reload{query}"))).await
}

async fn status(stand: &Stand) -> Value {
    stand.ask_admin("/status").await.json()
}

/// A bundle in the folder is refused, loudly, and the one in force stays. Gives what is said of it.
async fn is_refused(stand: &Stand, kind: &str) -> String {
    let before = status(stand).await["policy_digest"].clone();
    let answer = reload(stand, "").await;
    assert_eq!(answer.status, 422, "{}", answer.json());
    let said = status(stand).await;
    assert_eq!(said["policy_digest"], before, "{said}");
    let error = said["policy_error"].as_str().unwrap().to_owned();
    assert!(error.contains(&format!("[{kind}]")), "{kind}: {error}");
    let ready = stand.ask_admin("/readyz").await;
    assert_eq!(ready.status, 200, "the bundle in force is a good one");
    let warning = ready.json()["checks"]["policies"]["warning"].to_string();
    assert!(warning.contains("rejected"), "{warning}");
    assert!(Metrics::of(stand).await.sum("cedargate_policy_rejected", &[]) > 0.0);
    error
}

/// The whole of a security engineer's mistake: one policy that allows everybody everything, and 594 of the bundle's
/// own tests that say otherwise.
#[tokio::test]
async fn permit_all_is_refused_by_its_own_tests_but_in_an_emergency() {
    let ground = Stand::builder().set("policies.admit", "no-grants").prepare().await;
    let stand = ground.start().await;
    let open = policies(&stand.ground).join("open.cedar");
    let all =
        "@id(\"open\")\npermit (principal is User, action in Action::\"request\", resource);\n";
    fs::write(&open, all).unwrap();
    let said = is_refused(&stand, "test-grants").await;
    assert!(said.contains("own tests expect a denial of what is allowed"), "{said}");
    assert!(said.contains("got allow by `open`") && said.contains("emergency=true"), "{said}");
    assert_eq!(stand.get("kauvery-receptionist", NOTES).await.status, 403);
    let before = status(&stand).await["policy_digest"].clone();

    let answer = reload(&stand, "?emergency=true").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["outcome"], "applied");
    assert!(answer.json()["overridden"][0]["rule"] == "test-grants", "{}", answer.json());
    assert_eq!(stand.get("kauvery-receptionist", NOTES).await.status, 200);
    let after = is_loud_about_an_emergency(&stand, &before).await;

    // Once: the next change is judged again.
    fs::write(&open, format!("{all}// Another.\n")).unwrap();
    is_refused(&stand, "test-grants").await;

    // A restart changes nothing: neither with the folder as it was, nor with one that was never admitted.
    let stand = stand.stop().await.start().await;
    let said = status(&stand).await;
    assert_eq!((&said["policy_digest"], &said["policy_source"]), (&after, &json!("archive")));
    fs::write(policies(&stand.ground).join("open.cedar"), all).unwrap();
    let stand = stand.stop().await.start().await;
    let said = status(&stand).await;
    assert_eq!((&said["policy_digest"], &said["policy_source"]), (&after, &json!("directory")));
    let warnings = said["policy_admission"]["warnings"].to_string();
    assert!(warnings.contains("own tests expect a denial of what is allowed"), "{warnings}");
}

/// An emergency is in `/status`, `/readyz`, the metrics and the journal. Gives the digest of its bundle.
async fn is_loud_about_an_emergency(stand: &Stand, before: &Value) -> Value {
    let said = status(stand).await;
    assert_eq!((&said["policy_error"], &said["policy_generation"]), (&Value::Null, &json!(2)));
    assert_eq!(said["policy_admission"]["emergency"], true);
    let overridden = said["policy_admission"]["overridden"].to_string();
    assert!(overridden.contains("test-grants"), "{overridden}");
    let ready = stand.ask_admin("/readyz").await;
    let warning = ready.json()["checks"]["policies"]["warning"].to_string();
    assert!(ready.status == 200 && warning.contains("emergency reload"), "{warning}");
    let metrics = Metrics::of(stand).await;
    for name in ["cedargate_policy_emergency", "cedargate_policy_emergencies_total"] {
        assert!((metrics.sum(name, &[]) - 1.0).abs() < 0.5, "{name}");
    }
    assert!(metrics.sum("cedargate_policy_tests_failed", &[]) > 500.0);
    let records = stand.ground.journal.records();
    let records: Vec<_> = records.iter().filter(|it| it["reason"] == "policy_emergency").collect();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["event_type"], "gate");
    let details = &records[0]["details"];
    assert_eq!((&details["from"], &details["to"]), (before, &said["policy_digest"]));
    assert!(details["overridden"].to_string().contains("test-grants"), "{details}");
    said["policy_digest"].clone()
}

#[tokio::test]
async fn any_bundle_that_can_be_asked_is_admitted_where_the_configuration_says_so() {
    let stand = ground("any").await.start().await;
    fs::write(policies(&stand.ground).join("extra.cedar"), GRANT).unwrap();
    assert_eq!(reload(&stand, "").await.status, 200);
    assert_eq!(stand.get("kauvery-receptionist", NOTES).await.status, 200);
    let said = status(&stand).await;
    assert_eq!(said["policy_admission"]["mode"], "any");
    assert_eq!(said["policy_admission"]["tests"], Value::Null);
    // What cannot be asked is refused everywhere, in an emergency, too.
    fs::write(policies(&stand.ground).join("extra.cedar"), "permit (").unwrap();
    for query in ["", "?emergency=true"] {
        let answer = reload(&stand, query).await;
        assert_eq!(answer.status, 422, "{}", answer.json());
        assert_eq!(answer.json()["findings"][0]["rule"], "syntax");
    }
}

/// Each file of guards is a layer. It may vanish with the tests that would notice it: a `ConfigMap` has no subfolders.
#[tokio::test]
async fn a_file_of_guards_does_not_vanish() {
    let stand = ground("no-grants").await.start().await;
    let (policies, aside) = (policies(&stand.ground), stand.ground.directory.path().join("aside"));
    fs::create_dir(&aside).unwrap();
    for name in ["authentication", "boundary", "escalation", "paywall", "tenancy", "workflows"] {
        let file = format!("{name}.cedar");
        fs::rename(policies.join(&file), aside.join(&file)).unwrap();
        for tests in ["with", "without"] {
            if tests == "without" {
                fs::rename(policies.join("tests"), aside.join("tests")).unwrap();
            }
            let before = status(&stand).await["policy_digest"].clone();
            let answer = reload(&stand, "").await;
            assert_eq!(answer.status, 422, "{name} {tests} tests: {}", answer.json());
            let said = answer.json().to_string();
            // Without the guards of tenants the policies do not even agree with one another.
            let expected = if name == "tenancy" { "findings" } else { "guards-gone" };
            assert!(said.contains(expected), "{name} {tests} tests: {said}");
            assert_eq!(status(&stand).await["policy_digest"], before);
        }
        fs::rename(aside.join("tests"), policies.join("tests")).unwrap();
        fs::rename(aside.join(&file), policies.join(&file)).unwrap();
        assert_eq!(reload(&stand, "").await.status, 200, "{name}");
    }
}

/// A change may take a test away together with the guard that it tests: those of the bundle in force count, too.
#[tokio::test]
async fn a_change_does_not_grant_by_taking_the_test_away() {
    let stand = ground("no-grants").await.start().await;
    let policies = policies(&stand.ground);
    let desk = "      desk: role_not_allowed\n";
    fs::write(policies.join("extra.cedar"), GRANT).unwrap();

    test_by(&policies, &OWN.replace(desk, ""));
    let said = is_refused(&stand, "test-grants").await;
    assert!(said.contains("tests of the bundle in force expect to be denied"), "{said}");
    // The test says that it is allowed now, but to somebody else of that name.
    let other = OWN.replace("[RECEPTIONIST]", "[DOCTOR]").replace(desk, "      desk: allow\n");
    test_by(&policies, &other);
    is_refused(&stand, "test-grants").await;
    fs::remove_dir_all(policies.join("tests")).unwrap();
    is_refused(&stand, "test-grants").await;

    // It says so of the same person: that is a change of both, as it should be.
    test_by(&policies, &OWN.replace(desk, "      desk: allow by extra\n"));
    let answer = reload(&stand, "").await;
    assert_eq!((answer.status, &answer.json()["warnings"]), (200, &Value::Null));
    assert_eq!(stand.get("kauvery-receptionist", NOTES).await.status, 200);
    let tests = status(&stand).await["policy_admission"]["tests"].clone();
    assert_eq!(tests, json!({"run": 2, "failed": 0}));
}
