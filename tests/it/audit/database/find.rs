//! What is found is what a plain filter over the same JSON finds, page by page, on both databases.

use audit::AuditTable;
use audit::table::Filter;
use serde_json::{Value, json};
use sqlx::types::time::OffsetDateTime;

use super::{DAY, Database, NEW_YEAR, id, record, spelled, store};

/// Records of three months, all different, with whatever makes finding hard: equal times, ids with
/// colons, members that are null, an outcome that came weeks later.
fn world() -> Vec<Value> {
    let mut all = Vec::new();
    for n in 0..300_u64 {
        let number = i64::try_from(n).unwrap();
        // Every three share a moment; around the end of a month they are close together.
        let at = NEW_YEAR + 30 * DAY + DAY / 7 * (number / 3) - 1;
        let mut it = record(["gate-a", "gate-b"][usize::from(n % 5 == 0)], n + 1, at);
        // Of each member its own order, so that all values meet.
        let mut state = n * 97 + 13;
        let mut pick = |choices: &[&str]| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            json!(choices[usize::try_from(state >> 33).unwrap() % choices.len()])
        };
        it["user_id"] =
            if n % 11 == 0 { Value::Null } else { pick(&["ann", "bob", "Ann", "o'neil%"]) };
        it["tenant_id"] = pick(&["org-1", "org-2", "org-1"]);
        it["action"] = pick(&["patients.read", "patients.list", "visits.read"]);
        it["decision"] = pick(&["allow", "deny", "allow", "error", "allow"]);
        it["event_type"] = pick(&["phi_access", "login", "api_access"]);
        it["resource_type"] = pick(&["Patient", "Visit"]);
        it["resource_id"] = pick(&["patient-1", "7", "Patient:7", "Visit:patient-1", "ä-ö", ""]);
        it["success"] =
            [json!(true), json!(false), Value::Null][usize::try_from(n).unwrap() % 3].clone();
        it["facts_age_ms"] = if n % 4 == 0 { Value::Null } else { json!(n) };
        it["duration_ms"] = json!(f64::from(u32::try_from(n).unwrap()) + 0.125);
        if n % 9 == 0 {
            it["break_glass"] = json!("life at risk, ask \"Ann\"");
        }
        if n % 13 == 0 {
            it["phase"] = json!("denial");
            (it["action"], it["event_type"]) = (Value::Null, Value::Null);
        }
        all.push(it);
    }
    for (n, later) in [(10_usize, 40 * DAY), (20, 5), (30, DAY)] {
        let mut outcome = all[n].clone();
        let at = NEW_YEAR + 30 * DAY + DAY / 7 * i64::try_from(n / 3).unwrap() - 1 + later;
        outcome["phase"] = json!("outcome");
        outcome["timestamp"] = json!(spelled(at));
        outcome["seq"] = json!(1000 + n);
        all.push(outcome);
    }
    // One of before there were seals.
    let mut old = record("", 0, NEW_YEAR + 80 * DAY);
    for member in ["instance", "seq", "chain"] {
        old.as_object_mut().unwrap().remove(member);
    }
    all.push(old);
    all
}

fn fits(filter: &Filter, record: &Value) -> bool {
    let is = |member: &str, wanted: &Option<String>| {
        wanted.as_ref().is_none_or(|wanted| record[member] == wanted.as_str())
    };
    let about = filter.resource.as_ref().is_none_or(|wanted| {
        let parts = wanted.split_once(':');
        record["resource_id"] == wanted.as_str()
            || parts.is_some_and(|(kind, id)| {
                record["resource_type"] == kind && record["resource_id"] == id
            })
    });
    let at = record["timestamp"].as_str().unwrap();
    let moment =
        |it: OffsetDateTime| spelled(i64::try_from(it.unix_timestamp_nanos() / 1000).unwrap());
    is("user_id", &filter.user)
        && is("tenant_id", &filter.tenant)
        && is("action", &filter.action)
        && is("decision", &filter.decision)
        && is("event_type", &filter.event_type)
        && is("id", &filter.id)
        && about
        && filter.since.is_none_or(|since| at >= moment(since).as_str())
        && filter.until.is_none_or(|until| at < moment(until).as_str())
        && (!filter.break_glass || !record["break_glass"].is_null())
}

