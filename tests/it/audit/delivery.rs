//! Records reach the database, where an organisation's administrator reads its own.

use serde_json::Value;
use tests::{
    client::{Connection, Request},
    metrics::Metrics,
    postgres::Cluster,
    sql::number,
    stand::{Builder, Stand},
    tokens::token,
    wait::eventually,
};

#[tokio::test]
async fn records_are_delivered_to_sqlite() {
    check(Stand::builder()).await;
}

#[tokio::test]
async fn records_are_delivered_to_postgres() {
    check(Stand::builder().postgres()).await;
}

async fn listed(stand: &Stand, user: &str) -> Vec<Value> {
    let answer = stand.get(user, "/api/audit?limit=500").await;
    assert_eq!(answer.status, 200, "{:?}", answer.json());
    answer.json()["items"].as_array().unwrap().clone()
}

/// Waits until the records of this request are listed, and gives them.
async fn records_of(stand: &Stand, user: &str, id: &str) -> Vec<Value> {
    eventually("the records are listed", || async {
        let found: Vec<Value> =
            listed(stand, user).await.into_iter().filter(|record| record["id"] == id).collect();
        (found.len() == 2).then_some(found)
    })
    .await
}

async fn check(builder: Builder) {
    let stand = builder.backend().set("audit.database", true).start().await;
    let read = stand.get("kauvery-doctor", "/api/patients/patient-kauvery-1").await;
    assert_eq!(read.status, 200);
    let refused = stand.get("kauvery-receptionist", "/api/codes/favorites").await;
    assert_eq!(refused.status, 403);

    let found = records_of(&stand, "kauvery-admin", read.id()).await;
    let of = |phase: &str| found.iter().find(|record| record["phase"] == phase).unwrap();
    for member in ["user_id", "tenant_id", "resource_id", "action", "reason", "endpoint", "roles"] {
        let written = stand.ground.journal.of(read.id()).await;
        let intent = written.iter().find(|record| record["phase"] == "intent").unwrap();
        assert_eq!(of("intent")[member], intent[member], "{member}");
    }
    assert_eq!(
        (&of("outcome")["status"], &of("outcome")["upstream_status"]),
        (&200.into(), &200.into())
    );
    eventually("who reads is recorded, too", || async {
        let asked = listed(&stand, "kauvery-admin").await;
        let of_reader =
            |it: &&Value| it["action"] == "audit.list" && it["user_id"] == "kauvery-admin";
        asked.iter().any(|it| of_reader(&it)).then_some(())
    })
    .await;
    let others = listed(&stand, "alpha-admin").await;
    assert!(others.iter().all(|record| record["tenant_id"] == "org-alpha"), "{others:?}");

    // After a restart nothing is there twice, and delivery goes on.
    let stand = stand.stop().await.start().await;
    let again = stand.get("kauvery-doctor", "/api/patients/patient-kauvery-1").await;
    records_of(&stand, "kauvery-admin", again.id()).await;
    assert_eq!(records_of(&stand, "kauvery-admin", read.id()).await.len(), 2);
}

/// Requests while the database is down; each leaves two records.
const REQUESTS: usize = 8_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_costs_requests_nothing_and_gets_everything_later() {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    database::migrate(&url).await.unwrap();
    let ground = Stand::builder()
        .set("audit.database", url.as_str())
        .set("audit.segment_size", "1MiB")
        // As many threads on any machine: each keeps memory of its own.
        .set("workers", 2)
        .prepare()
        .await;
    let gate = ground.serve().await;
    let first = tests::client::send(gate.proxy(), &list("kauvery-doctor")).await;
    eventually("the database takes records", || async { (count(&url).await > 0).then_some(()) })
        .await;
    cluster.stop_immediate();
    let before = gate.memory();
    ask_many(gate.proxy()).await;
    let grown = gate.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "the gate has grown by {grown} bytes");
    let metrics = Metrics::at(gate.admin()).await;
    assert!(metrics.sum("cedargate_audit_lag_seconds", &[]) > 0.0);
    let ready = tests::client::send(gate.admin(), &Request::get("/readyz")).await;
    assert_eq!(ready.status, 200, "a sink that is down is no reason not to serve");

    // A restart meanwhile changes nothing of that.
    gate.kill().await;
    let gate = ground.serve().await;
    eventually("the lag is seen after a restart, too", || async {
        let metrics = Metrics::at(gate.admin()).await;
        (metrics.sum("cedargate_audit_lag_seconds", &[]) > 0.0).then_some(())
    })
    .await;
    cluster.start_again().await;
    let expected = eventually("the database has everything", || async {
        let expected = ground.journal.records().len() as u64;
        (count(&url).await == expected).then_some(expected)
    })
    .await;
    assert!(expected > 2 * REQUESTS as u64, "{expected}");
    let sql = "select count(distinct (instance, seq)) from audit_logs";
    assert_eq!(number(&url, sql).await, expected, "each number once");
    let sql = "select max(seq) from audit_logs";
    assert_eq!(number(&url, sql).await, expected, "without gaps");
    assert_eq!(first.status, 200);
    eventually("nothing lags behind", || async {
        let metrics = Metrics::at(gate.admin()).await;
        (metrics.sum("cedargate_audit_lag_seconds", &[]) == 0.0).then_some(())
    })
    .await;
}

fn list(user: &str) -> Request {
    Request::get("/api/patients").token(&token(user))
}

/// Sends all of them over a few connections; each has to be let in.
async fn ask_many(address: std::net::SocketAddr) {
    let clients: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                let (mut connection, request) =
                    (Connection::open(address).await, list("kauvery-doctor"));
                for _ in 0..REQUESTS / 8 {
                    assert_eq!(connection.send(&request).await.unwrap().status, 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

async fn count(url: &str) -> u64 {
    number(url, "select count(*) from audit_logs").await
}
