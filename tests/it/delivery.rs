//! Records reach the database, where an organisation's administrator reads its own.

use serde_json::Value;
use tests::{
    stand::{Builder, Stand},
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
    let others = listed(&stand, "alpha-admin").await;
    assert!(others.iter().all(|record| record["tenant_id"] == "org-alpha"), "{others:?}");

    // After a restart nothing is there twice, and delivery goes on.
    let stand = stand.stop().await.start().await;
    let again = stand.get("kauvery-doctor", "/api/patients/patient-kauvery-1").await;
    records_of(&stand, "kauvery-admin", again.id()).await;
    assert_eq!(records_of(&stand, "kauvery-admin", read.id()).await.len(), 2);
}