fn at(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).unwrap()
}

fn filters(world: &[Value]) -> Vec<Filter> {
    let some = |text: &str| Some(text.to_owned());
    let none = Filter::default;
    let middle = NEW_YEAR + 30 * DAY + DAY / 7 * 40 - 1;
    let mut all = vec![
        none(),
        Filter { user: some("ann"), ..none() },
        Filter { user: some("o'neil%"), ..none() },
        Filter { user: some("nobody"), ..none() },
        Filter { tenant: some("org-2"), ..none() },
        Filter { action: some("patients.list"), ..none() },
        Filter { decision: some("deny"), ..none() },
        Filter { event_type: some("login"), ..none() },
        Filter { break_glass: true, ..none() },
        Filter { since: Some(at(middle)), ..none() },
        Filter { until: Some(at(middle)), ..none() },
        Filter { since: Some(at(middle)), until: Some(at(middle + DAY)), ..none() },
        Filter { since: Some(at(middle + 1)), until: Some(at(middle + 1)), ..none() },
        Filter {
            user: some("ann"),
            tenant: some("org-1"),
            decision: some("allow"),
            since: Some(at(middle)),
            ..none()
        },
        Filter { id: some("no id at all"), ..none() },
        Filter { id: some(&id(NEW_YEAR, 99)), ..none() },
    ];
    for resource in
        ["patient-1", "7", "Patient:7", "Visit:7", "Visit:patient-1", "Visit:", "ä-ö", ":"]
    {
        all.push(Filter { resource: some(resource), ..none() });
    }
    for n in [0, 10, 20, 30, 131, 303] {
        let id = some(world[n]["id"].as_str().unwrap());
        all.push(Filter { id: id.clone(), ..none() });
        all.push(Filter { id: id.clone(), until: Some(at(middle)), ..none() });
        all.push(Filter { id, decision: some("allow"), since: Some(at(middle)), ..none() });
    }
    all
}

/// All pages, none of which is too long, and only the last of which may be short.
async fn pages(table: &AuditTable, filter: &Filter, limit: u32) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = table.find(filter, cursor.as_ref(), limit).await.unwrap();
        let length = u32::try_from(page.records.len()).unwrap();
        found.extend(page.records);
        if page.next.is_none() {
            assert!(length <= limit);
            return found;
        }
        assert_eq!(length, limit);
        cursor = page.next;
    }
}

#[tokio::test]
async fn every_filter_finds_each_record_once_in_its_order() {
    let world = world();
    let filters = filters(&world);
    let key = |record: &Value| {
        ["timestamp", "id", "phase"].map(|member| record[member].as_str().unwrap().to_owned())
    };
    for database in Database::both().await {
        let table = database.table();
        store(&table, &world).await;
        let mut found_any = 0;
        for filter in &filters {
            let mut expected: Vec<Value> =
                world.iter().filter(|record| fits(filter, record)).cloned().collect();
            expected.sort_by_key(key);
            found_any += usize::from(!expected.is_empty());
            for limit in [1, 7, 300, 1000] {
                if limit == 1 && expected.len() > 60 {
                    continue;
                }
                let found = pages(&table, filter, limit).await;
                assert_eq!(found.len(), expected.len(), "{} {filter:?}", database.name);
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found, expected, "{} {filter:?}", database.name);
                }
            }
        }
        assert!(found_any > 25, "most filters are to find something: {found_any}");
    }
}

#[tokio::test]
async fn members_have_the_order_of_the_journal() {
    for database in Database::both().await {
        let table = database.table();
        let written = record("gate", 1, NEW_YEAR);
        store(&table, std::slice::from_ref(&written)).await;
        let found = table.find(&Filter::default(), None, 1).await.unwrap().records.remove(0);
        let names =
            |record: &Value| record.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&written), "{}", database.name);
    }
}
