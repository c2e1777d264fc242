//! What may go, and what may not.

use serde_json::{Value, json};
use sqlx::SqlitePool;
use tests::postgres;
use tests::sql::execute;

use super::{audit, lines};

/// Eight and two years ago, and yesterday, in the month as it was then.
const OLD_AND_YOUNG: &str = "\
    select cedargate_audit_partition(now() - age) from unnest(array[interval '8 years', '2 years', '1 day']) age; \
    insert into audit_logs (id, phase, timestamp, decision, reason) \
    select '01940000-0000-7000-8000-00000000000' || n, 'denial', now() - age, 'deny', 'x' \
    from unnest(array[interval '8 years', '8 years', '2 years', '1 day']) with ordinality ages (age, n)";

async fn retain(url: &str, arguments: &[&str]) -> (i32, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [&["retain", "--database", url], arguments].concat();
    audit(directory.path(), &arguments).await
}

/// How many records a database has.
async fn count(url: &str) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let query = ["query", "--database", url, "--format", "json"];
    let (status, out, complaints) = audit(directory.path(), &query).await;
    assert_eq!(status, 0, "{complaints}");
    lines(&out).len()
}

async fn check(url: &str) {
    assert_eq!(count(url).await, 4);
    for young in
        [&["--keep", "5y"][..], &["--keep", "2190d"], &["--before", "1d"], &["--keep", "2y"]]
    {
        for dry in [&[][..], &["--dry-run"]] {
            let (status, out, complaints) = retain(url, &[young, dry].concat()).await;
            assert_eq!((status, out.as_str()), (1, ""), "{young:?}");
            assert!(complaints.contains("six years (45 CFR 164.316(b)(2)(i))"), "{complaints}");
        }
    }
    let (status, _, complaints) = retain(url, &["--keep", "6y", "--before", "2001-01-01"]).await;
    assert_eq!(status, 2, "{complaints}");
    let (status, out, _) = retain(url, &["--before", "2001-01-01"]).await;
    assert!(status == 0 && out.starts_with("nothing was removed"), "{out}");
    assert_eq!(count(url).await, 4);

    let (status, out, complaints) = retain(url, &["--dry-run"]).await;
    assert_eq!(status, 0, "{complaints}");
    assert!(out.contains(", 2 records of 1 month would be removed:\n"), "{out}");
    let (_, out, _) = retain(url, &["--dry-run", "--format", "json"]).await;
    let foreseen: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&foreseen["records"], &foreseen["dry_run"]), (&json!(2), &json!(true)));
    assert_eq!(count(url).await, 4, "a dry run removes nothing");

    let (status, out, complaints) = retain(url, &["--keep", "6y", "--format", "json"]).await;
    assert_eq!(status, 0, "{complaints}");
    let gone: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&gone["months"], &gone["dry_run"]), (&foreseen["months"], &json!(false)));
    assert_eq!(count(url).await, 2);
}

#[tokio::test]
async fn postgres_loses_nothing_that_is_younger_than_six_years() {
    let url = postgres::shared().await.create_database(None).await;
    let (status, _, complaints) = retain(&url, &[]).await;
    assert_eq!(status, 2, "{complaints}");
    assert!(complaints.contains("run `cedargate migrate`"), "{complaints}");
    database::migrate(&url).await.unwrap();
    execute(&url, OLD_AND_YOUNG).await;
    check(&url).await;
}

#[tokio::test]
async fn sqlite_loses_nothing_that_is_younger_than_six_years() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/audit.db", directory.path().display());
    database::migrate(&url).await.unwrap();
    let pool = SqlitePool::connect(&url).await.unwrap();
    for (number, age) in ["-8 years", "-8 years", "-2 years", "-1 day"].iter().enumerate() {
        let sql = "insert into audit_logs (id, phase, timestamp, decision, reason) \
                   values ($1, 'denial', strftime('%Y-%m-%dT%H:%M:%f000Z', 'now', $2), 'deny', 'x')";
        let id = format!("01940000-0000-7000-8000-00000000000{number}");
        sqlx::query(sql).bind(id).bind(*age).execute(&pool).await.unwrap();
    }
    check(&url).await;
}
