//! Old months go, younger ones do not, and nothing else makes a record go.

use audit::table::Retained;
use database::DatabaseError;
use serde_json::Value;
use sqlx::SqlitePool;
use tests::sql::execute;

use super::{Database, everything, number, record, refusal, store, time};

/// Seven years of months up to now, twenty records in each, in one go.
const SEVEN_YEARS: &str = "\
    select cedargate_audit_partition(month) \
    from generate_series(date_trunc('month', now(), 'UTC') - interval '84 months', now(), interval '1 month') month; \
    insert into audit_logs (id, phase, timestamp, decision, reason) \
    select 'id-' || month || n, 'denial', month + n * interval '30 hours', 'deny', 'x' \
    from generate_series(date_trunc('month', now(), 'UTC') - interval '84 months', now(), interval '1 month') month, \
        generate_series(0, 19) n";

const PARTITIONS: &str =
    "select count(*) from pg_inherits where inhparent = 'audit_logs'::regclass";
const RECORDS: &str = "select count(*) from audit_logs";

#[tokio::test]
async fn months_older_than_six_years_go_and_no_others() {
    let database = Database::postgres().await;
    let (url, table) = (&database.url, database.table());
    execute(url, &format!("set timezone = 'UTC'; {SEVEN_YEARS}")).await;
    assert_eq!((number(url, PARTITIONS).await, number(url, RECORDS).await), (85, 85 * 20));

    // Too young, by however little: nothing goes.
    for younger in ["5 years 364 days", "1 day", "-1 day"] {
        let cutoff = time(url, &format!("select now() - interval '{younger}'")).await;
        for refused in [table.retain(cutoff).await, table.expired(cutoff).await] {
            let error = refused.unwrap_err();
            assert!(matches!(error, DatabaseError::Kept(_)), "{error:?}");
            assert!(error.to_string().contains("nothing was removed"), "{error}");
        }
    }
    let null = refusal(url, "select cedargate_audit_retain(null)").await;
    assert_eq!(null.0, "CG006", "{null:?}");
    assert_eq!((number(url, PARTITIONS).await, number(url, RECORDS).await), (85, 85 * 20));

    // A day more than six years: the first months, whole, without the one that it lies in.
    let cutoff = time(url, "select now() - interval '6 years 1 day'").await;
    let whole = format!(
        "select count(*) from generate_series(date_trunc('month', now(), 'UTC') - interval '84 months', \
         now(), interval '1 month') m where m + interval '1 month' <= timestamptz '{cutoff}'"
    );
    let whole = number(url, &whole).await;
    assert!((11..=13).contains(&whole), "{whole}");
    let foreseen = table.expired(cutoff).await.unwrap();
    assert_eq!(number(url, PARTITIONS).await, 85, "a dry run drops nothing");
    let gone = table.retain(cutoff).await.unwrap();
    assert_eq!(gone, foreseen);
    assert_eq!(i64::try_from(gone.months.len()).unwrap(), whole);
    assert!(gone.months.iter().all(|month| month.records == 20), "{gone:?}");
    assert!(gone.months.is_sorted_by_key(|month| month.name.clone()), "{gone:?}");
    assert_eq!(number(url, PARTITIONS).await, 85 - whole);
    assert_eq!(number(url, RECORDS).await, (85 - whole) * 20);
    let left = format!("select count(*) from audit_logs where timestamp < '{cutoff}'::timestamptz");
    assert!(number(url, &left).await <= 20, "only the month of the cutoff has older ones");
    assert_eq!(table.retain(cutoff).await.unwrap(), Retained::default());
}

#[tokio::test]
async fn nobody_changes_or_removes_records_the_owner_included() {
    let database = Database::postgres().await;
    let table = database.table();
    let all = [record("gate", 1, super::NEW_YEAR), record("gate", 2, super::NEW_YEAR + super::DAY)];
    store(&table, &all).await;
    for target in ["audit_logs", "audit_logs_2025_01"] {
        for statement in [
            format!("update {target} set reason = 'forged'"),
            format!("delete from {target}"),
            format!("delete from {target} where false"),
            format!("truncate {target}"),
            format!("set session_replication_role = replica; delete from {target}"),
            format!(
                "insert into {target} select * from {target} on conflict (id, phase, timestamp) \
                 do update set reason = 'forged'"
            ),
        ] {
            let (code, message) = refusal(&database.url, &statement).await;
            assert_eq!(code, "23001", "{statement}: {message}");
        }
    }
    assert_eq!(everything(&table).await, all);
}

/// How many records there are, by their ids.
async fn ids(database: &Database) -> Vec<String> {
    let found = everything(&database.table()).await;
    found.iter().map(|record: &Value| record["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn sqlite_keeps_six_years_too() {
    let database = Database::sqlite().await;
    let pool = SqlitePool::connect(&database.url).await.unwrap();
    for (id, age) in [
        ("a", "-8 years"),
        ("b", "-8 years"),
        ("c", "-2193 days"),
        ("d", "-2190 days"),
        ("e", "-1 day"),
    ] {
        let sql = "insert into audit_logs (id, phase, timestamp, decision, reason) \
                   values ($1, 'denial', strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', $2), 'deny', 'x')";
        sqlx::query(sql).bind(id).bind(age).execute(&pool).await.unwrap();
    }
    let table = database.table();
    let cutoff = async |age: &str| {
        let sql = "select unixepoch('now', $1)";
        let seconds: i64 =
            sqlx::query_scalar(sql).bind(age.to_owned()).fetch_one(&pool).await.unwrap();
        sqlx::types::time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    };
    for younger in ["-2190 days", "-1 day", "+1 day"] {
        for refused in
            [table.retain(cutoff(younger).await).await, table.expired(cutoff(younger).await).await]
        {
            assert!(matches!(refused, Err(DatabaseError::Kept(_))), "{younger} {refused:?}");
        }
    }
    assert_eq!(ids(&database).await.len(), 5);
    for (statement, word) in [
        ("update audit_logs set reason = 'forged'", "an update is refused"),
        ("delete from audit_logs where id = 'd'", "a delete is refused"),
        ("delete from audit_logs", "a delete is refused"),
    ] {
        let refused = sqlx::query(statement).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains(word), "{refused}");
    }
    assert_eq!(ids(&database).await.len(), 5);

    let foreseen = table.expired(cutoff("-7 years").await).await.unwrap();
    assert_eq!((foreseen.records(), foreseen.months.len()), (2, 1), "{foreseen:?}");
    assert_eq!(ids(&database).await.len(), 5);
    let gone = table.retain(cutoff("-7 years").await).await.unwrap();
    assert_eq!(gone, foreseen);
    assert_eq!(ids(&database).await, ["c", "d", "e"]);
    // 2,193 days are more than six years, however many of them leap.
    assert_eq!(table.retain(cutoff("-2192 days").await).await.unwrap().records(), 1);
    assert_eq!(ids(&database).await, ["d", "e"]);
}
