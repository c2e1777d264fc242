//! When the mapping is checked: at the start, or as soon as the database answers; and by hand.

use std::fs;

use proxy::Gate;
use tests::{
    binary::run,
    example::{Example, Running},
    postgres::{self, Cluster},
    sql::execute,
    wait::eventually,
};

use super::{ALLOWED, LIST, UNREADABLE, check};

async fn until_ready(gate: &Running, status: u16) -> String {
    eventually("readiness is as expected", || async {
        let answer = gate.ask_admin("/readyz").await;
        (answer.status == status).then(|| answer.json().to_string())
    })
    .await
}

#[tokio::test]
async fn a_mapping_that_does_not_fit_stops_the_start() {
    let example = Example::prepare("hospital").await;
    execute(&example.database, "alter table staff rename role to job").await;
    let error = Gate::start(example.config()).await.unwrap_err().to_string();
    assert!(
        error.starts_with("the mapping of facts does not fit:\nfacts.mapping.user: "),
        "{error}"
    );
    assert!(error.contains("column s.role does not exist"), "{error}");
}

#[tokio::test]
async fn the_default_mapping_says_so_of_a_database_without_tables() {
    let url = postgres::shared().await.create_database(None).await;
    let ground = tests::stand::Stand::builder().database(&url).prepare().await;
    let (status, _, complaint) = run(ground.directory.path(), &["serve"]).await;
    assert_eq!(status, 1, "{complaint}");
    assert!(
        complaint.contains("default mapping.user: relation \"users\" does not exist"),
        "{complaint}"
    );
    assert!(complaint.contains("cedargate migrate"), "{complaint}");
}

/// `check --facts`, as the page "Use your own database" has it.
#[tokio::test]
async fn the_check_can_be_asked_for() {
    let example = Example::prepare("hospital").await;
    let file = example.folder().join("cedargate.yaml");
    let written = fs::read_to_string(&file).unwrap();
    let written = written.replace("postgres://127.0.0.1/hospital", &example.database);
    fs::write(&file, &written).unwrap();
    let asked = ["check", "--facts"];
    let (status, said, complaint) = run(&example.folder(), &asked).await;
    assert_eq!(status, 0, "{said}{complaint}");
    assert!(
        said.contains("ok      the mapping of facts fits the database and the schema"),
        "{said}"
    );
    assert!(said.contains("facts.mapping.user gives no `revoked_tokens`"), "{said}");

    fs::write(&file, written.replace("s.role, ", "")).unwrap();
    let (status, said, _) = run(&example.folder(), &asked).await;
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("facts.mapping.user: there is no column `role`"), "{said}");
    let (status, said, _) = run(&example.folder(), &["check", "--facts", "--format", "json"]).await;
    assert_eq!(status, 1);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["findings"][0]["rule"], "facts");

    fs::write(&file, &written).unwrap();
    let (status, said, complaint) =
        run(&example.folder(), &["explain", "--who-can", "insurances.read", "70"]).await;
    assert_eq!(status, 0, "{complaint}");
    assert!(said.contains("12") && said.contains("FRONT_DESK"), "{said}");
}

#[tokio::test]
async fn a_database_that_comes_later_is_asked_then() {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    let example = Example::prepare_at("hospital", &url).await;
    cluster.stop_immediate();
    let gate = example.start().await;
    check(&gate, &[("10", LIST, UNREADABLE)]).await;
    until_ready(&gate, 503).await;
    cluster.start_again().await;
    until_ready(&gate, 200).await;
    check(&gate, &[("10", LIST, ALLOWED)]).await;
}

#[tokio::test]
async fn a_database_that_comes_later_and_does_not_fit_fails_readiness_until_it_does() {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    let example = Example::prepare_at("hospital", &url).await;
    execute(&url, "alter table staff rename role to job").await;
    cluster.stop_immediate();
    let gate = example.start().await;
    cluster.start_again().await;
    let said = eventually("the misfit is said", || async {
        let answer = gate.ask_admin("/readyz").await.json().to_string();
        answer.contains("does not fit").then_some(answer)
    });
    let said = said.await;
    assert!(said.contains("facts.mapping.user") && said.contains("s.role"), "{said}");
    assert_eq!(gate.ask_admin("/readyz").await.status, 503);
    check(&gate, &[("10", LIST, UNREADABLE)]).await;
    gate.execute("alter table staff rename job to role").await;
    until_ready(&gate, 200).await;
    check(&gate, &[("10", LIST, ALLOWED)]).await;
}

#[tokio::test]
async fn policies_that_ask_for_more_than_there_is_are_refused() {
    let gate = Running::start("hospital").await;
    until_ready(&gate, 200).await;
    let schema = gate.example.directory.path().join("policies/schema.cedarschema");
    let written = fs::read_to_string(&schema).unwrap();
    let more = written.replacen("  slug: String,", "  slug: String,\n  workflows: Set<String>,", 1);
    fs::write(&schema, more).unwrap();
    let said = eventually("the misfit is said", || async {
        let said = gate.ask_admin("/status").await.json()["policy_error"].to_string();
        said.contains("facts.mapping.organization").then_some(said)
    });
    let said = said.await;
    assert!(said.contains("`workflows`") && said.contains("[unstartable]"), "{said}");
    let ready = gate.ask_admin("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["checks"]["policies"]["warning"].to_string().contains("rejected"));
    check(&gate, &[("10", LIST, ALLOWED)]).await;
}

#[tokio::test]
async fn tables_that_change_under_a_running_gate_are_understood_anew() {
    let gate = Running::start("hospital").await;
    for _ in 0..4 {
        check(&gate, &[("10", LIST, ALLOWED)]).await;
    }
    for change in [
        "alter table staff alter role type text",
        "alter table staff alter id type bigint",
        "alter table staff add name text, drop constraint staff_pkey cascade",
        "alter table staff alter id type text; alter table memberships alter staff_id type text; \
         alter table staff_tools alter staff_id type text",
    ] {
        gate.execute(change).await;
        for _ in 0..4 {
            let (status, reason) = gate.get("10", LIST).await;
            assert_eq!((status, reason.as_str()), ALLOWED, "{change}");
        }
    }
}
