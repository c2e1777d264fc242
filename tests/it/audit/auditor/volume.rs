//! More records than a page of the database or a segment of the journal holds.

use std::{fs, path::Path, time::Duration};

use audit::AuditTable;
use serde_json::{Value, json};

use super::{audit, lines};

/// Of each segment of the journal, and more than a page of the database.
const RECORDS: usize = 1_300;
/// When each segment begins.
const DAYS: [usize; 3] = [1, 11, 21];
/// Types may be of a namespace, and ids may hold colons.
const OBJECTS: [(&str, &str); 5] = [
    ("Clinic::Patient", "7"),
    ("Clinic::Patient", "a:7"),
    ("Patient", "7"),
    ("Clinic::Visit", "7"),
    ("Patient", ":7"),
];

/// The record with this number: a second later than the one before, and every seventh was overtaken.
fn record(day: usize, number: usize) -> Value {
    let moment = if number.is_multiple_of(7) { number + 20 } else { number + 30 };
    let (minute, second) = (moment / 60, moment % 60);
    let (kind, id) = OBJECTS[number % OBJECTS.len()];
    json!({
        "id": format!("01940000-0000-7000-8000-{day:06}{number:06}"), "phase": "intent",
        "timestamp": format!("2025-01-{day:02}T06:{minute:02}:{second:02}.000000Z"),
        "event_type": "phi_access", "action": format!("notes.{}", number % 3), "operation": "view",
        "user_id": format!("user-{}", number % 11), "organization_id": "org-1",
        "tenant_id": "org-1", "roles": ["a", "b"], "resource_type": kind, "resource_id": id,
        "method": "GET", "endpoint": "/x", "route": "/x", "decision": "allow", "reason": "allowed",
        "policies": ["p"], "policy_digest": "d", "facts_age_ms": 1, "break_glass": null,
        "ip_address": "192.0.2.7", "user_agent": "x", "status": null, "upstream_status": null,
        "success": null, "duration_ms": 1.5, "details": {},
    })
}

/// A filter, and what it means.
type Case<'a> = (&'a [&'a str], &'a dyn Fn(&Value) -> bool);

/// The same records in a journal and in a database. Gives them in the order of their times.
async fn both(directory: &Path, url: &str) -> Vec<Value> {
    database::migrate(url).await.unwrap();
    let table = AuditTable::open(url, Duration::from_mins(1)).unwrap();
    fs::create_dir(directory.join("journal")).unwrap();
    let (mut all, mut first) = (Vec::new(), 1);
    for day in DAYS {
        let records: Vec<Value> = (0..RECORDS).map(|number| record(day, number)).collect();
        let text: Vec<String> = records.iter().map(Value::to_string).collect();
        for some in text.chunks(500) {
            table.store(&some.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
        }
        let name = format!("journal/audit-{first:020}-202501{day:02}T060000.000000Z.jsonl");
        fs::write(directory.join(name), text.join("\n") + "\n").unwrap();
        first += RECORDS;
        all.extend(records);
    }
    let key = |it: &Value| ["timestamp", "id"].map(|name| it[name].as_str().unwrap().to_owned());
    all.sort_by_key(key);
    all
}

#[tokio::test]
async fn pages_and_segments_make_no_difference() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/audit.db", directory.path().display());
    let all = both(directory.path(), &url).await;
    let is =
        |it: &Value, kind: &str, id: &str| it["resource_type"] == kind && it["resource_id"] == id;
    let at = |it: &Value| it["timestamp"].as_str().unwrap().to_owned();
    let cases: [Case<'_>; 11] = [
        (&[], &|_| true),
        (&["--user", "user-3"], &|it| it["user_id"] == "user-3"),
        (&["--action", "notes.1", "--user", "user-3"], &|it| {
            it["user_id"] == "user-3" && it["action"] == "notes.1"
        }),
        (&["--resource", "7"], &|it| it["resource_id"] == "7"),
        (&["--resource", "Patient:7"], &|it| is(it, "Patient", "7")),
        (&["--resource", "Clinic::Patient:7"], &|it| is(it, "Clinic::Patient", "7")),
        (&["--resource", "Clinic::Patient:a:7"], &|it| is(it, "Clinic::Patient", "a:7")),
        (&["--resource", "Patient::7"], &|it| is(it, "Patient", ":7")),
        (&["--since", "2025-01-12"], &|it| at(it).as_str() >= "2025-01-12"),
        (&["--until", "2025-01-11T06:10:00Z"], &|it| at(it).as_str() < "2025-01-11T06:10:00"),
        (&["--since", "2025-01-11T06:10:00Z", "--until", "2025-01-21T06:01:00Z"], &|it| {
            (at(it).as_str() >= "2025-01-11T06:10:00.0") && at(it).as_str() < "2025-01-21T06:01:00"
        }),
    ];
    for (filter, is_meant) in cases {
        let expected: Vec<_> = all.iter().filter(|it| is_meant(it)).cloned().collect();
        assert!(!expected.is_empty() && (filter.is_empty() || expected.len() < all.len()));
        for source in [["--journal", "journal"], ["--database", &url]] {
            let arguments = [&["query", "--format", "json"], filter, &source].concat();
            let (status, out, complaints) = audit(directory.path(), &arguments).await;
            assert_eq!((status, complaints.as_str()), (0, ""), "{arguments:?}");
            assert_eq!(lines(&out), expected, "{arguments:?}");
        }
    }
    for source in [["--journal", "journal"], ["--database", &url]] {
        let arguments = [&["query", "--format", "json", "--limit", "1500"][..], &source].concat();
        let (_, out, _) = audit(directory.path(), &arguments).await;
        assert_eq!(lines(&out), all[..1500], "{source:?}");
    }
}
