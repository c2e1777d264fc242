//! Old tables become new ones, with their records; many at once; and by whoever is let.

use database::DatabaseError;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, PgPool, SqlitePool, migrate::Migrator};
use tests::{postgres::Cluster, sql::execute, wait::eventually};
use tokio::task::JoinSet;

use super::{Database, everything, number, record, refusal, store};

static POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");

/// The tables as they were before months and seals.
async fn old(database: &Database) {
    if database.name == "SQLite" {
        let pool = SqlitePool::connect(&format!("{}?mode=rwc", database.url)).await.unwrap();
        SQLITE.run_to(5, &pool).await.unwrap();
        pool.close().await;
    } else {
        let pool = PgPool::connect(&database.url).await.unwrap();
        POSTGRES.run_to(7, &pool).await.unwrap();
        pool.close().await;
    }
}

async fn run(database: &Database, sql: &str) {
    if database.name == "SQLite" {
        let pool = SqlitePool::connect(&database.url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        pool.close().await;
    } else {
        execute(&database.url, sql).await;
    }
}

const TIMES: [&str; 5] = [
    "2024-12-31T23:59:59.999999Z",
    "2025-01-01T00:00:00.000000Z",
    "2025-01-31T23:59:59.999999Z",
    "2025-02-01T00:00:00.000000Z",
    "2026-07-15T12:00:00.000001Z",
];

#[tokio::test]
async fn the_records_of_an_old_table_are_kept() {
    for database in [Database::empty_sqlite(), Database::empty_postgres().await] {
        old(&database).await;
        let (list, object) = if database.name == "SQLite" {
            (r#"'["NURSE"]'"#, r#"'{"a":[1.5]}'"#)
        } else {
            ("array['NURSE']", r#"'{"a":[1.5]}'"#)
        };
        for (n, at) in TIMES.iter().enumerate() {
            let sql = format!(
                "insert into audit_logs (id, phase, timestamp, event_type, action, decision, reason, roles, details, \
                 success, facts_age_ms, duration_ms, status) values ('id-{n}', 'outcome', '{at}', 'phi_access', 'x', \
                 'allow', 'allowed', {list}, {object}, true, 3, 0.25, 200)"
            );
            run(&database, &sql).await;
        }
        database::migrate(&database.url).await.unwrap();
        let table = database.table();
        table.check().await.unwrap();
        let found = everything(&table).await;
        assert_eq!(found.len(), TIMES.len(), "{}", database.name);
        for ((n, at), found) in TIMES.iter().enumerate().zip(found) {
            let part = json!({
                "id": format!("id-{n}"), "timestamp": at, "roles": ["NURSE"], "details": {"a": [1.5]},
                "success": true, "facts_age_ms": 3, "duration_ms": 0.25, "status": 200, "user_id": null,
            });
            for (member, value) in part.as_object().unwrap() {
                assert_eq!(&found[member], value, "{} {member}", database.name);
            }
            assert!(found.get("seq").is_none(), "{found}");
        }
        store(&table, &[record("gate", 1, super::NEW_YEAR)]).await;
        assert_eq!(everything(&table).await.len(), TIMES.len() + 1);
    }
}

#[tokio::test]
async fn whoever_could_read_and_add_still_can_and_no_more() {
    let database = Database::empty_postgres().await;
    old(&database).await;
    let name = database.url.rsplit('/').next().unwrap();
    let (reader, writer) = (format!("reader_{name}"), format!("writer_{name}"));
    execute(
        &database.url,
        &format!(
            "create role {reader} login; create role {writer} login; \
             grant select on audit_logs to {reader}; grant insert, select, update on audit_logs to {writer}"
        ),
    )
    .await;
    database::migrate(&database.url).await.unwrap();
    let table = |role: &str| {
        let url = database.url.replace("cedargate@", &format!("{role}@"));
        audit::AuditTable::open(&url, super::TIMEOUT).unwrap()
    };
    store(&table(&writer), &[record("gate", 1, super::NEW_YEAR)]).await;
    assert_eq!(everything(&table(&reader)).await.len(), 1);
    let url = database.url.replace("cedargate@", &format!("{writer}@"));
    let (code, _) = refusal(&url, "update audit_logs set reason = 'forged'").await;
    assert_eq!(code, "42501");
}

#[tokio::test]
async fn an_old_table_says_what_to_do() {
    for database in [Database::empty_sqlite(), Database::empty_postgres().await] {
        let table = database.table();
        let line = record("gate", 1, super::NEW_YEAR).to_string();
        // First with an old table, then with none.
        old(&database).await;
        for _ in 0..2 {
            let lines = [line.as_str()];
            let cutoff = sqlx::types::time::OffsetDateTime::UNIX_EPOCH;
            let errors = [
                table.check().await.unwrap_err(),
                table.store(&lines).await.unwrap_err(),
                table.position("gate").await.unwrap_err(),
                table.kept("gate", 0, 1).await.unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, DatabaseError::Unmigrated), "{}: {error:?}", database.name);
                assert!(error.to_string().contains("cedargate migrate"), "{error}");
            }
            // So that delivery waits, and does not leave records out.
            assert!(!table.is_up().await);
            if database.name == "PostgreSQL" {
                let error = table.expired(cutoff).await.unwrap_err();
                assert!(matches!(error, DatabaseError::Unmigrated), "{error:?}");
            }
            run(&database, "drop table if exists audit_logs").await;
        }
    }
}

#[tokio::test]
async fn databases_of_a_new_cluster_are_migrated_at_the_same_time() {
    let cluster = Cluster::start().await;
    let mut urls = Vec::new();
    let mut under_way = JoinSet::new();
    for _ in 0..6 {
        urls.push(cluster.create_database(None).await);
    }
    for url in urls.clone() {
        under_way.spawn(async move { database::migrate(&url).await.unwrap() });
    }
    under_way.join_all().await;
    for url in &urls {
        let granted = "select count(*) from unnest(array['cedargate_gate', 'cedargate_auditor']) it \
                       where has_column_privilege(it, 'audit_logs', 'seq', 'select')";
        assert_eq!(number(url, granted).await, 2, "{url}");
    }
}

#[tokio::test]
async fn a_role_that_another_database_is_just_making_is_waited_for() {
    let cluster = Cluster::start().await;
    let (here, there) = (cluster.create_database(None).await, cluster.create_database(None).await);
    let mut other = PgConnection::connect(&there).await.unwrap();
    let making = "begin; create role cedargate_gate nologin";
    sqlx::raw_sql(making).execute(&mut other).await.unwrap();
    let url = here.clone();
    let migration = tokio::spawn(async move { database::migrate(&url).await });
    eventually("the migration waits", || async {
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%create role%'";
        (number(&there, waiting).await == 1).then_some(())
    })
    .await;
    sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
    migration.await.unwrap().unwrap();
    let granted =
        "select count(*) where has_table_privilege('cedargate_gate', 'audit_logs', 'insert')";
    assert_eq!(number(&here, granted).await, 1);
}

#[tokio::test]
async fn an_owner_who_may_make_no_roles_migrates_all_the_same() {
    let cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    let name = url.rsplit('/').next().unwrap();
    execute(&url, &format!("create role owner login; alter database {name} owner to owner")).await;
    let owner = url.replace("cedargate@", "owner@");
    database::migrate(&owner).await.unwrap();
    let roles = "select count(*) from pg_roles where rolname like 'cedargate_%'";
    assert_eq!(number(&url, roles).await, 0);
    let table = audit::AuditTable::open(&owner, super::TIMEOUT).unwrap();
    store(&table, &[record("gate", 1, super::NEW_YEAR)]).await;

    // An administrator makes them later, and a member of one.
    let later = "create role cedargate_gate nologin; create role gate login in role cedargate_gate; \
                 select cedargate_grant_roles()";
    execute(&url, later).await;
    let gate = url.replace("cedargate@", "gate@");
    let gate = audit::AuditTable::open(&gate, super::TIMEOUT).unwrap();
    assert!(gate.is_up().await);
    store(&gate, &[record("gate", 2, super::NEW_YEAR + 70 * super::DAY)]).await;
    let sequence: Vec<Value> =
        everything(&table).await.iter().map(|record| record["seq"].clone()).collect();
    assert_eq!(sequence, [1, 2]);
}
