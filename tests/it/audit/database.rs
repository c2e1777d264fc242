//! The audit in the database: what is stored, found, kept and let go, on both databases.

mod find;
mod migration;
mod plan;
mod retention;
mod roles;
mod store;

use std::time::Duration;

use audit::AuditTable;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, types::time::OffsetDateTime};
use tempfile::TempDir;
use tests::postgres;

/// Generous: nothing here is about being late.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A database with nothing but its tables.
struct Database {
    name: &'static str,
    url: String,
    _directory: TempDir,
}

impl Database {
    /// One of each kind.
    async fn both() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    async fn sqlite() -> Self {
        let made = Self::empty_sqlite();
        database::migrate(&made.url).await.unwrap();
        made
    }

    async fn postgres() -> Self {
        let made = Self::empty_postgres().await;
        database::migrate(&made.url).await.unwrap();
        made
    }

    fn empty_sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/audit.db", directory.path().display());
        Self { name: "SQLite", url, _directory: directory }
    }

    async fn empty_postgres() -> Self {
        let url = postgres::shared().await.create_database(None).await;
        Self { name: "PostgreSQL", url, _directory: tempfile::tempdir().unwrap() }
    }

    fn table(&self) -> AuditTable {
        AuditTable::open(&self.url, TIMEOUT).unwrap()
    }
}

/// Why PostgreSQL does not do this: SQLSTATE and message. It must not do it.
async fn refusal(url: &str, sql: &str) -> (String, String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await;
    let error = done.expect_err(sql);
    let said = error.as_database_error().unwrap_or_else(|| panic!("{sql}: {error}"));
    (said.code().unwrap().into_owned(), said.message().to_owned())
}

/// One number that PostgreSQL is asked for.
async fn number(url: &str, sql: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}

/// One time that PostgreSQL is asked for.
async fn time(url: &str, sql: &str) -> OffsetDateTime {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}

/// Microseconds since 1970, as records write them.
fn spelled(micros: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(micros.div_euclid(1_000_000)).unwrap();
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let micros = micros.rem_euclid(1_000_000);
    format!(
        "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z",
        u8::from(month)
    )
}

/// A `UUIDv7` of that moment.
fn id(micros: i64, number: u64) -> String {
    let millis = format!("{:012x}", micros / 1000);
    format!("{}-{}-7000-8000-{number:012x}", &millis[..8], &millis[8..])
}

/// The sealed record with this number in the journal of `instance`: a plain intent.
fn record(instance: &str, seq: u64, micros: i64) -> Value {
    json!({
        "id": id(micros, seq), "phase": "intent", "timestamp": spelled(micros),
        "event_type": "phi_access", "action": "patients.read", "operation": "view",
        "user_id": "ann", "organization_id": "org-1", "tenant_id": "org-1", "roles": ["NURSE"],
        "resource_type": "Patient", "resource_id": "patient-1", "method": "GET",
        "endpoint": "/patients/patient-1", "route": "/patients/{id}", "decision": "allow",
        "reason": "allowed", "policies": ["clinical", "own"], "policy_digest": "d1",
        "facts_age_ms": 12, "break_glass": null, "ip_address": "192.0.2.7", "user_agent": "test",
        "status": null, "upstream_status": null, "success": null, "duration_ms": 3.0,
        "details": {"n": 1.5, "deep": {"list": [1, "two", null]}},
        "instance": instance, "seq": seq, "chain": format!("{seq:064x}"),
    })
}

/// Stores records as lines.
async fn store(table: &AuditTable, records: &[Value]) {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    table.store(&lines).await.unwrap();
}

/// Everything that is there.
async fn everything(table: &AuditTable) -> Vec<Value> {
    let page = table.find(&audit::table::Filter::default(), None, 100_000).await;
    page.unwrap().records
}

/// 2025-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_735_689_600_000_000;
const DAY: i64 = 86_400_000_000;
