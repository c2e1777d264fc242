//! Records are stored once, whoever stores them how often.

use audit::AuditTable;
use audit::table::{Extent, Position, Voucher};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tests::wait::eventually;

use super::{DAY, Database, NEW_YEAR, everything, number, record, store};

fn records(instance: &str, numbers: std::ops::Range<u64>) -> Vec<Value> {
    // Two days apart: some months.
    let made = |seq: u64| record(instance, seq, NEW_YEAR + 2 * DAY * i64::try_from(seq).unwrap());
    numbers.map(made).collect()
}

fn sequence(found: &[Value]) -> Vec<u64> {
    found.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn what_is_stored_twice_or_in_overlapping_batches_is_there_once() {
    for database in Database::both().await {
        let table = database.table();
        let all = records("gate", 1..81);
        store(&table, &all[..50]).await;
        store(&table, &all[..50]).await;
        store(&table, &all[30..]).await;
        // Twice in one batch, too; and what is there stays as it is, whatever is delivered.
        let mut changed = all[3].clone();
        changed["user_id"] = "mallory".into();
        store(&table, &[all[3].clone(), changed]).await;
        assert_eq!(everything(&table).await, all, "{}", database.name);
    }
}

#[tokio::test]
async fn overlapping_batches_at_the_same_time_leave_each_record_once() {
    for database in Database::both().await {
        // So many that none is done before the others begin; in other orders, in which they would wait for
        // each other in a circle.
        let all: Vec<Value> = (1..3001)
            .map(|seq| record("gate", seq, NEW_YEAR + 1000 * i64::try_from(seq).unwrap()))
            .collect();
        let mut backwards = all[400..].to_vec();
        backwards.reverse();
        let tables = [database.table(), database.table(), database.table()];
        tokio::join!(
            store(&tables[0], &all[..2600]),
            store(&tables[1], &backwards),
            store(&tables[2], &all),
        );
        assert!(everything(&tables[0]).await == all, "{}", database.name);
    }
}

/// Stores the same records in the order of their ids, slowly, while a batch comes in another order.
#[tokio::test]
async fn two_who_store_the_same_records_never_wait_in_a_circle() {
    let database = Database::postgres().await;
    let table = database.table();
    let [first, second] = [record("gate", 1, NEW_YEAR), record("gate", 2, NEW_YEAR)];
    // The month is there already.
    store(&table, &[record("other", 3, NEW_YEAR)]).await;
    let insert = |record: &Value| {
        let [id, at] =
            ["id", "timestamp"].map(|member| record[member].as_str().unwrap().to_owned());
        format!(
            "insert into audit_logs (id, phase, timestamp, decision, reason) \
             values ('{id}', 'intent', '{at}', 'allow', 'x') on conflict (id, phase, timestamp) do nothing"
        )
    };
    let mut other = PgConnection::connect(&database.url).await.unwrap();
    let begin = format!("begin; {}", insert(&first));
    sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut other).await.unwrap();
    let batch = [second.clone(), first];
    let slow = async {
        eventually("the batch waits", || async {
            let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                           and datname = current_database() and query like 'insert into audit_logs%'";
            (number(&database.url, waiting).await == 1).then_some(())
        })
        .await;
        let rest = format!("{}; commit", insert(&second));
        sqlx::raw_sql(sqlx::AssertSqlSafe(rest)).execute(&mut other).await.unwrap();
    };
    tokio::join!(store(&table, &batch), slow);
    assert_eq!(everything(&table).await.len(), 3);
}

#[tokio::test]
async fn two_gates_that_need_the_same_new_month_both_get_it() {
    let database = Database::postgres().await;
    let tables = [database.table(), database.table(), database.table()];
    for month in 0..24 {
        let at = NEW_YEAR + 31 * DAY * month;
        let one = |table: usize| {
            [record(&format!("gate-{table}"), 1, at + i64::try_from(table).unwrap())]
        };
        let batches = [one(0), one(1), one(2)];
        let [a, b, c] = &batches;
        tokio::join!(store(&tables[0], a), store(&tables[1], b), store(&tables[2], c));
    }
    assert_eq!(everything(&tables[0]).await.len(), 24 * 3);
}

#[tokio::test]
async fn a_batch_is_stored_as_a_whole_or_not_at_all() {
    for database in Database::both().await {
        let table = database.table();
        let mut batch = records("gate", 1..4);
        batch[2]["decision"] = "perhaps".into();
        let lines: Vec<String> = batch.iter().map(Value::to_string).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let refused = table.store(&lines).await.unwrap_err();
        assert!(format!("{refused:?}").contains("audit_logs_decision_known"), "{refused:?}");
        assert!(everything(&table).await.is_empty(), "{}", database.name);
        // The fault is that record's: the table takes others.
        assert!(table.is_up().await);
        table.store(&lines[..2]).await.unwrap();
    }
}

