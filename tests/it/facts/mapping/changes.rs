//! Changes in tables that are not ours hold at once, with the triggers of the examples: the time to
//! live is so long that nothing else shows them.

use std::fs;

use tests::{
    client::{self, Request},
    example::{Example, Running},
    wait::eventually,
};

use super::{ALLOWED, Case, LIST, NOT_FOUND, SEARCH, UNKNOWN};

/// A change, and what it makes of a request.
type Change = (&'static str, Case);

async fn check(name: &'static str, before: &[Case], changes: &[Change]) {
    let example = Example::prepare(name).await;
    let function = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres/0006_changes.sql");
    let triggers = example.folder().join("changes.sql");
    let mut config = example.config();
    config.facts.ttl = std::time::Duration::from_mins(1);
    let gate = example.start_with(config).await;
    gate.execute(&fs::read_to_string(function).unwrap()).await;
    gate.execute(&fs::read_to_string(triggers).unwrap()).await;
    listens(&gate).await;
    super::check(&gate, before).await;
    for (sql, (who, target, (status, reason))) in changes {
        gate.execute(sql).await;
        eventually(&format!("{who} {target} is {status} {reason} after `{sql}`"), || async {
            (gate.get(who, target).await == (*status, (*reason).to_owned())).then_some(())
        })
        .await;
    }
}

async fn listens(gate: &Running) {
    eventually("the gate listens", || async {
        let answer = client::send(gate.admin(), &Request::get("/metrics")).await;
        String::from_utf8(answer.body).unwrap().contains("cedargate_facts_push_up 1").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_hospital_tells_of_its_changes() {
    let before = [
        ("10", LIST, ALLOWED),
        ("10", SEARCH, ALLOWED),
        ("10", "/api/patients/7", ALLOWED),
        ("12", "/api/insurances/70", ALLOWED),
        ("99", LIST, UNKNOWN),
    ];
    let changes = [
        (
            "delete from staff_tools where staff_id = 10",
            ("10", SEARCH, (403, "user_feature_disabled")),
        ),
        ("insert into staff_tools values (10, 'code_search')", ("10", SEARCH, ALLOWED)),
        (
            "delete from clinic_tools where clinic_id = 1",
            ("10", SEARCH, (403, "org_feature_disabled")),
        ),
        ("update patients set clinic_id = 2 where id = 7", ("10", "/api/patients/7", NOT_FOUND)),
        ("select 1", ("12", "/api/insurances/70", NOT_FOUND)),
        ("update patients set clinic_id = 1 where id = 7", ("12", "/api/insurances/70", ALLOWED)),
        (
            "update insurances set patient_id = 8 where id = 70",
            ("12", "/api/insurances/70", NOT_FOUND),
        ),
        (
            "update memberships set left_at = now() where staff_id = 10",
            ("10", LIST, (403, "org_missing")),
        ),
        ("update staff set removed_at = now() where id = 12", ("12", LIST, UNKNOWN)),
        ("update clinics set state = 'blocked' where id = 1", ("11", LIST, (401, "org_inactive"))),
        (
            "insert into staff (id, role) values (99, 'nurse'); insert into memberships values (99, 2)",
            ("99", LIST, ALLOWED),
        ),
    ];
    check("hospital", &before, &changes).await;
}

#[tokio::test]
async fn documents_tell_of_their_changes() {
    let before = [
        ("alpha-doctor", LIST, ALLOWED),
        ("alpha-doctor", "/api/patients/patient-alpha-1", ALLOWED),
        ("alpha-doctor", "/api/insurances/insurance-alpha-1", ALLOWED),
        ("alpha-nurse", LIST, UNKNOWN),
    ];
    let changes = [
        (
            "update documents set body = body || '{\"clinic\": \"org-beta\"}' where id = 'patient-alpha-1'",
            ("alpha-doctor", "/api/patients/patient-alpha-1", NOT_FOUND),
        ),
        ("select 1", ("alpha-doctor", "/api/insurances/insurance-alpha-1", NOT_FOUND)),
        (
            "update documents set body = body || '{\"patient\": \"nobody\"}' where id = 'insurance-beta-1'",
            ("alpha-doctor", LIST, ALLOWED),
        ),
        (
            "update documents set body = body || '{\"active\": false}' where id = 'alpha-doctor'",
            ("alpha-doctor", LIST, (401, "user_inactive")),
        ),
        (
            "update documents set body = body || '{\"state\": \"SUSPENDED\"}' where id = 'org-beta'",
            ("beta-nurse", LIST, (401, "org_inactive")),
        ),
        (
            "insert into documents values ('people', 'alpha-nurse', \
             '{\"clinic\": \"org-alpha\", \"active\": true, \"roles\": [\"NURSE\"]}')",
            ("alpha-nurse", LIST, ALLOWED),
        ),
        ("delete from documents where id = 'alpha-nurse'", ("alpha-nurse", LIST, UNKNOWN)),
    ];
    check("calls", &before, &changes).await;
}
