//! Changed bundles: a new tool without code, a route that somebody forgot to protect, a policy
//! that fails, a swap while running.

use std::{fs, path::Path};

use tests::{
    client::{self, Request},
    metrics::Metrics,
    people::USERS,
    sql::execute,
    stand::{Ground, Stand},
    tokens::{self, Signing},
    wait::eventually,
};

/// Replaces the one place where `from` stands in a file of the bundle.
fn edit(bundle: &Path, file: &str, from: &str, to: &str) {
    let path = bundle.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
    // As an editor does: a new file, and a rename.
    let fresh = bundle.join(format!(".{file}.new"));
    fs::write(&fresh, text.replace(from, to)).unwrap();
    fs::rename(fresh, path).unwrap();
}

fn append(bundle: &Path, file: &str, more: &str) {
    let path = bundle.join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text + more).unwrap();
}

fn bundle(ground: &Ground) -> std::path::PathBuf {
    ground.directory.path().join("policies")
}

/// Declares an action on an endpoint.
fn declare(bundle: &Path, action: &str) {
    let declared = format!(
        "action \"{action}\" in [request]\n  appliesTo {{ principal: [User], resource: [Endpoint], context: RequestContext }};\n"
    );
    append(bundle, "schema.cedarschema", &declared);
}

#[tokio::test]
async fn a_new_tool_takes_no_code() {
    let ground = Stand::builder().prepare().await;
    let bundle = bundle(&ground);
    edit(&bundle, "schema.cedarschema", "\"ai_notes\"]", "\"ai_notes\", \"analytics\"]");
    edit(
        &bundle,
        "boundary.cedar",
        "  context.path like \"/api/codes/*\" ||\n",
        "  context.path like \"/api/codes/*\" ||\n  context.path like \"/api/analytics/*\" ||\n",
    );
    declare(&bundle, "analytics.reports.list");
    edit(
        &bundle,
        "roles.cedar",
        "    Action::\"codes.crosswalk\",\n",
        "    Action::\"codes.crosswalk\",\n    Action::\"analytics.reports.list\",\n",
    );
    append(
        &bundle,
        "routes.yaml",
        "\n  - action: analytics.reports.list\n    method: GET\n    path: /api/analytics/reports\n    scope: tenant\n    feature: analytics\n    operation: list\n",
    );
    let stand = ground.start().await;
    let target = "/api/analytics/reports";

    let answer = stand.get("kauvery-coder", target).await;
    assert_eq!((answer.status, answer.reason().as_str()), (403, "org_feature_disabled"));
    let detail = "Feature \"analytics\" is not enabled for this organization";
    assert_eq!(answer.json()["detail"], detail);

    let sql = "update organizations set features = '{\"codes\": true, \"analytics\": true}' where id = 'org-kauvery'";
    execute(&stand.ground.database, sql).await;
    eventually("the user's half of the paywall is reached", || async {
        let answer = stand.get("kauvery-coder", target).await;
        (answer.reason() == "user_feature_disabled").then_some(())
    })
    .await;
    let answer = stand.get("kauvery-coder", target).await;
    let detail = "Feature \"analytics\" is not enabled for this user";
    assert_eq!(answer.json()["detail"], detail);

    let sql = "update users set enabled_features = '[\"analytics\"]' where id = 'kauvery-coder'";
    execute(&stand.ground.database, sql).await;
    eventually("the coder has the tool", || async {
        (stand.get("kauvery-coder", target).await.status == 200).then_some(())
    })
    .await;
    let seen = stand.ground.upstream.take();
    let identity = seen.last().unwrap().identity();
    let features = identity.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-auth-features"));
    assert_eq!(features.map(|(_, value)| value.as_str()), Some("analytics"));
}

