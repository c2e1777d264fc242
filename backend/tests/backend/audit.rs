//! The records of a tenant: what a query asks for, on both databases, and by which index.

use sqlx::PgPool;

use crate::{common::World, postgres::Cluster};

/// Records of one tenant, one an hour, around the end of a month; and the same of another.
const FILL: &str = "insert into audit_logs (id, phase, timestamp, tenant_id, operation, decision, reason, break_glass) values \
    ('id-1', 'denial', '2026-01-31T22:00:00.000000Z', 'org-beta', 'view', 'deny', 'x', null), \
    ('id-2', 'denial', '2026-01-31T23:00:00.000001Z', 'org-beta', 'list', 'deny', 'x', 'life at risk'), \
    ('id-3', 'denial', '2026-02-01T00:00:00.000000Z', 'org-beta', 'view', 'allow', 'x', null), \
    ('id-4', 'denial', '2026-02-01T01:00:00.000000Z', 'org-beta', 'view', 'deny', 'x', ''), \
    ('id-5', 'denial', '2026-02-01T01:00:00.000000Z', 'org-alpha', 'view', 'deny', 'x', 'life at risk')";

/// A query and the records it gives; or none, when it cannot be understood.
const CASES: [(&str, Option<&[u8]>); 18] = [
    ("", Some(&[4, 3, 2, 1])),
    ("operation=view", Some(&[4, 3, 1])),
    ("operation=view&decision=deny", Some(&[4, 1])),
    ("break_glass=true", Some(&[4, 2])),
    ("break_glass=false", Some(&[4, 3, 2, 1])),
    ("break_glass=yes", None),
    ("since=2026-01-31T23:00:00.000001Z", Some(&[4, 3, 2])),
    ("since=2026-01-31T23:00:00.000002Z", Some(&[4, 3])),
    ("since=2026-02-01T00:00:00Z", Some(&[4, 3])),
    ("since=2026-02-01T05:30:00%2B05:30", Some(&[4, 3])),
    ("until=2026-02-01T00:00:00Z", Some(&[2, 1])),
    ("until=2026-01-31T23:00:00.000001Z", Some(&[1])),
    ("since=2026-01-31T23:00:00Z&until=2026-02-01T01:00:00Z", Some(&[3, 2])),
    ("since=2026-02-01T00:00:00Z&operation=view&limit=1", Some(&[4])),
    ("since=yesterday", None),
    ("until=2026-02-30T00:00:00Z", None),
    ("since=2026-02-01", None),
    ("before=id-3.denial&break_glass=true", Some(&[2])),
];

async fn check(world: &World) {
    for (query, expected) in CASES {
        let path = format!("/api/audit?{query}");
        let reply = world.ask("beta-admin", "org-beta", "GET", &path).await;
        let Some(expected) = expected else {
            assert_eq!(reply.status, 400, "{query}: {reply:?}");
            continue;
        };
        assert_eq!(reply.status, 200, "{query}: {reply:?}");
        let items = reply.body["items"].as_array().unwrap();
        let found: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
        let expected: Vec<String> = expected.iter().map(|n| format!("id-{n}")).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_tenant_asks_for_some_of_its_records() {
    let world = World::start().await;
    sqlx::query(FILL).execute(&world.pool).await.unwrap();
    check(&world).await;
}

#[tokio::test]
async fn the_other_database_finds_the_same_by_the_index() {
    let cluster = Cluster::start();
    let world = World::start_on(cluster.database().await).await;
    let pool = PgPool::connect(&world.database).await.unwrap();
    let months = "select cedargate_audit_partition(m) from \
        generate_series(timestamptz '2025-01-01Z', timestamptz '2026-02-01Z', interval '1 month') m";
    sqlx::query(months).execute(&pool).await.unwrap();
    sqlx::query(FILL).execute(&pool).await.unwrap();
    check(&world).await;

    // Other tenants have many more; the page of one is not found by reading theirs.
    let many = "insert into audit_logs (id, phase, timestamp, tenant_id, decision, reason) \
        select 'many-' || m || n, 'denial', m + n * interval '10 minutes', 'org-' || n % 40, 'deny', 'x' from \
        generate_series(timestamptz '2025-01-01Z', timestamptz '2025-12-01Z', interval '1 month') m, \
        generate_series(1, 4000) n";
    sqlx::query(many).execute(&pool).await.unwrap();
    sqlx::query("analyze audit_logs").execute(&pool).await.unwrap();
    check(&world).await;
    // As `backend/src/audit.rs` asks.
    let page = "explain (costs off) select * from audit_logs where tenant_id = 'org-7' and \
        timestamp >= '2025-02-01Z' \
        order by id desc, phase desc limit 100";
    let plan: Vec<String> = sqlx::query_scalar(page).fetch_all(&pool).await.unwrap();
    let plan = plan.join("\n");
    for month in 2..=12 {
        let index = format!("audit_logs_2025_{month:02}_tenant_id_id_phase_idx");
        assert!(plan.contains(&index), "{plan}");
    }
    assert!(!plan.contains("audit_logs_2025_01") && !plan.contains("Sort\n"), "{plan}");
    let scans = plan.lines().filter(|line| line.contains("Seq Scan")).count();
    // Months with a handful of records are read as they are.
    let few = plan.lines().filter(|line| line.contains("Seq Scan on audit_logs_2026")).count();
    assert_eq!(scans, few, "{plan}");
}
