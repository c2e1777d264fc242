//! What auditors read.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{client::Request, stand::Stand, tokens::token, upstream::Behaviour, wait::eventually};

/// Every member that a record has, whatever happened.
const MEMBERS: &[&str] = &[
    "id",
    "phase",
    "timestamp",
    "event_type",
    "action",
    "operation",
    "user_id",
    "organization_id",
    "tenant_id",
    "roles",
    "resource_type",
    "resource_id",
    "method",
    "endpoint",
    "route",
    "decision",
    "reason",
    "policies",
    "policy_digest",
    "facts_age_ms",
    "break_glass",
    "ip_address",
    "user_agent",
    "status",
    "upstream_status",
    "success",
    "duration_ms",
    "details",
];

#[tokio::test]
async fn an_allowed_request_is_an_intent_and_an_outcome() {
    let stand = Stand::sqlite().await;
    let request = Request::get("/api/patients/patient-kauvery-1?secret=query");
    let request = request.token(&token("kauvery-doctor")).header("User-Agent", "u".repeat(300));
    let answer = stand.send(&request).await;
    let records = stand.ground.journal.of(answer.id()).await;
    assert_eq!(records.len(), 2, "{records:?}");
    let (intent, outcome) = (&records[0], &records[1]);
    let expected = json!({
        "phase": "intent", "event_type": "phi_access", "action": "patients.read", "operation": "view",
        "user_id": "kauvery-doctor", "organization_id": "org-kauvery", "tenant_id": "org-kauvery",
        "roles": ["DOCTOR"], "resource_type": "Patient", "resource_id": "patient-kauvery-1",
        "method": "GET", "endpoint": "/api/patients/patient-kauvery-1",
        "route": "/api/patients/{id}", "decision": "allow", "reason": "allowed",
        "ip_address": "127.0.0.1", "user_agent": "u".repeat(256), "break_glass": null,
    });
    assert_members(intent, &expected);
    assert_members(
        outcome,
        &json!({"phase": "outcome", "status": 200, "upstream_status": 200,
        "success": true, "decision": "allow"}),
    );
    assert!(!intent["policies"].as_array().unwrap().is_empty(), "{intent}");
    assert!(intent["policy_digest"].as_str().is_some_and(|digest| !digest.is_empty()), "{intent}");
    assert!(intent["facts_age_ms"].is_number() && outcome["duration_ms"].is_number(), "{outcome}");
    assert!(is_timestamp(intent["timestamp"].as_str().unwrap()), "{intent}");
}

fn assert_members(record: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&record[name], value, "{name} of {record}");
    }
}

/// RFC 3339 with microseconds, in UTC.
fn is_timestamp(text: &str) -> bool {
    let form = "0000-00-00T00:00:00.000000Z";
    let fits =
        |(own, like): (u8, u8)| if like == b'0' { own.is_ascii_digit() } else { own == like };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}

#[tokio::test]
async fn every_record_has_every_member_and_no_secret() {
    let stand = Stand::sqlite().await;
    let token = token("kauvery-doctor");
    let secret = "s3cret-of-a-patient";
    let target = format!("/api/visits?q={secret}");
    for request in [
        Request::get(&target).token(&token),
        Request::new("POST", &target).token(&token).json(json!({"note": secret}).to_string()),
        Request::new("POST", &target).token(&token).json(secret),
        Request::get(&target),
        Request::get(&target).header("Authorization", format!("Bearer {secret}")),
        Request::get(format!("/nowhere?{secret}")).token(&token),
        Request::get(format!("/a/../b?{secret}")).token(&token),
    ] {
        let answer = stand.send(&request).await;
        for record in stand.ground.journal.of(answer.id()).await {
            let names: BTreeSet<&str> =
                record.as_object().unwrap().keys().map(String::as_str).collect();
            let missing: Vec<_> = MEMBERS.iter().filter(|name| !names.contains(**name)).collect();
            assert!(missing.is_empty(), "{missing:?} are not in {record}");
        }
    }
    let text = stand.ground.journal.text();
    assert!(!text.contains(secret) && !text.contains(&token), "a secret is in the record");
}

#[tokio::test]
async fn the_upstreams_failure_is_an_outcome() {
    let stand = Stand::sqlite().await;
    for (status, success) in [(200, true), (404, false), (500, false)] {
        let behaviour = Behaviour::Answer(status, Vec::new(), b"{}".to_vec());
        stand.ground.upstream.on("/api/patients", behaviour);
        let answer = stand.get("kauvery-doctor", "/api/patients").await;
        assert_eq!(answer.status, status, "what the upstream says is passed on");
        let outcome = stand.ground.journal.outcome(answer.id()).await;
        assert_members(
            &outcome,
            &json!({"status": status, "upstream_status": status,
            "success": success, "decision": "allow"}),
        );
    }
}

#[tokio::test]
async fn a_stranger_on_an_unmapped_path_is_recorded_as_such() {
    let stand = Stand::sqlite().await;
    let answer = stand.send(&Request::get("/wp-admin/")).await;
    let record = stand.ground.journal.decision(answer.id()).await;
    assert_members(
        &record,
        &json!({"phase": "denial", "action": "unmapped", "user_id": null,
        "organization_id": null, "tenant_id": null, "reason": "token_missing", "status": 401,
        "decision": "deny", "endpoint": "/wp-admin/", "event_type": "api_access"}),
    );
}