#[tokio::test]
async fn it_is_told_how_far_a_journal_has_come() {
    for database in Database::both().await {
        let table = database.table();
        assert_eq!(table.position("gate").await.unwrap(), None);
        let all = records("gate", 1..81);
        let mut shuffled = all.clone();
        shuffled.swap(10, 79);
        store(&table, &shuffled).await;
        store(&table, &records("other", 90..95)).await;
        let last = Position { seq: 80, chain: format!("{:064x}", 80) };
        assert_eq!(table.position("gate").await.unwrap(), Some(last), "{}", database.name);

        let kept = async |after, limit| -> Vec<Value> {
            let kept = table.kept("gate", after, limit).await.unwrap();
            assert!(kept.iter().all(|it| it.exact && it.agrees && it.record["seq"] == it.seq));
            kept.into_iter().map(|it| Value::Object(it.record)).collect()
        };
        assert_eq!(kept(0, 1000).await, all);
        assert_eq!(kept(17, 5).await, all[17..22]);
        assert!(kept(80, 5).await.is_empty());
        assert!(kept(u64::MAX, 5).await.is_empty());
        let extents = table.extents().await.unwrap();
        let of = |it: &Extent| (it.instance.clone(), it.first, it.last);
        let expected = [("gate".to_owned(), 1, 80), ("other".to_owned(), 90, 94)];
        assert_eq!(extents.iter().map(of).collect::<Vec<_>>(), expected);
        assert_eq!(sequence(&everything(&table).await).len(), 85);
    }
}

#[tokio::test]
async fn a_month_that_retention_has_dropped_is_made_again() {
    let database = Database::postgres().await;
    let table = database.table();
    // 2000-01.
    let old = [record("gate", 1, 946_684_800_000_000)];
    store(&table, &old).await;
    let cutoff = super::time(&database.url, "select '2000-02-01T00:00:00Z'::timestamptz").await;
    assert_eq!(table.retain(cutoff).await.unwrap().records(), 1);
    let line = old[0].to_string();
    // It is thought to be there still; that it is not is found out, and remembered.
    table.store(&[&line]).await.unwrap_err();
    table.store(&[&line]).await.unwrap();
    assert_eq!(everything(&table).await, old);
}

#[tokio::test]
async fn a_record_that_is_there_is_not_replaced_in_sqlite() {
    let database = Database::sqlite().await;
    let table: AuditTable = database.table();
    let all = records("gate", 1..3);
    store(&table, &all).await;
    let pool = sqlx::SqlitePool::connect(&database.url).await.unwrap();
    let replaced = "replace into audit_logs (id, phase, timestamp, decision, reason) \
                    select id, phase, timestamp, 'deny', 'forged' from audit_logs";
    sqlx::query(replaced).execute(&pool).await.unwrap();
    let place = "replace into audit_logs (id, phase, timestamp, decision, reason, instance, seq) \
                 values ('x', 'intent', '2025-01-01T00:00:00.000000Z', 'deny', 'forged', 'gate', 1)";
    let refused = sqlx::query(place).execute(&pool).await.unwrap_err();
    assert!(refused.to_string().contains("this place in its journal"), "{refused}");
    assert_eq!(everything(&table).await, all);
}

/// `jsonb` forgets the order of members, over which the hash of a record is.
#[tokio::test]
async fn details_keep_their_order_in_both_databases() {
    for database in Database::both().await {
        let table = database.table();
        let mut one = record("gate", 1, NEW_YEAR).to_string();
        let details =
            r#"{"zulu":1,"a":{"yy":[2,{"q":1.0,"b":null}],"x":"\u2028"},"long name":1e300}"#;
        let at = one.find(r#""details":"#).unwrap() + 10;
        let end = one.find(r#","instance""#).unwrap();
        one.replace_range(at..end, details);
        table.store(&[&one]).await.unwrap();
        let kept = table.kept("gate", 0, 9).await.unwrap().remove(0);
        let line = Value::Object(kept.record).to_string();
        assert_eq!(
            line,
            serde_json::from_str::<Value>(&one).unwrap().to_string(),
            "{}",
            database.name
        );
    }
}

#[tokio::test]
async fn what_vouches_for_records_is_kept_once_and_in_order() {
    for database in Database::both().await {
        let table = database.table();
        let line = |seq, number, text: &str| Voucher {
            seq,
            number,
            digest: format!("{text:0>64}"),
            line: format!("{{\"{text}\":\"é\"}}"),
        };
        let all =
            [line(0, 0, "a"), line(0, 1, "b"), line(7, 2, "c"), line(7, 3, "d"), line(12, 0, "e")];
        table.vouch("gate", &all[2..]).await.unwrap();
        table.vouch("gate", &all).await.unwrap();
        table.vouch("other", &all[..1]).await.unwrap();
        assert_eq!(table.vouchers("gate", None, 99).await.unwrap(), all, "{}", database.name);
        let after = (7, 2, all[2].digest.clone());
        assert_eq!(table.vouchers("gate", Some(&after), 1).await.unwrap(), all[3..4]);
        assert_eq!(table.last_voucher("gate").await.unwrap().as_ref(), all.last());
        assert_eq!(table.last_voucher("nobody").await.unwrap(), None);
        assert_eq!(table.vouched().await.unwrap(), ["gate", "other"]);
    }
}
