//! What takes something back is never held up, and never quiet.

use std::fs;

use serde_json::{Value, json};
use tests::{metrics::Metrics, stand::Stand};

use super::{NOTES, OWN, ground, is_refused, policies, reload, status, test_by};

/// Doctors do not read the notes of visits for now.
const FREEZE: &str = "@id(\"freeze\")
@layer(\"role\")
@reason(\"incident\")
@message(\"Not now\")
forbid (principal is User, action == Action::\"visit_notes.list\", resource)
when { principal.roles.contains(Role::\"DOCTOR\") };
";

/// The newest bundle is in force, with `failed` of its tests, and that is said everywhere.
async fn is_loud(stand: &Stand, failed: i64, what: &str) {
    let said = status(stand).await;
    assert_eq!(said["policy_error"], Value::Null, "{said}");
    let admission = &said["policy_admission"];
    assert_eq!(admission["tests"]["failed"], failed, "{admission}");
    assert!(admission["warnings"].to_string().contains(what), "{admission}");
    let ready = stand.ask_admin("/readyz").await;
    assert_eq!(ready.status, 200);
    let warning = ready.json()["checks"]["policies"]["warning"].to_string();
    assert!(warning.contains("see /status"), "{warning}");
    let metrics = Metrics::of(stand).await;
    let counted = metrics.sum("cedargate_policy_tests_failed", &[]);
    assert!((counted - f64::from(i32::try_from(failed).unwrap())).abs() < 0.5, "{counted}");
}

#[tokio::test]
async fn a_revocation_that_its_own_tests_do_not_expect_is_admitted() {
    let stand = ground("no-grants").await.start().await;
    let policies = policies(&stand.ground);
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.status, 200);
    fs::write(policies.join("freeze.cedar"), FREEZE).unwrap();
    let answer = reload(&stand, "").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["warnings"][0]["rule"], "test-fails", "{}", answer.json());
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.reason(), "incident");
    is_loud(&stand, 1, "expected allow by clinical, got incident by `freeze`").await;

    // The tests follow: nothing that decides is new, and all is well.
    test_by(&policies, &OWN.replace("doctor: allow by clinical", "doctor: incident by freeze"));
    assert_eq!(reload(&stand, "").await.json()["outcome"], "unchanged");
    let said = status(&stand).await;
    assert_eq!(said["policy_admission"]["tests"], json!({"run": 2, "failed": 0}));
    assert_eq!(stand.ask_admin("/readyz").await.json()["checks"]["policies"], json!({"ok": true}));
}

/// A policy that tests name may go, and be missed by them.
#[tokio::test]
async fn a_policy_that_tests_name_may_be_taken_away() {
    let stand = ground("no-grants").await.start().await;
    let policies = policies(&stand.ground);
    let roles = policies.join("roles.cedar");
    let text = fs::read_to_string(&roles).unwrap();
    fs::write(&roles, text.replace("@id(\"clinical\")", "@id(\"clinical-2\")")).unwrap();
    fs::write(policies.join("freeze.cedar"), FREEZE).unwrap();
    let answer = reload(&stand, "").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    is_loud(&stand, 1, "there is no policy `clinical`").await;
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.reason(), "incident");
}

/// Tests decide nothing: one that cannot be read, for whatever reason, holds up nothing that does.
#[tokio::test]
async fn a_file_of_tests_that_cannot_be_read_holds_up_no_revocation() {
    let wrong: [(&str, &[u8]); 4] = [
        ("yaml", b"tests:\n  - nme: x\n"),
        ("not-text", b"\xff\xfe"),
        ("yaml", b"tests: [\n"),
        ("test", b"tests:\n  - { name: n, request: GET /x, expect: { nobody-knows: allow } }\n"),
    ];
    for (kind, bytes) in wrong {
        let stand = ground("no-grants").await.start().await;
        let policies = policies(&stand.ground);
        fs::write(policies.join("tests/more.yaml"), bytes).unwrap();
        assert_eq!(reload(&stand, "").await.json()["outcome"], "unchanged", "{kind}");
        is_loud(&stand, 0, &format!("[{kind}]")).await;
        fs::write(policies.join("freeze.cedar"), FREEZE).unwrap();
        assert_eq!(reload(&stand, "").await.json()["outcome"], "applied", "{kind}");
        is_loud(&stand, 1, &format!("[{kind}]")).await;
        assert_eq!(stand.get("kauvery-doctor", NOTES).await.reason(), "incident");
        // Those that can be read still count.
        fs::write(policies.join("extra.cedar"), super::GRANT).unwrap();
        is_refused(&stand, "test-grants").await;
        // A gate that starts with such a file starts.
        fs::remove_file(policies.join("extra.cedar")).unwrap();
        let stand = stand.stop().await.start().await;
        let said = status(&stand).await;
        assert_eq!(said["policy_source"], "directory", "{said}");
        assert!(said["policy_admission"]["warnings"].to_string().contains(kind), "{said}");
    }
}

/// Where all tests have to be green, a revocation waits for its tests, too; and tests have to be there.
#[tokio::test]
async fn where_all_tests_have_to_pass_they_have_to() {
    let stand = ground("tests").await.start().await;
    let policies = policies(&stand.ground);
    fs::write(policies.join("freeze.cedar"), FREEZE).unwrap();
    is_refused(&stand, "test-fails").await;
    fs::remove_file(policies.join("freeze.cedar")).unwrap();
    assert_eq!(reload(&stand, "").await.status, 200);

    fs::write(policies.join("tests/more.yaml"), "tests:\n  - nme: x\n").unwrap();
    is_refused(&stand, "yaml").await;
    fs::remove_dir_all(policies.join("tests")).unwrap();
    let said = is_refused(&stand, "test-fails").await;
    assert!(said.contains("there are no tests any more"), "{said}");

    test_by(&policies, &OWN.replace("doctor: allow by clinical", "doctor: incident by freeze"));
    fs::write(policies.join("freeze.cedar"), FREEZE).unwrap();
    let answer = reload(&stand, "").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.reason(), "incident");
}

/// A switch for an incident that `check` takes for a mistake: nobody is permitted to do it any more.
#[tokio::test]
async fn a_route_that_nobody_reaches_any_more_is_an_emergency() {
    let stand = ground("no-grants").await.start().await;
    let everybody = FREEZE.replace("when { principal.roles.contains(Role::\"DOCTOR\") }", "");
    fs::write(policies(&stand.ground).join("freeze.cedar"), everybody).unwrap();
    is_refused(&stand, "unreachable-route").await;
    let answer = reload(&stand, "?emergency=true").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(answer.json()["overridden"][0]["rule"], "unreachable-route");
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.reason(), "incident");
    // It is in force, and stays so over a restart.
    let stand = stand.stop().await.start().await;
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.reason(), "incident");
    assert_eq!(status(&stand).await["policy_source"], "directory");
}
