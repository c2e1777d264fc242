//! What a gate and an auditor may do who sign in as such.

use audit::AuditTable;
use audit::table::Position;
use serde_json::Value;
use tests::{postgres, sql::execute, stand::Stand, wait::eventually};

use super::{DAY, Database, NEW_YEAR, TIMEOUT, everything, record, refusal, store};

/// The same database, signed in to as a new member of `group`.
async fn member(url: &str, group: &str) -> String {
    let name = format!("{group}_{}", url.rsplit('/').next().unwrap());
    execute(url, &format!("create role {name} login in role {group}")).await;
    url.replace("cedargate@", &format!("{name}@"))
}

#[tokio::test]
async fn a_gate_adds_records_and_sees_where_it_stands() {
    let database = Database::postgres().await;
    let gate = member(&database.url, "cedargate_gate").await;
    let table = AuditTable::open(&gate, TIMEOUT).unwrap();
    table.check().await.unwrap();
    assert!(table.is_up().await);
    let all = [record("gate", 1, NEW_YEAR), record("gate", 2, NEW_YEAR + 40 * DAY)];
    store(&table, &all).await;
    store(&table, &all).await;
    assert_eq!(everything(&database.table()).await, all);
    let last = Position { seq: 2, chain: format!("{:064x}", 2) };
    assert_eq!(table.position("gate").await.unwrap(), Some(last));

    for statement in [
        "update audit_logs set reason = 'forged'",
        "delete from audit_logs",
        "truncate audit_logs",
        "select user_id from audit_logs",
        "select * from audit_logs",
        "select id from audit_logs where user_id = 'ann'",
        "select id from audit_logs_2025_01",
        "insert into audit_logs_2025_01 select * from audit_logs_2025_01",
        "drop table audit_logs_2025_01",
        "alter table audit_logs disable trigger all",
        "select * from cedargate_audit_retain('2000-01-01')",
        "select cedargate_grant_roles()",
        "select password_hash from users",
        "select first_name from patients",
        "update audit_checkpoints set line = 'forged'",
        "delete from audit_checkpoints",
        "insert into audit_retained select * from audit_retained",
        "update users set roles = '{}'",
        "insert into revoked_tokens (jti, user_id, expires_at) values ('a', 'b', now())",
    ] {
        let (code, message) = refusal(&gate, statement).await;
        assert!(code == "42501", "{statement}: {code} {message}");
    }
    assert_eq!(everything(&database.table()).await, all);
}

#[tokio::test]
async fn an_auditor_reads_records_and_nothing_else() {
    let database = Database::postgres().await;
    let all = [record("gate", 1, NEW_YEAR)];
    store(&database.table(), &all).await;
    let auditor = member(&database.url, "cedargate_auditor").await;
    let table = AuditTable::open(&auditor, TIMEOUT).unwrap();
    table.check().await.unwrap();
    assert!(!table.is_up().await, "it takes no records of an auditor");
    assert_eq!(everything(&table).await, all);
    let line = record("gate", 2, NEW_YEAR).to_string();
    table.store(&[&line]).await.unwrap_err();
    for statement in [
        "insert into audit_logs (id, phase, timestamp, decision, reason) \
         values ('a', 'denial', '2025-01-02', 'deny', 'x')",
        "update audit_logs set reason = 'forged'",
        "delete from audit_logs",
        "select cedargate_audit_partition(now())",
        "select * from cedargate_audit_retain('2000-01-01')",
        "select id from users",
    ] {
        let (code, message) = refusal(&auditor, statement).await;
        assert_eq!(code, "42501", "{statement}: {message}");
    }
}

#[tokio::test]
async fn a_whole_gate_runs_as_a_member() {
    let url = postgres::demo_database().await;
    let gate = member(&url, "cedargate_gate").await;
    let stand = Stand::builder().database(&gate).set("audit.database", true).start().await;
    let read = stand.get("kauvery-doctor", "/api/patients/patient-kauvery-1").await;
    assert_eq!(read.status, 200, "{:?}", read.json());
    let owner = AuditTable::open(&url, TIMEOUT).unwrap();
    let id = read.id();
    let found = eventually("the records are there", || async {
        let mut found = everything(&owner).await;
        found.retain(|record: &Value| record["id"] == id);
        (found.len() == 2).then_some(found)
    })
    .await;
    let written = stand.ground.journal.of(id).await;
    for (found, written) in found.iter().zip(&written) {
        for (member, value) in written.as_object().unwrap() {
            assert_eq!(&found[member], value, "{member}");
        }
    }
}
