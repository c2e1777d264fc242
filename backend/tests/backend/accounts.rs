//! Signing in and out, invitations, and changes to accounts.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::common::{PASSWORD, Reply, World, claims, send};

async fn refresh(world: &World, token: &Value) -> Reply {
    world.post("/api/auth/refresh", json!({ "refresh_token": token })).await
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
}

async fn invite(world: &World, body: Value) -> Reply {
    world.tell("kauvery-admin", "org-kauvery", "POST /api/admin/invitations", body).await
}

#[tokio::test]
async fn a_sign_in_gives_a_token_that_its_key_set_verifies() {
    let world = World::start().await;
    let reply = world.login("kauvery-coder").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.audit_user.as_deref(), Some("kauvery-coder"));
    assert_eq!(reply.body["user"]["enabled_features"], json!(["codes"]));
    assert_eq!(reply.body["user"].get("password_hash"), None);

    let keys = send(world.request("GET", "/.well-known/jwks.json")).await.body;
    let key = DecodingKey::from_ed_components(keys["keys"][0]["x"].as_str().unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_issuer(&["https://auth.cedargate.example"]);
    rules.set_audience(&["cedargate"]);
    let token = reply.body["access_token"].as_str().unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules).unwrap();
    assert_eq!(claims.header.kid.as_deref(), Some("k1"));
    assert_eq!(claims.claims["sub"], "kauvery-coder");
    let (iat, exp) = (claims.claims["iat"].as_i64(), claims.claims["exp"].as_i64());
    assert_eq!(exp.unwrap() - iat.unwrap(), 900);
}

#[tokio::test]
async fn whoever_cannot_sign_in_is_not_told_why() {
    let world = World::start().await;
    let attempts = [
        ("kauvery-coder@cedargate.example", "not the password"),
        ("nobody@cedargate.example", PASSWORD),
        ("kauvery-left@cedargate.example", PASSWORD),
    ];
    let mut answers = Vec::new();
    for (email, password) in attempts {
        let body = json!({ "email": email, "password": password });
        let reply = world.post("/api/auth/login", body).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.audit_user, None);
        answers.push(reply.body);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_return_ends_the_family() {
    let world = World::start().await;
    let first = world.login("alpha-doctor").await.body;
    let second = refresh(&world, &first["refresh_token"]).await;
    assert_eq!((second.status, second.audit_user.as_deref()), (200, Some("alpha-doctor")));
    assert_ne!(second.body["refresh_token"], first["refresh_token"]);

    assert_eq!(refresh(&world, &first["refresh_token"]).await.status, 401);
    assert_eq!(refresh(&world, &second.body["refresh_token"]).await.status, 401);
    // Neither do the access tokens of that sign-in count any longer.
    let (_, of_second) = claims(&second.body["access_token"]);
    let sql = "select count(*) from revoked_tokens where jti = $1 and user_id = 'alpha-doctor'";
    let jti = of_second["jti"].as_str().unwrap();
    let revoked: i64 = sqlx::query_scalar(sql).bind(jti).fetch_one(&world.pool).await.unwrap();
    assert_eq!(revoked, 1);
}

#[tokio::test]
async fn of_many_who_refresh_at_once_at_most_one_succeeds() {
    let world = World::start().await;
    let token = world.login("alpha-doctor").await.body["refresh_token"].clone();
    let all =
        tokio::join!(refresh(&world, &token), refresh(&world, &token), refresh(&world, &token));
    let statuses = [all.0.status, all.1.status, all.2.status];
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 2, "{statuses:?}");
}

