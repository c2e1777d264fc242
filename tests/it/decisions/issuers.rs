//! Several issuers, and for whom each of them may speak.

use serde_json::{Value, json};
use tests::{
    binary,
    client::Request,
    sql::execute,
    stand::{Builder, Stand},
    tokens::{AUDIENCE, FOREIGN, ISSUER, Signing, claims, header, raw, token},
};

const PARTNER: &str = "https://partner.example";
const PATH: &str = "/api/patients";

fn main_entry() -> Value {
    json!({"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": "keys/jwks.json"})
}

/// A partner has keys of its own, and tokens for an audience of its own.
fn partner_entry(issuer: &str, speaks_for: &Value) -> Value {
    json!({"issuer": issuer, "audiences": ["partner"], "jwks": "partner/jwks.json",
        "speaks_for": speaks_for})
}

fn partners_token(issuer: &str, user: &str) -> String {
    let mut claims = claims(user);
    claims["iss"] = issuer.into();
    claims["aud"] = "partner".into();
    claims["hd"] = "beta.example".into();
    let header = header(Signing::EdDsa).to_string();
    raw(&FOREIGN, Signing::EdDsa, header, claims.to_string())
}

/// A stand whose gate remembers tokens and decisions, or nothing.
fn stand_of(remembering: bool) -> Builder {
    if remembering { Stand::builder() } else { Stand::builder().forgetting() }
}

async fn start(remembering: bool, partners: Vec<Value>) -> Stand {
    let issuers: Vec<Value> = [main_entry()].into_iter().chain(partners).collect();
    let ground = stand_of(remembering).set("jwt.issuers", issuers).prepare().await;
    FOREIGN.write(&ground.directory.path().join("partner"));
    ground.start().await
}

/// What restricts the partner, a user, and the restriction that forbids it to speak for that user.
fn cases() -> Vec<(Value, &'static str, Option<&'static str>)> {
    vec![
        (json!({"users": ["beta-*"]}), "beta-nurse", None),
        (json!({"users": ["beta-*"]}), "platform-admin", Some("users")),
        (json!({"users": ["*-nurse", "beta-*"]}), "alpha-doctor", Some("users")),
        (json!({"claims": {"hd": ["beta.example"]}}), "beta-nurse", None),
        (json!({"claims": {"hd": ["alpha.example"]}}), "beta-nurse", Some("claims.hd")),
        (json!({"claims": {"absent": ["x"]}}), "beta-nurse", Some("claims.absent")),
        (json!({"organizations": ["org-beta"]}), "beta-nurse", None),
        (json!({"organizations": ["org-beta"]}), "alpha-doctor", Some("organizations")),
        (json!({"organizations": ["org-beta"]}), "platform-admin", Some("organizations")),
        (json!({"organizations": ["org-beta", ""]}), "platform-admin", None),
        (json!({"never_roles": ["PLATFORM_ADMIN"]}), "beta-nurse", None),
        (json!({"never_roles": ["PLATFORM_ADMIN"]}), "platform-admin", Some("never_roles")),
        // A super admin holds that role too.
        (json!({"never_roles": ["PLATFORM_ADMIN"]}), "super-admin", Some("never_roles")),
        (json!({"never_roles": ["NURSE"]}), "kauvery-mixed", Some("never_roles")),
    ]
}

#[tokio::test]
async fn an_issuer_speaks_for_nobody_but_those_of_its_entry() {
    let cases = cases();
    let name = |index: usize| format!("{PARTNER}/{index}");
    for remembering in [true, false] {
        let partners =
            cases.iter().enumerate().map(|(index, case)| partner_entry(&name(index), &case.0));
        let stand = start(remembering, partners.collect()).await;
        for (index, (speaks_for, user, forbidden)) in cases.iter().enumerate() {
            let what = format!("{speaks_for} {user} remembering: {remembering}");
            check(&stand, &name(index), user, *forbidden, &what).await;
        }
    }
}