#[tokio::test]
async fn a_forgotten_route_is_closed_to_those_who_are_only_other() {
    let target = "/api/research/export";
    let only_other: Vec<&str> = USERS
        .iter()
        .filter(|user| user.effective_roles().into_iter().eq(["OTHER"]))
        .map(|user| user.id.as_str())
        .collect();
    assert!(only_other.len() >= 4);

    // The upstream has it, the bundle does not.
    let stand = Stand::sqlite().await;
    for user in &only_other {
        let answer = stand.get(user, target).await;
        assert_eq!((answer.status, answer.reason().as_str()), (403, "outside_boundary"), "{user}");
    }
    assert_eq!(stand.get("kauvery-doctor", target).await.reason(), "route_unmapped");

    // The bundle has it too, with an allowlist that includes OTHER.
    let ground = stand.stop().await;
    let bundle = bundle(&ground);
    declare(&bundle, "research.export");
    append(
        &bundle,
        "routes.yaml",
        "\n  - action: research.export\n    method: GET\n    path: /api/research/export\n    scope: tenant\n    phi: export\n",
    );
    edit(
        &bundle,
        "roles.cedar",
        "    Action::\"codes.crosswalk\",\n",
        "    Action::\"codes.crosswalk\",\n    Action::\"research.export\",\n",
    );
    let stand = ground.start().await;
    for user in &only_other {
        let answer = stand.get(user, target).await;
        assert_eq!((answer.status, answer.reason().as_str()), (403, "outside_boundary"), "{user}");
    }
    assert_eq!(stand.get("kauvery-doctor", target).await.status, 200);
    let seen = stand.ground.upstream.take();
    assert_eq!(seen.len(), 1, "only the doctor's request was forwarded");
}

/// Overflows for every token that is older than a second, and would forbid nothing if Cedar's
/// skipping of it were let pass.
const OVERFLOW: &str = r#"
@id("overflows")
@layer("role")
@reason("never")
@message("Never")
forbid (principal is User, action == Action::"patients.list", resource)
when { context has token_age && (context.token_age + 1) * 9223372036854775807 == 1 };
"#;

#[tokio::test]
async fn a_policy_that_fails_denies_and_the_log_says_which() {
    let ground = Stand::builder().prepare().await;
    append(&bundle(&ground), "roles.cedar", OVERFLOW);
    let gate = ground.serve().await;
    let mut claims = tokens::claims("kauvery-doctor");
    claims["iat"] = (tokens::now() - 60).into();
    let old = tokens::signed(Signing::EdDsa, &tokens::header(Signing::EdDsa), &claims);

    let answer = client::send(gate.proxy(), &Request::get("/api/patients").token(&old)).await;
    assert_eq!((answer.status, answer.reason().as_str()), (503, "policies_unavailable"));
    assert!(answer.head.header("retry-after").is_some());
    let record = ground.journal.decision(answer.id()).await;
    assert_eq!(record["decision"], "error");
    assert_eq!(record["policies"], serde_json::json!(["overflows"]));
    let log = fs::read_to_string(ground.directory.path().join("stderr.log")).unwrap();
    assert!(log.contains("`overflows` failed to evaluate"), "{log}");
    assert!(ground.upstream.take().is_empty());

    // Nobody else is concerned.
    let answer = client::send(gate.proxy(), &Request::get("/api/visits").token(&old)).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_good_bundle_is_swapped_in_and_a_bad_one_is_not() {
    let stand = Stand::sqlite().await;
    let bundle = bundle(&stand.ground);
    // They name the policy that gets another name below, and would keep the bundle from being accepted.
    fs::remove_dir_all(bundle.join("tests")).unwrap();
    let status = async || stand.ask_admin("/status").await.json();
    let first = status().await["policy_digest"].clone();
    assert_eq!(stand.get("kauvery-receptionist", "/api/visit-notes").await.status, 403);

    edit(
        &bundle,
        "roles.cedar",
        "// Clinical staff.\n@id(\"clinical\")",
        "// Clinical staff.\n@id(\"clinical-2\")",
    );
    eventually("the new bundle is in force", || async {
        (status().await["policy_generation"] == 2).then_some(())
    })
    .await;
    let second = status().await["policy_digest"].clone();
    assert_ne!(first, second);
    let answer = stand.get("kauvery-doctor", "/api/visit-notes").await;
    let record = stand.ground.journal.decision(answer.id()).await;
    assert_eq!(record["policy_digest"], second);
    assert_eq!(record["policies"], serde_json::json!(["clinical-2"]));

    append(&bundle, "roles.cedar", "\nforbid (principal, action, resource) when { ");
    eventually("the bad bundle is said", || async {
        let said = status().await["policy_error"].clone();
        said.as_str().filter(|said| said.contains("roles.cedar:")).map(|_| ())
    })
    .await;
    assert_eq!(status().await["policy_digest"], second, "the good one stays");
    assert_eq!(stand.get("kauvery-doctor", "/api/visit-notes").await.status, 200);
    let metrics = Metrics::of(&stand).await;
    assert!(metrics.sum("cedargate_policy_rejected", &[]) > 0.0);
    assert!(metrics.sum("cedargate_policy_reloads_total", &[("outcome", "rejected")]) >= 1.0);
}
