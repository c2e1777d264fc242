//! Each reason has its status, its message and its headers, and tells nothing about others.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{
    client::{Answer, Request},
    stand::Stand,
    tokens::{Signing, claims, header, signed, token, token_id},
};

/// Asks as `user`, `METHOD target`, with further headers as `Name: value`, and a body.
async fn ask(stand: &Stand, user: &str, line: &str, headers: &[&str], body: &str) -> Answer {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::new(method, target);
    if !user.is_empty() {
        request = request.token(&token(user));
    }
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        request = match name {
            "Host" => request.host(value),
            _ => request.header(name, value),
        };
    }
    let request = if body.is_empty() { request } else { request.json(body) };
    stand.send(&request).await
}

type Case = (&'static str, &'static str, &'static [&'static str], &'static str, u16, &'static str);

/// Who, what, further headers, body; status and reason.
const CASES: &[Case] = &[
    ("", "GET /api/patients", &[], "", 401, "token_missing"),
    ("nobody-knows-me", "GET /api/patients", &[], "", 401, "user_unknown"),
    ("kauvery-left", "GET /api/patients", &[], "", 401, "user_inactive"),
    ("lapsed-doctor", "GET /api/patients", &[], "", 401, "org_inactive"),
    ("dormant-admin", "GET /api/patients", &[], "", 401, "org_inactive"),
    ("closed-doctor", "GET /api/patients", &[], "", 401, "org_inactive"),
    ("orphan-doctor", "GET /api/patients", &[], "", 403, "org_missing"),
    ("kauvery-coder", "GET /api/patients", &[], "", 403, "outside_boundary"),
    ("kauvery-coder", "GET /api/codes", &[], "", 403, "outside_boundary"),
    ("kauvery-coder", "GET /api/users/members", &[], "", 403, "outside_boundary"),
    ("kauvery-coder", "GET /nowhere", &[], "", 403, "outside_boundary"),
    ("kauvery-coder", "GET /api/codes/unheard-of", &[], "", 403, "route_unmapped"),
    ("kauvery-doctor", "GET /nowhere", &[], "", 403, "route_unmapped"),
    ("kauvery-doctor", "BREW /api/patients", &[], "", 403, "route_unmapped"),
    ("kauvery-doctor", "get /api/patients", &[], "", 403, "route_unmapped"),
    ("kauvery-doctor", "GET /nowhere", &["X-Break-Glass: short"], "", 403, "route_unmapped"),
    (
        "kauvery-doctor",
        "GET /api/visits/x",
        &["X-Break-Glass: short"],
        "",
        400,
        "justification_invalid",
    ),
    ("kauvery-billing", "GET /api/visit-notes", &[], "", 403, "role_not_allowed"),
    ("kauvery-norole", "GET /api/users/me", &[], "", 403, "role_not_allowed"),
    ("kauvery-doctor", "POST /api/visits", &[], "[]", 400, "body_invalid"),
    ("kauvery-doctor", "POST /api/visits", &[], r#"{"organization_id":1}"#, 400, "body_invalid"),
    (
        "kauvery-doctor",
        "GET /api/patients",
        &["X-Tenant: demo_clinic_beta"],
        "",
        403,
        "cross_tenant",
    ),
    ("kauvery-doctor", "GET /api/patients", &["X-Tenant: no_such_clinic"], "", 403, "cross_tenant"),
    (
        "kauvery-doctor",
        "GET /api/patients",
        &["Host: demo_clinic_beta.clinics.example"],
        "",
        403,
        "cross_tenant",
    ),
    ("kauvery-doctor", "GET /api/users/me?organization_id=org-beta", &[], "", 403, "cross_tenant"),
    (
        "kauvery-doctor",
        "POST /api/visits",
        &[],
        r#"{"organizationId":"org-beta"}"#,
        403,
        "cross_tenant",
    ),
    (
        "south-group-admin",
        "GET /api/patients?organization_id=org-kauvery",
        &["X-Tenant: kauvery_east"],
        "",
        400,
        "tenant_conflict",
    ),
    ("platform-admin", "GET /api/patients", &[], "", 403, "tenant_required"),
    ("kauvery-doctor", "GET /api/patients/patient-beta-1", &[], "", 404, "not_found"),
    ("kauvery-admin", "PATCH /api/service-codes/97151", &[], "{}", 404, "not_found"),
    ("platform-admin", "PATCH /api/admin/users/super-admin/status", &[], "{}", 404, "not_found"),
    ("beta-coder", "GET /api/codes/icd10/search", &[], "", 403, "org_feature_disabled"),
    ("kauvery-newcomer", "GET /api/codes/icd10/search", &[], "", 403, "user_feature_disabled"),
    ("kauvery-doctor", "GET /api/workflows/prior_auth/patients", &[], "", 403, "workflow_disabled"),
    (
        "kauvery-admin",
        "POST /api/admin/invitations",
        &[],
        r#"{"roles":["GROUP_ADMIN"]}"#,
        403,
        "escalation",
    ),
    (
        "kauvery-admin",
        "DELETE /api/admin/invitations/invitation-kauvery-2",
        &[],
        "",
        403,
        "escalation",
    ),
    (
        "kauvery-admin",
        "PATCH /api/admin/users/south-group-admin/status",
        &[],
        "{}",
        403,
        "escalation",
    ),
    ("kauvery-doctor", "PATCH /api/users/me", &[], r#"{"is_super_admin":true}"#, 403, "escalation"),
];

#[tokio::test]
async fn every_reason_in_its_form() {
    let stand = Stand::sqlite().await;
    for (user, line, headers, body, status, reason) in CASES {
        let answer = ask(&stand, user, line, headers, body).await;
        assert_eq!((answer.status, answer.reason().as_str()), (*status, *reason), "{user} {line}");
        check_form(&answer, line);
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!((&record["phase"], &record["reason"]), (&json!("denial"), &json!(reason)));
        assert_eq!((&record["decision"], &record["status"]), (&json!("deny"), &json!(status)));
    }
    assert!(stand.ground.upstream.requests().is_empty());
}

/// RFC 9457, nothing to be kept, and only the members that the contract names.
fn check_form(answer: &Answer, line: &str) {
    let head = &answer.head;
    assert_eq!(head.header("content-type"), Some("application/problem+json"), "{line}");
    assert_eq!(head.header("cache-control"), Some("no-store"), "{line}");
    assert_eq!(head.all("x-request-id").count(), 1, "{line}");
    assert_eq!(head.header("www-authenticate").is_some(), answer.status == 401, "{line}");
    let body = answer.json();
    let names: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["detail", "reason", "request_id", "status", "title", "type"];
    assert_eq!(names, BTreeSet::from(expected), "{line}");
    assert_eq!(body["type"], "about:blank");
    assert_eq!(body["status"], answer.status);
    assert_eq!(body["request_id"], answer.id());
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    let titles = json!({"400": "Bad Request", "401": "Unauthorized", "403": "Forbidden",
        "404": "Not Found"});
    assert_eq!(body["title"], titles[answer.status.to_string()], "{body}");
}

#[tokio::test]
async fn the_paywall_speaks_the_words_that_clients_know() {
    let stand = Stand::sqlite().await;
    for (user, detail) in [
        ("beta-coder", r#"Feature "codes" is not enabled for this organization"#),
        ("kauvery-newcomer", r#"Feature "codes" is not enabled for this user"#),
    ] {
        let answer = stand.get(user, "/api/codes/icd10/search?q=fever").await;
        assert_eq!(answer.json()["detail"], detail);
    }
}

#[tokio::test]
async fn what_is_absent_and_what_is_anothers_cannot_be_told_apart() {
    let stand = Stand::sqlite().await;
    let mut answers = Vec::new();
    for target in [
        "/api/patients/no-such-patient",
        "/api/patients/patient-beta-1",
        "/api/patients/patient-kauvery-east-1",
        "/api/patients/patient-lapsed-1",
    ] {
        let answer = stand.get("kauvery-doctor", target).await;
        assert_eq!((answer.status, answer.reason().as_str()), (404, "not_found"), "{target}");
        answers.push(without_id(&answer));
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:#?}");
}

/// All that a client can tell, but for what differs from one request to the next.
fn without_id(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let mut headers = answer.head.headers.clone();
    headers.retain(|(name, _)| {
        !["x-request-id", "date"].contains(&name.to_ascii_lowercase().as_str())
    });
    let mut body = answer.json();
    body["request_id"] = Value::Null;
    (answer.status, headers, body)
}

#[tokio::test]
async fn a_revoked_token_is_refused() {
    let stand = Stand::postgres().await;
    assert_eq!(stand.get("kauvery-doctor", "/api/patients").await.status, 200);
    let sql = format!(
        "insert into revoked_tokens (jti, user_id, expires_at) \
         values ('{}', 'kauvery-doctor', now() + interval '1 hour')",
        token_id("kauvery-doctor")
    );
    tests::sql::execute(&stand.ground.database, &sql).await;
    stand.until("kauvery-doctor", "/api/patients", (401, "token_revoked")).await;
    let mut other = claims("kauvery-doctor");
    other["jti"] = "another".into();
    let other = signed(Signing::EdDsa, &header(Signing::EdDsa), &other);
    assert_eq!(stand.send(&Request::get("/api/patients").token(&other)).await.status, 200);
}

#[tokio::test]
async fn head_is_judged_as_get_and_its_denial_has_no_body() {
    let stand = Stand::sqlite().await;
    let head = |user: &str, target: &str| Request::new("HEAD", target).token(&token(user));
    let allowed = stand.send(&head("kauvery-doctor", "/api/patients")).await;
    assert_eq!(allowed.status, 200);
    let denied = stand.send(&head("kauvery-coder", "/api/patients")).await;
    assert_eq!((denied.status, denied.body.len()), (403, 0));
    let record = stand.ground.journal.decision(denied.id()).await;
    assert_eq!(record["reason"], "outside_boundary");
    let seen = stand.ground.upstream.take();
    assert_eq!((seen.len(), seen[0].method()), (1, "HEAD"));
    let record = stand.ground.journal.decision(allowed.id()).await;
    assert_eq!(record["action"], "patients.list");
}
