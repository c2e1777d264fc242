//! What cannot be finished is denied, alone, and what comes back is used again without a restart.

use std::{fs, time::Duration};

use serde_json::json;
use tests::{
    client::{Answer, Request},
    postgres::Cluster,
    stand::{Builder, Stand, prepare_database},
    tokens::token,
    upstream::Behaviour,
    wait::eventually,
};

const USER: &str = "kauvery-doctor";
const TARGET: &str = "/api/patients";

fn is(answer: &Answer, status: u16, why: &str) -> bool {
    (answer.status, answer.reason().as_str()) == (status, why)
}

async fn until_allowed(stand: &Stand) {
    eventually("requests are allowed again", || async {
        (stand.get(USER, TARGET).await.status == 200).then_some(())
    })
    .await;
}

async fn check_unavailable(stand: &Stand, reason: &str) {
    let answer = stand.get(USER, TARGET).await;
    assert!(is(&answer, 503, reason), "{} {}", answer.status, answer.reason());
    assert!(answer.head.header("retry-after").is_some(), "{:?}", answer.head);
    assert_eq!(answer.head.header("content-type"), Some("application/problem+json"));
}

/// Facts that are asked for all the time. Nothing here depends on how long the database may take: where nobody listens,
/// a connection is refused at once.
fn forgetful() -> Builder {
    Stand::builder().set("facts.ttl", "50ms")
}

#[tokio::test]
async fn the_database_of_facts_goes_and_comes_back() {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    prepare_database(&url).await;
    let stand = forgetful().database(&url).start().await;
    assert_eq!(stand.get(USER, TARGET).await.status, 200);
    assert_eq!(stand.ask_admin("/readyz").await.status, 200);

    cluster.stop_immediate();
    eventually("old facts are too old", || async {
        (stand.get(USER, TARGET).await.status == 503).then_some(())
    })
    .await;
    check_unavailable(&stand, "facts_unavailable").await;
    let answer = stand.get(USER, TARGET).await;
    let record = stand.ground.journal.decision(answer.id()).await;
    assert_eq!(
        (&record["decision"], &record["reason"]),
        (&json!("error"), &json!("facts_unavailable"))
    );
    assert_eq!(stand.send(&Request::get("/healthz")).await.status, 200, "public routes go on");
    assert_eq!(stand.ask_admin("/readyz").await.status, 503);
    assert_eq!(stand.ask_admin("/livez").await.status, 200);

    cluster.start_again().await;
    until_allowed(&stand).await;
    assert_eq!(stand.ask_admin("/readyz").await.status, 200);
}

#[tokio::test]
async fn the_gate_starts_without_its_database_and_uses_it_when_it_comes() {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    prepare_database(&url).await;
    cluster.stop_immediate();
    let stand = forgetful().database(&url).start().await;
    check_unavailable(&stand, "facts_unavailable").await;
    assert!(stand.ground.upstream.requests().is_empty());
    cluster.start_again().await;
    until_allowed(&stand).await;
}

#[tokio::test]
async fn an_unknown_role_denies_that_user_alone() {
    let stand = forgetful().start().await;
    let change = r#"update users set roles = '["DOCTOR", "WIZARD"]' where id = 'kauvery-doctor'"#;
    tests::sql::execute(&stand.ground.database, change).await;
    stand.until(USER, TARGET, (503, "facts_unavailable")).await;
    assert_eq!(stand.get("kauvery-nurse", TARGET).await.status, 200);
}