#[tokio::test]
async fn staff_that_cross_tenants_are_recorded_where_they_act() {
    let stand = Stand::sqlite().await;
    let request = Request::get("/api/patients").token(&token("super-admin"));
    let answer = stand.send(&request.header("X-Tenant", "demo_clinic_beta")).await;
    let record = stand.ground.journal.decision(answer.id()).await;
    assert_members(
        &record,
        &json!({"user_id": "super-admin", "organization_id": null,
        "tenant_id": "org-beta", "roles": ["PLATFORM_ADMIN"], "operation": "list"}),
    );
}

#[tokio::test]
async fn absent_and_anothers_are_told_apart_in_the_record_alone() {
    let stand = Stand::sqlite().await;
    let mut records = Vec::new();
    for id in ["no-such-patient", "patient-beta-1"] {
        let answer = stand.get("kauvery-doctor", &format!("/api/patients/{id}")).await;
        let mut record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!(record["reason"], "not_found");
        assert_eq!(record["resource_id"], id);
        for name in ["id", "timestamp", "duration_ms", "facts_age_ms", "resource_id", "endpoint"] {
            record[name] = Value::Null;
        }
        records.push(record);
    }
    assert_ne!(records[0], records[1], "only the audit record tells them apart");
}

#[tokio::test]
async fn strangers_cannot_fill_the_disk() {
    let stand = Stand::builder().set("audit.anonymous_per_second", 5).start().await;
    let mut connection = tests::client::Connection::open(stand.proxy()).await;
    let asked = 300;
    for _ in 0..asked {
        let answer = connection.send(&Request::get("/api/patients")).await.unwrap();
        assert_eq!(answer.reason(), "token_missing");
    }
    let accounted = eventually("all are accounted for", || async {
        let records = stand.ground.journal.records();
        let single = records.iter().filter(|record| record["reason"] == "token_missing").count();
        let summed: u64 = records.iter().filter_map(count_in_summary).sum();
        let summed = usize::try_from(summed).unwrap();
        (single + summed >= asked).then_some((single, single + summed, records.len()))
    });
    let (single, total, records) = accounted.await;
    assert_eq!(total, asked);
    assert!(single < asked / 2 && records < asked / 2, "{single} single records of {records}");
    let known = stand.get("kauvery-coder", "/api/patients").await;
    let known = stand.ground.journal.decision(known.id()).await;
    assert_eq!(known["reason"], "outside_boundary", "somebody known is always recorded");
}

/// How many refusals for want of a token a record stands for, wherever in `details` it says so.
fn count_in_summary(record: &Value) -> Option<u64> {
    fn find(value: &Value) -> Option<u64> {
        let members = value.as_object()?;
        let own = members.get("token_missing").and_then(Value::as_u64);
        own.or_else(|| members.values().find_map(find))
    }
    find(&record["details"])
}

/// Text that a stranger may send, and that must not reach a terminal, or an editor, as it is.
const HOSTILE: [&str; 6] = [
    "\u{9b}2J\u{9b}31m a terminal's commands",
    "an order \u{202e}desrever\u{202c} of letters",
    "line\u{2028}and\u{2029}paragraph",
    "\",\"decision\":\"allow\",\"x\":\"",
    "zero\u{200b}width\u{feff} and tags \u{e0041}",
    "\\u001b[2J with a backslash",
];

#[tokio::test]
async fn nothing_that_a_stranger_writes_can_forge_a_line_or_drive_a_terminal() {
    let stand = Stand::sqlite().await;
    let token = token("kauvery-doctor");
    for text in HOSTILE {
        let long = text.repeat(40);
        let patients = || Request::get("/api/patients").token(&token);
        let raw = [b"/\x1b[2J", text.as_bytes()].concat();
        for request in [
            patients().header("User-Agent", text),
            patients().header("User-Agent", &long),
            patients().header("X-Request-Id", text),
            patients().header("X-Break-Glass", text),
            patients().header("X-Break-Glass", &long),
            patients().header("X-Tenant", text),
            patients().header("Cookie", text),
            Request::get(&raw),
            Request::get("/api/patients?".to_owned() + text).token(&token),
            Request::new("POST", "/api/visits")
                .token(&token)
                .json(json!({ text: text }).to_string()),
        ] {
            let answer = stand.send(&request).await;
            if !answer.id().is_empty() {
                stand.ground.journal.of(answer.id()).await;
            }
        }
    }
    let text = stand.ground.journal.text();
    let dangerous = |letter: char| {
        letter.is_control() && letter != '\n'
            || ('\u{200b}'..='\u{202e}').contains(&letter)
            || letter == '\u{feff}'
            || letter >= '\u{e0000}'
    };
    for line in text.lines() {
        assert!(!line.contains(dangerous), "{line:?}");
        assert!(line.len() < 16 * 1024, "{} bytes", line.len());
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["seq"].is_u64(), "{line}");
        let allowed = record["decision"] == "allow";
        assert_eq!(allowed, record["policies"] != json!([]) && record["phase"] != "denial");
    }
}
