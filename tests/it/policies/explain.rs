//! `cedargate explain`: what it says of a decision, and that what it says is so.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tests::{
    binary::run,
    sql::execute,
    stand::{Ground, Stand},
};

/// Runs `explain` and gives its exit status and what it prints, complaints if it prints nothing.
async fn explain(ground: &Ground, arguments: &[&str]) -> (i32, String) {
    let all: Vec<&str> = ["explain"].iter().chain(arguments).copied().collect();
    let (status, said, complaint) = run(ground.directory.path(), &all).await;
    (status, if said.is_empty() { complaint } else { said })
}

async fn json_of(ground: &Ground, arguments: &[&str]) -> Value {
    let all: Vec<&str> = arguments.iter().chain(&["--format", "json"]).copied().collect();
    let (status, said) = explain(ground, &all).await;
    assert_eq!(status, 0, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|fault| panic!("{fault}: {said}"))
}

/// The text without what differs from run to run: ages, and the digest of the bundle.
fn settled(text: &str) -> String {
    let mut settled = String::new();
    for line in text.lines() {
        let line = match line.rsplit_once(", ") {
            Some((before, age)) if age.ends_with(" ms old") => format!("{before}, AGE old"),
            _ => line.to_owned(),
        };
        let digest = line.strip_prefix("  policies  ").map(|_| "  policies  DIGEST".to_owned());
        settled.push_str(&digest.unwrap_or(line));
        settled.push('\n');
    }
    settled
}