async fn check(stand: &Stand, issuer: &str, user: &str, forbidden: Option<&str>, what: &str) {
    let request = Request::get(PATH).token(&partners_token(issuer, user));
    // The decision about this user is remembered, of a token by the other issuer.
    let own = stand.get(user, PATH).await;
    assert_ne!(own.status, 401, "{what}");
    let _forwarded = stand.ground.upstream.take();
    for round in ["first", "remembered"] {
        let answer = stand.send(&request).await;
        let (status, reason) = (answer.status, answer.reason());
        let Some(restriction) = forbidden else {
            assert_eq!((status, reason), (own.status, own.reason()), "{what} {round}");
            continue;
        };
        assert_eq!((status, reason.as_str()), (401, "token_issuer"), "{what} {round}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("partner") && !text.contains("speaks_for"), "{text}");
        let record = stand.ground.journal.decision(answer.id()).await;
        assert_eq!(record["user_id"], Value::Null, "{what}: nobody has asked");
        let details = json!({"token_issuer": issuer, "token_user": user,
            "restriction": format!("speaks_for.{restriction}")});
        assert_eq!(record["details"], details, "{what} {round}");
        assert!(stand.ground.upstream.take().is_empty(), "{what} {round}");
    }
}

#[tokio::test]
async fn a_user_that_changes_is_judged_anew() {
    let speaks_for = json!({"never_roles": ["PLATFORM_ADMIN"], "organizations": ["org-beta"]});
    let stand = start(true, vec![partner_entry(PARTNER, &speaks_for)]).await;
    let request = Request::get(PATH).token(&partners_token(PARTNER, "beta-nurse"));
    let ask = async || {
        let answer = stand.send(&request).await;
        (answer.status, answer.reason())
    };
    assert_eq!(ask().await.0, 200);
    let until = async |status: u16| {
        tests::wait::eventually("the change holds", || async {
            (ask().await.0 == status).then_some(())
        })
        .await;
    };
    for (there, back) in [
        (
            "update users set is_super_admin = true where id = 'beta-nurse'",
            "update users set is_super_admin = false where id = 'beta-nurse'",
        ),
        (
            "update users set organization_id = 'org-alpha' where id = 'beta-nurse'",
            "update users set organization_id = 'org-beta' where id = 'beta-nurse'",
        ),
    ] {
        execute(&stand.ground.database, there).await;
        until(401).await;
        assert_eq!(ask().await.1, "token_issuer");
        execute(&stand.ground.database, back).await;
        until(200).await;
    }
}

/// A start refuses an issuer that must never stand for a role which the policies do not know: so does a reload.
#[tokio::test]
async fn a_reload_that_takes_away_a_role_that_an_issuer_must_not_have_is_refused() {
    let ground = Stand::builder()
        .set(
            "jwt.issuers",
            json!([main_entry(), partner_entry(PARTNER, &json!({"never_roles": ["SPARE"]}))]),
        )
        .prepare()
        .await;
    FOREIGN.write(&ground.directory.path().join("partner"));
    let schema = ground.directory.path().join("policies/schema.cedarschema");
    let without = std::fs::read_to_string(&schema).unwrap();
    let with = without.replacen("\"OTHER\"", "\"OTHER\", \"SPARE\"", 1);
    assert_ne!(with, without);
    std::fs::write(&schema, with).unwrap();
    let stand = ground.start().await;
    let said = async || stand.ask_admin("/status").await.json();
    let before = said().await["policy_digest"].clone();
    std::fs::write(&schema, without).unwrap();
    for way in ["/reload", "/reload?emergency=true"] {
        let answer = tests::client::send(stand.admin(), &Request::new("POST", way)).await;
        assert_eq!(answer.status, 422, "{way}");
        let answer = answer.json().to_string();
        assert!(answer.contains("must never stand for the role `SPARE`"), "{answer}");
    }
    assert_eq!(said().await["policy_digest"], before);
    // It can be started again: with the bundle that is in force, and the folder as it is.
    let stand = stand.stop().await.start().await;
    let said = stand.ask_admin("/status").await.json();
    assert_eq!((&said["policy_digest"], &said["policy_source"]), (&before, &json!("archive")));
}

#[tokio::test]
async fn check_warns_of_issuers_that_may_speak_for_everybody() {
    let ground = Stand::builder().prepare().await;
    let directory = ground.directory.path().to_owned();
    FOREIGN.write(&directory.join("partner"));
    let open = json!({"issuer": PARTNER, "audiences": ["partner"], "jwks": "partner/jwks.json"});
    let mut ground = ground;
    for (partner, status, told) in [
        (open, 0, Some("warning `https://partner.example` is one of 2 issuers")),
        (partner_entry(PARTNER, &json!({"users": ["beta-*"]})), 0, None),
        (
            partner_entry(PARTNER, &json!({"never_roles": ["PLATFROM_ADMIN"]})),
            1,
            Some("the role `PLATFROM_ADMIN`, which the policies' schema does not list"),
        ),
    ] {
        ground = ground.with("jwt.issuers", json!([main_entry(), partner]));
        let (found, output, _) = binary::run(&directory, &["check"]).await;
        assert_eq!(found, status, "{output}");
        match told {
            Some(told) => assert!(output.contains(told), "{output}"),
            None => assert!(!output.contains("warning"), "{output}"),
        }
    }
    // A restriction that restricts nobody stops the start.
    let (status, _, complaint) = binary::run(&directory, &["serve"]).await;
    assert!(status != 0 && complaint.contains("PLATFROM_ADMIN"), "{status} {complaint}");
}

#[tokio::test]
async fn a_cookie_with_quotes_or_nothing_in_it() {
    let stand = Stand::builder().set("jwt.cookie", "session").start().await;
    let good = token("kauvery-doctor");
    for (cookie, expected) in [
        (format!("a=b; session=\"{good}\""), (200, "")),
        (format!("session={good}"), (200, "")),
        ("session=".to_owned(), (401, "token_missing")),
        ("session=\"\"; a=b".to_owned(), (401, "token_missing")),
        ("session=\"".to_owned(), (401, "token_malformed")),
        (format!("session=\"{good}"), (401, "token_malformed")),
        (format!("session=\"\"; session={good}"), (400, "request_invalid")),
    ] {
        let answer = stand.send(&Request::get(PATH).header("Cookie", &cookie)).await;
        assert_eq!((answer.status, answer.reason().as_str()), expected, "{cookie}");
    }
}