#[tokio::test]
async fn an_unknown_feature_is_left_out() {
    let stand = forgetful().start().await;
    let change = r#"update users set enabled_features = '["teleport"]' where id = 'kauvery-nurse'"#;
    tests::sql::execute(&stand.ground.database, change).await;
    eventually("the new facts are used", || async {
        let answer = stand.get("kauvery-nurse", TARGET).await;
        assert_eq!(answer.status, 200, "{}", answer.reason());
        let seen = stand.ground.upstream.by_id(answer.id()).remove(0);
        let features = seen.head.header("x-auth-features").unwrap_or_default().to_owned();
        assert!(["codes", ""].contains(&features.as_str()), "{features}");
        features.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn nobody_behind_the_gate() {
    let stand = Stand::builder().nothing_behind().start().await;
    let answer = stand.get(USER, TARGET).await;
    assert!(is(&answer, 502, "upstream_unreachable"), "{} {}", answer.status, answer.reason());
    let outcome = stand.ground.journal.outcome(answer.id()).await;
    assert_eq!((&outcome["status"], &outcome["decision"]), (&json!(502), &json!("allow")));
    assert_eq!(outcome["success"], json!(false));
}

#[tokio::test]
async fn the_upstream_goes_and_comes_back() {
    let mut stand = Stand::sqlite().await;
    assert_eq!(stand.get(USER, TARGET).await.status, 200);
    stand.ground.upstream.stop().await;
    let answer = stand.get(USER, TARGET).await;
    assert!(is(&answer, 502, "upstream_unreachable"), "{} {}", answer.status, answer.reason());
    stand.ground.upstream.start_again();
    until_allowed(&stand).await;
}

#[tokio::test]
async fn the_upstream_hangs_up() {
    let stand = Stand::sqlite().await;
    stand.ground.upstream.on("/api/visits", Behaviour::Close);
    let post = Request::new("POST", "/api/visits").token(&token(USER)).json("{}");
    let answer = stand.send(&post).await;
    assert!(is(&answer, 502, "upstream_unreachable"), "{} {}", answer.status, answer.reason());
    let sent = stand.ground.upstream.by_id(answer.id()).len();
    assert_eq!(sent, 1, "what may have changed something is not sent twice");
}

#[tokio::test]
async fn the_upstream_is_too_slow() {
    let stand = Stand::builder().set("upstream.read_timeout", "300ms").start().await;
    stand.ground.upstream.on(TARGET, Behaviour::Silence);
    let answer = stand.get(USER, TARGET).await;
    assert!(is(&answer, 504, "upstream_timeout"), "{} {}", answer.status, answer.reason());
    let outcome = stand.ground.journal.outcome(answer.id()).await;
    assert_eq!((&outcome["status"], &outcome["decision"]), (&json!(504), &json!("allow")));
    // Slow, but not too slow, unless the machine adds a quarter of a second of its own.
    stand.ground.upstream.on(TARGET, Behaviour::Delay(Duration::from_millis(50)));
    until_allowed(&stand).await;
}

#[tokio::test]
async fn the_upstream_talks_nonsense() {
    let stand = Stand::sqlite().await;
    stand.ground.upstream.on(TARGET, Behaviour::Raw(b"what?\r\n\r\n".to_vec()));
    let answer = stand.get(USER, TARGET).await;
    assert_eq!(answer.status, 502, "{}", answer.reason());
    assert_eq!(stand.get(USER, "/api/visits").await.status, 200);
}

#[tokio::test]
async fn the_directory_of_records_is_gone() {
    let stand = Stand::sqlite().await;
    assert_eq!(stand.get(USER, TARGET).await.status, 200);
    let (directory, kept) =
        (stand.ground.journal.directory(), stand.ground.directory.path().join("kept"));
    let reached = stand.ground.upstream.requests().len();
    fs::rename(directory, &kept).unwrap();
    fs::write(directory, "no directory").unwrap();

    // Records that fit the open file may still be written; nothing is forwarded without one.
    let answer = stand.get(USER, TARGET).await;
    let forwarded = stand.ground.upstream.requests().len() - reached;
    match answer.status {
        503 => assert!(answer.reason() == "audit_unavailable" && forwarded == 0),
        status => {
            assert_eq!((status, forwarded), (200, 1));
            let moved = tests::records::Journal::at(&kept);
            // Its outcome waits for a place.
            let records = moved.records();
            let intent = records.iter().find(|record| record["id"] == answer.id()).unwrap();
            assert_eq!(intent["reason"], "allowed");
        }
    }
    fs::remove_file(directory).unwrap();
    fs::rename(&kept, directory).unwrap();
    until_allowed(&stand).await;
}

#[tokio::test]
async fn the_disk_of_records_is_full() {
    let ground = Stand::builder().prepare().await;
    let gate = ground.serve_with_file_limit(64 * 1024).await;
    let request = Request::get(TARGET).token(&token(USER));
    let refused = eventually("the file is full", || async {
        let answer = tests::client::send(gate.proxy(), &request).await;
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.await;
    assert!(is(&refused, 503, "audit_unavailable"), "{} {}", refused.status, refused.reason());
    let recorded = ground.journal.text();
    for seen in ground.upstream.requests() {
        assert!(recorded.contains(seen.id()), "forwarded without a record");
    }
    assert_eq!(tests::client::send(gate.admin(), &Request::get("/livez")).await.status, 200);
    gate.kill().await;
    let gate = ground.serve().await;
    let answer = tests::client::send(gate.proxy(), &request).await;
    assert_eq!(answer.status, 200, "with room again: {}", answer.reason());
}
