//! Whoever is admitted and then waits for the body is judged by what is true when the body has come:
//! the user, the policies and the keys may have been taken back meanwhile.

use std::fs;

use tests::{
    client::{Connection, Request},
    sql::execute,
    stand::Stand,
    tokens::{TRUSTED, token},
    wait::eventually,
};

const USER: &str = "kauvery-doctor";
const PATIENTS: &str = "/api/patients";
const BODY: &str = r#"{"name":"Ann"}"#;

/// What is taken back while a body is on its way, and what the request is then answered.
async fn take_back(what: &str, stand: &Stand) -> (u16, &'static str) {
    let policy = stand.ground.directory.path().join("policies/taken-back.cedar");
    let keys = stand.ground.directory.path().join("keys/jwks.json");
    match what {
        "the user" => {
            let sql = "update users set status = 'INACTIVE' where id = 'kauvery-doctor'";
            execute(&stand.ground.database, sql).await;
            (401, "user_inactive")
        }
        "the organisation" => {
            let sql = "update organizations set status = 'SUSPENDED' where id = 'org-kauvery'";
            execute(&stand.ground.database, sql).await;
            (401, "org_inactive")
        }
        "the policy" => {
            let text = "@id(\"taken-back\") @layer(\"role\") @reason(\"role_not_allowed\") @message(\"no\")\n\
                forbid (principal is User, action in [Action::\"patients.list\", Action::\"patients.create\"], resource)\n\
                when { principal.roles.contains(Role::\"DOCTOR\") };";
            fs::write(policy, text).unwrap();
            (403, "role_not_allowed")
        }
        _ => {
            let mut left = TRUSTED.key_set();
            left["keys"].as_array_mut().unwrap().remove(0);
            // In one step: half a set is none.
            fs::write(keys.with_extension("new"), left.to_string()).unwrap();
            fs::rename(keys.with_extension("new"), &keys).unwrap();
            (401, "token_key_unknown")
        }
    }
}

#[tokio::test]
async fn what_is_taken_back_while_the_body_comes_counts() {
    for what in ["the user", "the organisation", "the policy", "the key"] {
        // By the time to live alone nobody would know of it.
        let stand = Stand::builder().postgres().set("facts.ttl", "60s").start().await;
        let bearer = token(USER);
        let ask = Request::get(PATIENTS).token(&bearer);
        eventually("the gate hears of changes", || async {
            let ready = stand.ask_admin("/readyz").await.json();
            ready["checks"]["facts"]["warning"].is_null().then_some(())
        })
        .await;
        assert_eq!(stand.send(&ask).await.status, 200, "{what}");
        let mut slow = Connection::open(stand.proxy()).await;
        let head = format!(
            "POST {PATIENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\
             Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            BODY.len()
        );
        slow.write(head.as_bytes()).await;
        // It is admitted: the gate wants its body.
        assert_eq!(slow.read_interim().await.unwrap().status, 100, "{what}");
        let expected = take_back(what, &stand).await;
        eventually(&format!("{what} is taken back for others"), || async {
            let answer = stand.send(&ask).await;
            ((answer.status, &*answer.reason()) == expected).then_some(())
        })
        .await;
        let answer = slow.exchange(BODY.as_bytes(), false).await.unwrap();
        assert_eq!((answer.status, &*answer.reason()), expected, "{what} while the body comes");
        let posted = |request: &tests::upstream::Seen| request.method() == "POST";
        assert!(!stand.ground.upstream.take().iter().any(posted), "{what}: it went upstream");
    }
}
