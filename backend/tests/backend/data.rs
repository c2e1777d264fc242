//! What the resources do, and what the database's constraints make of mistakes.

use std::path::Path;

use backend::{Backend, BackendError, demo};
use serde_json::{Value, json};

use crate::common::{World, config, send};

fn codes_of(items: &Value) -> Vec<&str> {
    items["items"].as_array().unwrap().iter().map(|item| item["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn fever_is_found() {
    let world = World::start().await;
    let search =
        async |path: &str| world.ask("kauvery-coder", "org-kauvery", "GET", path).await.body;
    let fevers = search("/api/codes/icd10/search?q=FEVER").await;
    assert!(codes_of(&fevers).contains(&"R50.9"));
    assert_eq!(codes_of(&search("/api/codes/icd10/search?q=dengue%20fever").await), ["A90", "A91"]);
    assert_eq!(codes_of(&search("/api/codes/icd10/search?q=r50.9").await), ["R50.9"]);
    assert!(codes_of(&search("/api/codes/icd10/search?q=%25_").await).is_empty());
    assert!(codes_of(&search("/api/codes/snomed/search?q=fever").await).contains(&"386661006"));
    let walk = search("/api/codes/crosswalk?system=icd10&code=R50.9&target=snomed").await;
    assert_eq!(walk["items"][0]["to_code"], "386661006");
    let back = search("/api/codes/crosswalk?system=snomed&code=61462000").await;
    assert_eq!(back["items"][0]["relation"], "narrower");
    let text = json!({ "text": "Discharged after dengue fever, still with some cough." });
    let found =
        world.tell("kauvery-coder", "org-kauvery", "POST /api/codes/extract", text).await.body;
    assert_eq!(found["items"][0]["code"], "A90");
}

#[tokio::test]
async fn favorites_and_lists_come_and_go() {
    let world = World::start().await;
    let (who, tenant) = ("kauvery-doctor", "org-kauvery");
    let body = json!({ "system": "icd10", "code": "A90" });
    let made = world.tell(who, tenant, "POST /api/codes/favorites", body.clone()).await;
    assert_eq!((made.status, &made.body["display"]), (201, &json!("Dengue fever")));
    assert_eq!(world.tell(who, tenant, "POST /api/codes/favorites", body).await.status, 409);
    let path = format!("/api/codes/favorites/{}", made.body["id"].as_str().unwrap());
    assert_eq!(world.ask(who, tenant, "DELETE", &path).await.status, 204);
    assert_eq!(world.ask(who, tenant, "DELETE", &path).await.status, 404);

    let items =
        json!([{ "system": "icd10", "code": "A90" }, { "system": "loinc", "code": "718-7" }]);
    let body = json!({ "name": "Mine", "items": items });
    let list = world.tell(who, tenant, "POST /api/codes/lists", body).await;
    assert_eq!(list.status, 201, "{list:?}");
    let path = format!("/api/codes/lists/{}", list.body["id"].as_str().unwrap());
    let fewer = json!({ "name": "Ours", "items": [{ "system": "icd10", "code": "A91" }] });
    let put = world.tell(who, tenant, &format!("PUT {path}"), fewer).await;
    assert_eq!((put.status, &put.body["name"]), (200, &json!("Ours")), "{put:?}");
    let read = world.ask(who, tenant, "GET", &path).await;
    assert_eq!(codes_of(&read.body), ["A91"]);
    assert_eq!(world.ask(who, tenant, "DELETE", &path).await.status, 204);
}

#[tokio::test]
async fn patients_keep_what_their_workflow_asks_flat() {
    let world = World::start().await;
    let line = "POST /api/workflows/prior_auth/patients";
    let missing = world.tell("alpha-doctor", "org-alpha", line, json!({})).await;
    assert_eq!(missing.status, 422);
    let body = json!({
        "patient_name": "Ravi", "date_of_birth": "1990-02-01", "insurance_member_id": "M1",
        "insurance_company_name": "Example", "insurance_phone": "+15555550100", "organization_id": "org-alpha",
    });
    let made = world.tell("alpha-doctor", "org-alpha", line, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(
        (&made.body["patient_name"], &made.body["workflow"]),
        (&json!("Ravi"), &json!("prior_auth"))
    );
    let id = made.body["id"].as_str().unwrap();
    let patch = json!({ "prior_auth_status": "Approved", "phone": "+1" });
    let patched =
        world.tell("alpha-doctor", "org-alpha", &format!("PATCH /api/patients/{id}"), patch).await;
    assert_eq!(
        (&patched.body["prior_auth_status"], &patched.body["patient_name"]),
        (&json!("Approved"), &json!("Ravi"))
    );
    let call = format!("POST /api/workflows/prior_auth/patients/{id}/calls");
    let called = world.tell("alpha-doctor", "org-alpha", &call, json!({})).await;
    assert_eq!((called.status, &called.body["phone_number"]), (201, &json!("+15555550100")));
    let call = format!("POST /api/workflows/patient_questions/patients/{id}/calls");
    assert_eq!(world.tell("alpha-doctor", "org-alpha", &call, json!({})).await.status, 404);
    // The chart is kept, but nobody sees it any more.
    let chart = format!("/api/patients/{id}");
    assert_eq!(world.ask("alpha-admin", "org-alpha", "DELETE", &chart).await.status, 204);
    assert_eq!(world.ask("alpha-admin", "org-alpha", "GET", &chart).await.status, 404);
}

#[tokio::test]
async fn sessions_run_from_start_to_note() {
    let world = World::start().await;
    let tell =
        async |line: &str, body: Value| world.tell("omni-doctor", "org-omni", line, body).await;
    let from = json!({ "appointment_id": "appointment-omni-1" });
    let started = tell("POST /api/sessions/start", from).await;
    assert_eq!(
        (started.status, &started.body["patient_id"]),
        (201, &json!("patient-omni-1")),
        "{started:?}"
    );
    let path = format!("/api/sessions/{}", started.body["id"].as_str().unwrap());
    assert_eq!(tell(&format!("GET {path}/note"), json!({})).await.status, 404);
    let event = json!({ "event_type": "TANTRUM", "data": { "seconds": 40 } });
    assert_eq!(tell(&format!("POST {path}/events"), event).await.status, 201);
    assert_eq!(tell(&format!("POST {path}/complete"), json!({})).await.body["status"], "COMPLETED");
    assert_eq!(tell(&format!("POST {path}/complete"), json!({})).await.status, 409);
    let note = tell(&format!("POST {path}/generate-note"), json!({})).await;
    assert_eq!(note.status, 201, "{note:?}");
    assert!(note.body["content"].as_str().unwrap().contains("TANTRUM"));
    let edited = tell(&format!("PATCH {path}/note"), json!({ "content": "Mine." })).await;
    assert_eq!(
        (&edited.body["source"], &edited.body["content"]),
        (&json!("HUMAN"), &json!("Mine."))
    );
    assert_eq!(tell(&format!("POST {path}/generate-note"), json!({})).await.status, 409);
}

#[tokio::test]
async fn mistakes_are_the_clients_and_are_told_apart() {
    let world = World::start().await;
    for (line, body, status) in [
        (
            "POST /api/patients",
            json!({ "first_name": "A", "last_name": "B", "medical_record_number": "MRN-0001" }),
            409,
        ),
        ("POST /api/patients", json!({}), 422),
        ("POST /api/patients", json!({ "first_name": 7, "last_name": "B" }), 422),
        (
            "POST /api/patients",
            json!({ "first_name": "A", "last_name": "B", "date_of_birth": "03/15/1985" }),
            422,
        ),
        (
            "POST /api/practitioners",
            json!({ "license_number": "LIC-0001", "first_name": "A", "last_name": "B" }),
            409,
        ),
        ("PATCH /api/authorizations/authorization-alpha-1", json!({ "used_units": 93 }), 422),
        ("PATCH /api/authorizations/authorization-alpha-1", json!({ "used_units": -1 }), 422),
        ("PATCH /api/authorizations/authorization-alpha-1", json!({ "used_units": 92 }), 200),
        ("PATCH /api/authorizations/authorization-alpha-1", json!({ "used_units": "many" }), 422),
        (
            "PATCH /api/appointments/appointment-alpha-1",
            json!({ "ends_at": "2020-01-01T00:00:00Z" }),
            422,
        ),
        ("POST /api/service-codes", json!({ "code": "LOCAL-1", "description": "again" }), 409),
        ("POST /api/codes/lists", json!({ "name": "x", "items": [7] }), 422),
        (
            "PATCH /api/organizations/org-alpha/features",
            json!({ "features": { "codes": "yes" } }),
            422,
        ),
        ("PATCH /api/organizations/org-alpha", json!({ "slug": "kauvery" }), 409),
        ("PATCH /api/organizations/org-alpha", json!({ "type": "BAKERY" }), 422),
        ("GET /api/patients?limit=many", json!({}), 400),
        ("GET /api/nowhere", json!({}), 404),
        ("DELETE /api/visits", json!({}), 405),
    ] {
        let reply = world.tell("alpha-admin", "org-alpha", line, body).await;
        assert_eq!(reply.status, status, "{line} {reply:?}");
        if status >= 400 {
            assert_eq!(reply.content_type, "application/problem+json", "{line}");
            assert_eq!(reply.body["status"], status, "{line}");
        }
    }
    for (body, status) in [("{", 400), ("[]", 400), ("{\"name\": \"\\ud800\"}", 400)] {
        let request =
            world.request("PATCH", "/api/users/me").header("x-auth-user-id", "alpha-admin");
        assert_eq!(send(request.body(body)).await.status, status, "{body}");
    }
    let request = world.request("POST", "/api/auth/login").body(vec![b' '; 1024 * 1024 + 1]);
    assert_eq!(send(request).await.status, 413);
}

#[tokio::test]
async fn features_are_merged_and_organizations_made() {
    let world = World::start().await;
    let line = "PATCH /api/organizations/org-omni/features";
    let body = json!({ "features": { "codes": true } });
    let reply = world.tell("platform-admin", "org-omni", line, body).await;
    assert_eq!(reply.body["features"], json!({ "ai_notes": true, "codes": true }));
    let body = json!({ "name": "North", "slug": "north", "type": "HOSPITAL", "group": "north" });
    let made = world.tell("platform-admin", "", "POST /api/organizations", body).await;
    assert_eq!(
        (made.status, &made.body["group"], &made.body["status"]),
        (201, &json!("north"), &json!("TRIAL")),
        "{made:?}"
    );
    let all = world.ask("platform-admin", "", "GET", "/api/organizations").await;
    assert_eq!(all.body["items"].as_array().unwrap().len(), 9);
    // One of the platform's codes, with no tenant named.
    let line = "PATCH /api/service-codes/97151";
    let reply = world.tell("platform-admin", "", line, json!({ "rate_cents": 2500 })).await;
    assert_eq!((reply.status, &reply.body["rate_cents"]), (200, &json!(2500)));
}

#[tokio::test]
async fn the_audit_is_read_in_pages_by_its_tenant() {
    let world = World::start().await;
    for n in 0..5 {
        let sql = "insert into audit_logs (id, phase, timestamp, event_type, action, tenant_id, decision, reason, success, roles) \
                   values ($1, 'intent', '2026-01-31T12:00:00.000Z', 'api_access', 'x', 'org-beta', 'allow', 'allowed', null, '[\"NURSE\"]'), \
                   ($1, 'outcome', '2026-01-31T12:00:00.000Z', 'api_access', 'x', 'org-beta', 'allow', 'allowed', 1, '[]')";
        sqlx::query(sql).bind(format!("id-{n}")).execute(&world.pool).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut path = "/api/audit?limit=3".to_owned();
    loop {
        let page = world.ask("beta-admin", "org-beta", "GET", &path).await.body;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| format!("{} {}", item["id"], item["phase"])));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/audit?limit=3&before={next}");
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
    assert_eq!(seen[0], "\"id-4\" \"outcome\"");
    let foreign = world.ask("alpha-admin", "org-alpha", "GET", "/api/audit").await;
    assert_eq!(foreign.body["items"], json!([]));
}

#[tokio::test]
async fn seeding_again_changes_nothing() {
    let world = World::start().await;
    let line = "PATCH /api/organizations/org-omni";
    world.tell("platform-admin", "org-omni", line, json!({ "name": "Renamed" })).await;
    demo::seed(&world.database, "another password").await.unwrap();
    let reply = world.ask("omni-doctor", "org-omni", "GET", "/api/organizations/org-omni").await;
    assert_eq!(reply.body["name"], "Renamed");
    assert_eq!(world.login("omni-doctor").await.status, 200);
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(Path::new(dir.path()), "sqlite::memory:");
    config.listen = "0.0.0.0:0".parse().unwrap();
    let refused = Backend::bind(config).await;
    assert!(matches!(refused, Err(BackendError::NotLoopback(_))));
}