#[tokio::test]
async fn logging_out_ends_the_token_and_its_family_only() {
    let world = World::start().await;
    let (here, there) =
        (world.login("omni-nurse").await.body, world.login("omni-nurse").await.body);
    let (_, token) = claims(&here["access_token"]);
    let request = world.request("POST", "/api/auth/logout").header("x-auth-user-id", "omni-nurse");
    assert_eq!(send(request.try_clone().unwrap()).await.status, 400);
    let reply = send(request.header("x-auth-token-id", token["jti"].as_str().unwrap())).await;
    assert_eq!((reply.status, reply.audit_user.as_deref()), (204, Some("omni-nurse")));
    assert_eq!(count(&world, "select count(*) from revoked_tokens").await, 1);
    assert_eq!(refresh(&world, &here["refresh_token"]).await.status, 401);
    assert_eq!(refresh(&world, &there["refresh_token"]).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_ends_with_the_access_token_it_belongs_to() {
    let world = World::start().await;
    let session = world.login("beta-nurse").await.body;
    let (_, token) = claims(&session["access_token"]);
    let sql = "insert into revoked_tokens (jti, user_id, expires_at) values ($1, 'beta-nurse', '2099-01-01T00:00:00.000Z')";
    let jti = token["jti"].as_str().unwrap();
    sqlx::query(sql).bind(jti).execute(&world.pool).await.unwrap();
    assert_eq!(refresh(&world, &session["refresh_token"]).await.status, 401);
}

#[tokio::test]
async fn a_new_password_ends_what_was_issued_before_and_nothing_after() {
    let world = World::start().await;
    // Platform staff belong to no organisation and may do this too.
    let before = world.login("platform-admin").await.body;
    let body = json!({ "password": "another password", "name": "Staff" });
    let reply = world.tell("platform-admin", "", "PATCH /api/users/me", body).await;
    assert_eq!((reply.status, &reply.body["name"]), (200, &json!("Staff")), "{reply:?}");
    assert_eq!(refresh(&world, &before["refresh_token"]).await.status, 401);
    assert_eq!(world.login("platform-admin").await.status, 401);

    let sign_in =
        json!({ "email": "platform-admin@cedargate.example", "password": "another password" });
    let after = world.post("/api/auth/login", sign_in).await.body;
    let sql =
        "select strftime('%s', tokens_valid_after) + 0 from users where id = 'platform-admin'";
    let valid_after = count(&world, sql).await;
    let issued = |pair: &Value| claims(&pair["access_token"]).1["iat"].as_i64().unwrap();
    assert!(issued(&before) < valid_after && issued(&after) >= valid_after);
    assert_eq!(refresh(&world, &after["refresh_token"]).await.status, 200);
    let short = json!({ "password": "short" });
    assert_eq!(world.tell("platform-admin", "", "PATCH /api/users/me", short).await.status, 422);
}

#[tokio::test]
async fn an_invitation_becomes_an_account_once() {
    let world = World::start().await;
    let body = json!({ "email": "Coder@Kauvery.example", "name": "Coder One", "roles": ["OTHER"], "enabled_features": ["codes"] });
    let made = invite(&world, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body.get("token_hash"), None);
    let path = format!("PATCH /api/admin/invitations/{}", made.body["id"].as_str().unwrap());
    let edit = json!({ "enabled_features": [] });
    let edited = world.tell("kauvery-admin", "org-kauvery", &path, edit.clone()).await;
    assert_eq!((edited.status, &edited.body["enabled_features"]), (200, &json!([])));
    assert_eq!(edited.body.get("token"), None);

    let accept = json!({ "token": made.body["token"], "password": "her own password" });
    let accepted = world.post("/api/auth/accept-invite", accept.clone()).await;
    assert_eq!(accepted.status, 201, "{accepted:?}");
    assert_eq!(accepted.audit_user.as_deref(), accepted.body["user"]["id"].as_str());
    let user = &accepted.body["user"];
    assert_eq!((&user["roles"], &user["name"]), (&json!(["OTHER"]), &json!("Coder One")));
    assert_eq!(
        (&user["organization_id"], &user["email"]),
        (&json!("org-kauvery"), &json!("coder@kauvery.example"))
    );
    assert_eq!(world.post("/api/auth/accept-invite", accept).await.status, 404);
    assert_eq!(world.tell("kauvery-admin", "org-kauvery", &path, edit).await.status, 409);
    let sign_in = json!({ "email": "coder@kauvery.example", "password": "her own password" });
    assert_eq!(world.post("/api/auth/login", sign_in).await.status, 200);
}

#[tokio::test]
async fn an_account_that_exists_is_given_more_when_it_shows_its_own_password() {
    let world = World::start().await;
    let body = json!({ "email": "kauvery-receptionist@cedargate.example", "roles": ["BILLING"], "enabled_features": ["codes"] });
    let token = invite(&world, body).await.body["token"].clone();
    let accept = |password: &str| json!({ "token": token.clone(), "password": password });
    let stranger = world.post("/api/auth/accept-invite", accept("a guess by the inviter")).await;
    assert_eq!(stranger.status, 401);
    let own = world.post("/api/auth/accept-invite", accept(PASSWORD)).await;
    assert_eq!((own.status, own.audit_user.as_deref()), (200, Some("kauvery-receptionist")));
    assert_eq!(own.body["user"]["roles"], json!(["BILLING", "RECEPTIONIST"]));
    assert_eq!(own.body["user"]["enabled_features"], json!(["codes"]));

    let elsewhere = json!({ "email": "beta-nurse@cedargate.example", "roles": ["NURSE"] });
    let token = invite(&world, elsewhere).await.body["token"].clone();
    let accept = json!({ "token": token, "password": PASSWORD });
    assert_eq!(world.post("/api/auth/accept-invite", accept).await.status, 409);
    assert_eq!(
        count(&world, "select count(*) from invitations where status = 'ACCEPTED'").await,
        1
    );
}

#[tokio::test]
async fn an_approved_invitation_is_an_account_at_once() {
    let world = World::start().await;
    let body = json!({ "email": "at@once.example", "roles": ["OTHER"], "auto_approve": true, "password": "given to her" });
    let made = invite(&world, body).await;
    assert_eq!((made.status, &made.body["status"]), (201, &json!("ACCEPTED")), "{made:?}");
    assert_eq!(made.body.get("token"), None);
    let sign_in = json!({ "email": "at@once.example", "password": "given to her" });
    assert_eq!(world.post("/api/auth/login", sign_in).await.status, 200);
    // For somebody who has an account it grants, and leaves the password alone.
    let body = json!({ "email": "kauvery-coder@cedargate.example", "roles": ["BILLING"], "auto_approve": true, "password": "not hers to set" });
    assert_eq!(invite(&world, body).await.status, 201);
    assert_eq!(
        world.login("kauvery-coder").await.body["user"]["roles"],
        json!(["BILLING", "OTHER"])
    );
}

#[tokio::test]
async fn revoked_and_expired_invitations_open_nothing() {
    let world = World::start().await;
    let revoked = invite(&world, json!({ "email": "a@b.example", "roles": ["OTHER"] })).await.body;
    let path = format!("/api/admin/invitations/{}", revoked["id"].as_str().unwrap());
    assert_eq!(world.ask("kauvery-admin", "org-kauvery", "DELETE", &path).await.status, 204);
    assert_eq!(world.ask("kauvery-admin", "org-kauvery", "DELETE", &path).await.status, 409);
    let expired = invite(&world, json!({ "email": "c@d.example", "roles": ["OTHER"] })).await.body;
    let sql = "update invitations set expires_at = '2020-01-01T00:00:00.000Z' where id = $1";
    let id = expired["id"].as_str().unwrap();
    sqlx::query(sql).bind(id).execute(&world.pool).await.unwrap();
    for token in [&revoked["token"], &expired["token"]] {
        let body = json!({ "token": token, "password": "long enough" });
        assert_eq!(world.post("/api/auth/accept-invite", body).await.status, 404);
    }
}

#[tokio::test]
async fn an_account_that_is_locked_cannot_go_on() {
    let world = World::start().await;
    let session = world.login("kauvery-nurse").await.body;
    let line = "PATCH /api/admin/users/kauvery-nurse/status";
    let locked =
        world.tell("kauvery-admin", "org-kauvery", line, json!({ "status": "INACTIVE" })).await;
    assert_eq!((locked.status, &locked.body["status"]), (200, &json!("INACTIVE")));
    assert_eq!(refresh(&world, &session["refresh_token"]).await.status, 401);
    assert_eq!(world.login("kauvery-nurse").await.status, 401);
    let odd = world.tell("kauvery-admin", "org-kauvery", line, json!({ "status": "ASLEEP" })).await;
    assert_eq!(odd.status, 422);
}
