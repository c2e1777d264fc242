//! No statement reaches another tenant's rows.

use serde_json::json;

use crate::common::World;

/// One object of each type with a path of its own, and the methods that its path knows.
const OBJECTS: [(&str, &str, &str); 13] = [
    ("/api/patients/patient-", "-1", "GET PATCH DELETE"),
    ("/api/patients/patient-", "-1/insurance", "GET POST"),
    ("/api/visits/visit-", "-1", "GET"),
    ("/api/visit-notes/visit-note-", "-1", "GET PATCH"),
    ("/api/recordings/recording-", "-1", "GET"),
    ("/api/practitioners/practitioner-", "-1", "PATCH"),
    ("/api/insurance/patient-insurance-", "-1", "PATCH DELETE"),
    ("/api/authorizations/authorization-", "-1", "GET PATCH"),
    ("/api/appointments/appointment-", "-1", "PATCH DELETE"),
    ("/api/codes/lists/code-list-", "-1", "GET PUT DELETE"),
    ("/api/calls/call-", "-1", "GET"),
    ("/api/service-codes/service-code-", "-1", "PATCH"),
    ("/api/sessions/session-", "-1", "GET PATCH"),
];

#[tokio::test]
async fn objects_are_there_in_their_tenant_and_nowhere_else() {
    let world = World::start().await;
    for (before, after, methods) in OBJECTS {
        let path = format!("{before}alpha{after}");
        for method in methods.split(' ') {
            let line = format!("{method} {path}");
            let foreign = world.tell("beta-nurse", "org-beta", &line, json!({})).await;
            assert_eq!(foreign.status, 404, "{line}");
            if matches!(method, "GET" | "PATCH" | "PUT") {
                let own = world.tell("alpha-doctor", "org-alpha", &line, json!({})).await;
                assert_eq!(own.status, 200, "{line} {own:?}");
            }
        }
    }
}

#[tokio::test]
async fn lists_hold_the_tenants_rows_only() {
    let world = World::start().await;
    for path in [
        "/api/patients",
        "/api/visits",
        "/api/visit-notes",
        "/api/practitioners",
        "/api/authorizations",
        "/api/authorizations/expiring",
        "/api/appointments",
        "/api/calls",
        "/api/codes/lists",
        "/api/admin/invitations",
        "/api/admin/users",
        "/api/workflows/patient_questions/patients",
    ] {
        let reply = world.ask("beta-admin", "org-beta", "GET", path).await;
        let items = reply.body["items"].as_array().unwrap();
        assert!(!items.is_empty(), "{path}");
        assert!(items.iter().all(|item| item["organization_id"] == "org-beta"), "{path}");
        assert_eq!(world.ask("beta-admin", "", "GET", path).await.status, 400, "{path}");
    }
}

#[tokio::test]
async fn no_row_can_point_into_another_tenant() {
    let world = World::start().await;
    for (line, body) in [
        ("POST /api/visits", json!({ "patient_id": "patient-alpha-1" })),
        ("POST /api/visit-notes", json!({ "visit_id": "visit-alpha-1", "content": "x" })),
        ("POST /api/sessions/start", json!({ "patient_id": "patient-alpha-1" })),
        ("POST /api/sessions/start", json!({ "appointment_id": "appointment-alpha-1" })),
        (
            "PATCH /api/appointments/appointment-beta-1",
            json!({ "practitioner_id": "practitioner-alpha-1" }),
        ),
        (
            "PATCH /api/authorizations/authorization-beta-1",
            json!({ "service_code_id": "service-code-alpha-1" }),
        ),
        (
            "PATCH /api/appointments/appointment-beta-1",
            json!({ "service_code_id": "service-code-alpha-1" }),
        ),
    ] {
        let reply = world.tell("beta-nurse", "org-beta", line, body).await;
        assert_eq!(reply.status, 422, "{line} {reply:?}");
    }
    // Its own and the platform's are fine.
    for code in ["service-code-beta-1", "97151"] {
        let body = json!({ "service_code_id": code });
        let line = "PATCH /api/authorizations/authorization-beta-1";
        assert_eq!(world.tell("beta-admin", "org-beta", line, body).await.status, 200, "{code}");
    }
}

#[tokio::test]
async fn a_body_cannot_move_a_row_to_another_tenant() {
    let world = World::start().await;
    let body = json!({ "organization_id": "org-beta", "id": "mine", "reason": "moved" });
    let line = "PATCH /api/practitioners/practitioner-alpha-1";
    let reply = world.tell("alpha-admin", "org-alpha", line, body.clone()).await;
    assert_eq!((reply.status, &reply.body["organization_id"]), (200, &json!("org-alpha")));
    let line = "PATCH /api/patients/patient-alpha-1";
    let reply = world.tell("alpha-admin", "org-alpha", line, body).await;
    assert_eq!(reply.body["organization_id"], "org-alpha");
    assert_eq!(reply.body["id"], "patient-alpha-1");
}

#[tokio::test]
async fn an_organization_is_its_own_tenant() {
    let world = World::start().await;
    let read = |tenant: &'static str| {
        world.ask("alpha-admin", tenant, "GET", "/api/organizations/org-alpha")
    };
    assert_eq!(read("org-alpha").await.body["slug"], "demo_clinic_alpha");
    assert_eq!(read("org-beta").await.status, 404);
    let line = "PATCH /api/admin/users/beta-coder/roles";
    let foreign = world.tell("alpha-admin", "org-alpha", line, json!({ "roles": ["OTHER"] })).await;
    assert_eq!(foreign.status, 404);
}
