//! How PostgreSQL goes about the questions that auditors ask.

use std::{collections::BTreeMap, fs};

use audit::table::Filter;
use sqlx::types::time::OffsetDateTime;
use tests::sql::execute;

use super::{Database, number};

/// Seven years, 2018 to 2024; 3,600 records a month, of 2,000 patients and 200 users.
const SEVEN_YEARS: &str = "\
    set timezone = 'UTC'; \
    select cedargate_audit_partition(month) \
    from generate_series(timestamptz '2018-01-01', timestamptz '2024-12-01', interval '1 month') month; \
    insert into audit_logs (id, phase, timestamp, event_type, action, user_id, tenant_id, resource_type, \
        resource_id, decision, reason, break_glass, instance, seq, chain) \
    select 'id-' || n, 'intent', month + i * interval '11 minutes', 'phi_access', 'patients.read', \
        'user-' || n % 199, 'org-' || n % 7, 'Patient', 'patient-' || n * 7919 % 2000, 'allow', 'allowed', \
        case when n % 997 = 0 then 'life at risk' end, 'gate', n, md5(n::text) \
    from (select month, i, row_number() over () as n \
        from generate_series(timestamptz '2018-01-01', timestamptz '2024-12-01', interval '1 month') month, \
            generate_series(0, 3599) i) all_of_them; \
    analyze audit_logs";

const REVIEWED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/audit/plan.txt");

fn year(year: i32) -> OffsetDateTime {
    let days = i64::from((year - 1970) * 365 + (year - 1969) / 4);
    OffsetDateTime::from_unix_timestamp(days * 86_400).unwrap()
}

#[tokio::test]
async fn a_patient_over_six_years_is_found_by_the_index_in_every_partition() {
    let database = Database::postgres().await;
    execute(&database.url, SEVEN_YEARS).await;
    assert_eq!(number(&database.url, "select count(*) from audit_logs").await, 84 * 3600);
    let table = database.table();
    let patient = Some("patient-77".to_owned());
    let filter = Filter {
        resource: patient,
        since: Some(year(2019)),
        until: Some(year(2025)),
        ..Filter::default()
    };

    let plan = table.plan(&filter, 1000).await.unwrap();
    let text = plan.join("\n");
    assert!(!text.contains("Seq Scan"), "{text}");
    for year in 2019..=2024 {
        for month in 1..=12 {
            let index = format!("audit_logs_{year}_{month:02}_resource_id_timestamp_idx");
            assert!(text.contains(&index), "no {index} in\n{text}");
        }
    }
    assert!(!text.contains("audit_logs_2018"), "partitions before `since` are passed over\n{text}");
    reviewed(&plan);

    let found = table.find(&filter, None, 1000).await.unwrap();
    let all = "select count(*) from audit_logs where resource_id = 'patient-77' and timestamp >= '2019-01-01Z'";
    assert_eq!(i64::try_from(found.records.len()).unwrap(), number(&database.url, all).await);
    assert!(found.records.len() > 100);

    // The other questions: each by an index, and none of them by reading a partition from end to end.
    let some = |text: &str| Some(text.to_owned());
    for (index, filter) in [
        ("user_id_timestamp_idx", Filter { user: some("user-7"), ..filter_since(2019) }),
        (
            "resource_id_timestamp_idx",
            Filter { resource: some("Patient:patient-7"), ..filter_since(2019) },
        ),
        ("timestamp_idx1", Filter { break_glass: true, ..filter_since(2019) }),
        ("pkey", Filter { id: some("id-77"), ..Filter::default() }),
        ("timestamp_idx", Filter { until: Some(year(2020)), ..filter_since(2019) }),
    ] {
        let text = table.plan(&filter, 100).await.unwrap().join("\n");
        assert!(text.contains(index) && !text.contains("Seq Scan"), "{filter:?}\n{text}");
    }
    // An id says when it was made (2021-06-15): one month.
    let filter = Filter { id: some("017a0d1c-2000-7000-8000-000000000000"), ..Filter::default() };
    let text = table.plan(&filter, 100).await.unwrap().join("\n");
    let touched = text.lines().filter(|line| line.contains("Scan")).count();
    assert!(text.contains("audit_logs_2021_06_pkey") && touched == 1, "{text}");
}

fn filter_since(from: i32) -> Filter {
    Filter { since: Some(year(from)), ..Filter::default() }
}

/// Compares with what somebody has looked at: which index each partition is read by, and for what. Whether by
/// way of a bitmap is the planner's business. `UPDATE_EXPECTED=1` writes it anew.
fn reviewed(plan: &[String]) {
    let mut reads: BTreeMap<String, u32> = BTreeMap::new();
    for (line, condition) in plan.iter().zip(plan.iter().skip(1)) {
        let Some((_, scan)) = line.split_once("Index Scan") else { continue };
        let index = scan.split_whitespace().find(|word| word.ends_with("_idx")).unwrap();
        let (table, rest) = index.split_at("audit_logs_".len());
        let read = format!("{table}<month>{}\n    {}", &rest["2019_01".len()..], condition.trim());
        *reads.entry(read).or_default() += 1;
    }
    let lines: Vec<String> =
        reads.iter().map(|(read, times)| format!("{times} times {read}\n")).collect();
    let text = lines.concat();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(REVIEWED, &text).unwrap();
    }
    let expected = fs::read_to_string(REVIEWED).unwrap_or_default();
    assert_eq!(text, expected, "the plan has changed:\n{}", plan.join("\n"));
}
