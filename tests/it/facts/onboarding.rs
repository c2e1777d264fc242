//! A coder is hired, as the clinics' own guide tells it: one statement, one invitation, one
//! sign-in; and fired from a tool with the token still in her hand.

use serde_json::{Value, json};
use tests::{
    client::{Answer, Request},
    sql::execute,
    stand::Stand,
};

const PAYWALL_OFF: &str =
    "update organizations set features = features - 'codes' where slug = 'kauvery'";
const PAYWALL_ON: &str = r#"UPDATE organizations SET features = features || '{"codes": true}'::jsonb WHERE slug = 'kauvery';"#;
const SEARCH: &str = "/api/codes/icd10/search?q=fever";
const EMAIL: &str = "coder@kauvery.example";
const PASSWORD: &str = "her own secret";

#[tokio::test]
async fn a_coder_is_hired_and_loses_a_tool() {
    let stand = Stand::builder().postgres().backend().start().await;
    execute(&stand.ground.database, PAYWALL_OFF).await;
    stand.until("kauvery-coder", SEARCH, (403, "org_feature_disabled")).await;
    execute(&stand.ground.database, PAYWALL_ON).await;
    stand.until("kauvery-coder", SEARCH, (200, "")).await;

    let invitation = invite(&stand).await;
    let coder = accept_and_sign_in(&stand, &invitation).await;
    works_with_codes_and_nothing_else(&stand, &coder).await;
    loses_codes(&stand, &coder).await;
}

/// Gives the invitation's token.
async fn invite(stand: &Stand) -> String {
    let sent = json!({"email": EMAIL, "name": "Coder", "roles": ["OTHER"], "enabled_features": []});
    let made = admin(stand, "POST", "/api/admin/invitations", &sent).await;
    assert_eq!(made.status, 201, "{}", made.json());
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    // Features forgotten: the invitation is still pending, so it is edited, not sent again.
    let edit = json!({"name": "Coder One", "enabled_features": ["codes"]});
    let edited = admin(stand, "PATCH", &format!("/api/admin/invitations/{id}"), &edit).await;
    assert_eq!((edited.status, &edited.json()["enabled_features"]), (200, &json!(["codes"])));
    let raised = json!({"roles": ["PLATFORM_ADMIN"]});
    let raised = admin(stand, "PATCH", &format!("/api/admin/invitations/{id}"), &raised).await;
    assert_eq!((raised.status, raised.reason().as_str()), (403, "escalation"));
    made["token"].as_str().unwrap().to_owned()
}

async fn admin(stand: &Stand, method: &str, target: &str, body: &Value) -> Answer {
    stand.send_json("kauvery-admin", method, target, body).await
}

async fn post(stand: &Stand, target: &str, body: &Value) -> Answer {
    stand.send(&Request::new("POST", target).json(body.to_string())).await
}

/// Gives the coder's id and access token.
async fn accept_and_sign_in(stand: &Stand, invitation: &str) -> (String, String) {
    let accepted = json!({"token": invitation, "password": PASSWORD});
    let accepted = post(stand, "/api/auth/accept-invite", &accepted).await;
    assert_eq!(accepted.status, 201, "{}", accepted.json());
    let wrong = json!({"email": EMAIL, "password": "not her secret"});
    assert_eq!(post(stand, "/api/auth/login", &wrong).await.status, 401);
    let signed_in = json!({"email": EMAIL, "password": PASSWORD});
    let signed_in = post(stand, "/api/auth/login", &signed_in).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.json());
    let body = signed_in.json();
    assert_eq!(body["user"]["roles"], json!(["OTHER"]));
    let id = body["user"]["id"].as_str().unwrap().to_owned();
    let outcome = stand.ground.journal.outcome(signed_in.id()).await;
    assert_eq!((&outcome["event_type"], &outcome["user_id"]), (&json!("login"), &json!(id)));
    (id, body["access_token"].as_str().unwrap().to_owned())
}

async fn works_with_codes_and_nothing_else(stand: &Stand, coder: &(String, String)) {
    let get = |target: &str| Request::get(target).token(&coder.1);
    let found = stand.send(&get(SEARCH)).await;
    assert_eq!(found.status, 200, "{}", found.json());
    assert!(!found.json()["items"].as_array().unwrap().is_empty(), "fever is a code");
    let me = stand.send(&get("/api/users/me")).await;
    assert_eq!((me.status, &me.json()["email"]), (200, &json!(EMAIL)));
    for target in ["/api/patients", "/api/visit-notes", "/api/patients/patient-kauvery-1", "/admin"]
    {
        let answer = stand.send(&get(target)).await;
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (403, "outside_boundary"),
            "{target}"
        );
    }
    let extract = Request::new("POST", "/api/codes/extract").token(&coder.1);
    let extract =
        stand.send(&extract.json(json!({"text": "high fever and cough"}).to_string())).await;
    assert_eq!(extract.status, 200, "{}", extract.json());
    assert_eq!(stand.get("kauvery-doctor", "/api/patients").await.status, 200, "as before");
}

async fn loses_codes(stand: &Stand, coder: &(String, String)) {
    let target = format!("/api/admin/users/{}/features", coder.0);
    let taken = admin(stand, "PATCH", &target, &json!({"enabled_features": []})).await;
    assert_eq!(taken.status, 200, "{}", taken.json());
    let request = Request::get(SEARCH).token(&coder.1);
    let denied = tests::wait::eventually("the same token is refused", || async {
        let answer = stand.send(&request).await;
        (answer.status != 200).then_some(answer)
    });
    let denied = denied.await;
    assert_eq!((denied.status, denied.reason().as_str()), (403, "user_feature_disabled"));
    assert_eq!(denied.json()["detail"], r#"Feature "codes" is not enabled for this user"#);
}