/// Compares with a reviewed file; `REVIEW_EXPLANATIONS=1` writes it anew, to be reviewed as a diff.
fn check_text(name: &str, text: &str) {
    let path = format!("{}/data/explain/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = settled(text);
    if std::env::var_os("REVIEW_EXPLANATIONS").is_some() {
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{path}");
}

/// Takes the tool from the user, so that both halves of the paywall are shut.
const UNTICK: &str = "update users set enabled_features = '[]' where id = 'beta-coder'";
const UNTICK_POSTGRES: &str = "update users set enabled_features = '{}' where id = 'beta-coder'";
const EXTRACT: [&str; 6] =
    ["--user", "beta-coder", "--method", "POST", "--path", "/api/codes/extract"];

async fn two_steps(ground: Ground, untick: &'static str) {
    execute(&ground.database, untick).await;
    let (status, text) = explain(&ground, &EXTRACT).await;
    assert_eq!(status, 0, "{text}");
    let expected = "  1. organisation `org-beta` has no `codes`: a PLATFORM_ADMIN can grant it
       PATCH /api/organizations/org-beta/features (organizations.features.update)
     afterwards the user still needs `codes`: an ORG_ADMIN of `org-beta` can
       PATCH /api/admin/users/beta-coder/features (admin.users.features.update)
";
    assert!(text.ends_with(expected), "{text}");
    check_text("two-steps", &text);
}

#[tokio::test]
async fn both_halves_of_the_paywall_are_explained_with_sqlite() {
    two_steps(Stand::builder().prepare().await, UNTICK).await;
}

#[tokio::test]
async fn both_halves_of_the_paywall_are_explained_with_postgres() {
    two_steps(Stand::builder().postgres().prepare().await, UNTICK_POSTGRES).await;
}

#[tokio::test]
async fn a_decision_is_told_as_it_was_reviewed() {
    let ground = Stand::builder().prepare().await;
    let check = async |name: &str, arguments: &[&str]| {
        let (status, text) = explain(&ground, arguments).await;
        assert_eq!(status, 0, "{text}");
        check_text(name, &text);
    };
    check("boundary", &["--user", "kauvery-coder", "--path", "/api/patients"]).await;
    check("allowed", &["--user", "alpha-doctor", "--path", "/api/patients"]).await;
    let other = ["--user", "alpha-doctor", "--path", "/api/patients/patient-beta-1"];
    check("other-tenant", &other).await;
    let role =
        ["--user", "kauvery-receptionist", "--path", "/api/visit-notes/visit-note-kauvery-1"];
    check("role", &role).await;
    check("who-can", &["--who-can", "codes.extract"]).await;
    check("what-can", &["--what-can", "kauvery-coder"]).await;
}

#[tokio::test]
async fn every_layer_can_be_the_one_that_refuses() {
    let ground = Stand::builder().prepare().await;
    let body = ground.directory.path().join("body.json");
    fs::write(&body, r#"{"roles": ["PLATFORM_ADMIN"]}"#).unwrap();
    let body = body.to_str().unwrap();
    let roles = "/api/admin/users/kauvery-nurse/roles";
    let cases: [(&str, &str, &[&str]); 9] = [
        ("request", "path_invalid", &["--user", "alpha-doctor", "--path", "/api/../x"]),
        ("authentication", "token_missing", &["--path", "/api/patients"]),
        ("authentication", "user_inactive", &["--user", "kauvery-left", "--path", "/api/patients"]),
        ("boundary", "outside_boundary", &["--user", "alpha-coder", "--path", "/api/patients"]),
        ("role", "role_not_allowed", &["--user", "alpha-doctor", "--path", "/api/audit"]),
        (
            "tenant",
            "cross_tenant",
            &["--user", "beta-nurse", "--path", "/api/patients", "--tenant", "kauvery"],
        ),
        (
            "feature",
            "user_feature_disabled",
            &["--user", "kauvery-newcomer", "--path", "/api/codes/icd10/search"],
        ),
        (
            "workflow",
            "workflow_disabled",
            &["--user", "beta-nurse", "--path", "/api/workflows/prior_auth/patients"],
        ),
        (
            "escalation",
            "escalation",
            &["--user", "kauvery-admin", "--method", "PATCH", "--path", roles, "--body", body],
        ),
    ];
    for (layer, reason, arguments) in cases {
        let report = json_of(&ground, arguments).await;
        assert_eq!(report["answer"]["reason"], reason, "{arguments:?}");
        let layers = report["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 8);
        let at = layers.iter().position(|it| it["outcome"] == "refused").unwrap();
        assert_eq!(layers[at]["layer"], layer, "{arguments:?}");
        assert!(layers[..at].iter().all(|it| it["outcome"] == "passed"));
        assert!(layers[at + 1..].iter().all(|it| it["outcome"] == "not_reached"));
        let told = &report["changes"];
        assert!(!told["sets"].as_array().unwrap().is_empty() || told["notes"][0].is_string());
    }
}

#[tokio::test]
async fn a_request_that_happened_is_explained() {
    let stand = Stand::sqlite().await;
    let allowed = stand.get("kauvery-doctor", "/api/patients").await;
    let denied = stand.get("kauvery-coder", "/api/patients").await;
    stand.ground.journal.of(allowed.id()).await;
    let past = json_of(&stand.ground, &["--record", allowed.id()]).await;
    let recorded = &past["recorded"];
    assert_eq!((&recorded["decision"], &recorded["status"]), (&json!("allow"), &json!(200)));
    assert_eq!(recorded["phases"], json!(["intent", "outcome"]));
    assert_eq!(recorded["same_policies"], true);
    let place = recorded["policies"][0]["place"].as_str().unwrap();
    assert!(place.starts_with("roles.cedar:"), "{place}");
    assert_eq!(past["now"]["answer"]["decision"], "allow");

    let past = json_of(&stand.ground, &["--record", denied.id()]).await;
    assert_eq!(past["recorded"]["reason"], "outside_boundary");
    assert_eq!(past["now"]["answer"]["reason"], "outside_boundary");

    // What decided is in no record: it is given, or said to be missing.
    let body = json!({ "roles": ["PLATFORM_ADMIN"] });
    let target = "/api/admin/users/kauvery-nurse/roles";
    let refused = stand.send_json("kauvery-admin", "PATCH", target, &body).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let told = json_of(&stand.ground, &["--record", refused.id()]).await;
    assert!(told["notes"].to_string().contains("give what was sent with --body"), "{told}");
    let file = stand.ground.directory.path().join("body.json");
    std::fs::write(&file, body.to_string()).unwrap();
    let asked = ["--record", refused.id(), "--body", file.to_str().unwrap()];
    let told = json_of(&stand.ground, &asked).await;
    assert_eq!((&told["notes"], &told["now"]["answer"]["status"]), (&json!([]), &json!(403)));
    assert_eq!(told["now"]["answer"]["reason"], told["recorded"]["reason"]);

    // Then and now are told apart.
    execute(
        &stand.ground.database,
        "update users set status = 'INACTIVE' where id = 'kauvery-doctor'",
    )
    .await;
    let past = json_of(&stand.ground, &["--record", allowed.id()]).await;
    assert_eq!(past["recorded"]["reason"], "allowed");
    assert_eq!(past["now"]["answer"]["reason"], "user_inactive");
    let (_, text) = explain(&stand.ground, &["--record", allowed.id()]).await;
    assert!(text.starts_with("Recorded: allow allowed, answered 200\n"), "{text}");

    let unknown = ["--record", "01990000-0000-7000-8000-000000000000"];
    assert_eq!(explain(&stand.ground, &unknown).await.0, 1);
}

#[tokio::test]
async fn wrong_usage_is_said() {
    let ground = Stand::builder().prepare().await;
    let cases: [(i32, &[&str]); 10] = [
        (2, &[]),
        (2, &["--user", "alpha-doctor"]),
        (2, &["--path", "/", "--what-can", "alpha-doctor"]),
        (2, &["--path", "/", "--body", "nowhere.json"]),
        (2, &["--path", "/ x"]),
        (2, &["--path", "/", "--config", "nowhere.yaml"]),
        (1, &["--who-can", "no.such.action"]),
        (1, &["--who-can", "patients.read", "nothing-of-this-id"]),
        (1, &["--who-can", "patients.list", "patient-alpha-1"]),
        (1, &["--what-can", "nobody-knows-me"]),
    ];
    for (expected, arguments) in cases {
        let (status, said) = explain(&ground, arguments).await;
        assert_eq!(status, expected, "{arguments:?}: {said}");
    }
}
