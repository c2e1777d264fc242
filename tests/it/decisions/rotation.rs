//! Issuers that begin to use a new key: the first token by it waits until the gate has the key.
//! Strangers, who can write any name of a key, make nobody else wait.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{
    client::{self, Request},
    key_server::{fetched_from, serve},
    stand::{Ground, Stand},
    tokens::{AUDIENCE, FOREIGN, ISSUER, Keys, Signing, TRUSTED, claims, header, raw, signed},
    upstream::{Behaviour, Upstream},
    wait::eventually,
};

const PATH: &str = "/api/patients";
/// How long a request waits for a key at the most.
const WAIT: Duration = Duration::from_millis(2500);

/// The keys of a set with these names.
fn some(keys: &Keys, names: &[&str]) -> Value {
    let mut set = keys.key_set();
    let wanted = |key: &Value| names.iter().any(|name| key["kid"] == *name);
    set["keys"].as_array_mut().unwrap().retain(wanted);
    set
}

fn token_by(signing: Signing, kid: Option<&str>) -> String {
    let mut header = header(signing);
    match kid {
        Some(kid) => header["kid"] = kid.into(),
        None => drop(header.as_object_mut().unwrap().remove("kid")),
    }
    signed(signing, &header, &claims("kauvery-doctor"))
}

async fn ask(stand: &Stand, token: &str) -> (u16, String) {
    let answer = stand.send(&Request::get(PATH).token(token)).await;
    (answer.status, answer.reason())
}

async fn until_good(stand: &Stand, token: &str) {
    let good = async || (ask(stand, token).await.0 == 200).then_some(());
    eventually("the keys are there", good).await;
}

/// All at once.
async fn ask_all(address: SocketAddr, tokens: Vec<String>) -> Vec<(u16, String)> {
    let ask = |token: String| async move {
        let answer = client::send(address, &Request::get(PATH).token(&token)).await;
        (answer.status, answer.reason())
    };
    let asking: Vec<_> = tokens.into_iter().map(|token| tokio::spawn(ask(token))).collect();
    let mut answers = Vec::new();
    for asked in asking {
        answers.push(asked.await.unwrap());
    }
    answers
}

fn unknown() -> (u16, String) {
    (401, "token_key_unknown".to_owned())
}

#[tokio::test]
async fn the_first_tokens_by_a_new_key_share_one_fetch() {
    let provider = Upstream::start();
    serve(&provider, &some(&TRUSTED, &["ed-1"]));
    let stand = fetched_from(&provider).start().await;
    until_good(&stand, &token_by(Signing::EdDsa, Some("ed-1"))).await;
    assert_eq!(provider.take().len(), 1);
    serve(&provider, &some(&TRUSTED, &["ed-1", "es-1"]));
    let token = token_by(Signing::Es256, Some("es-1"));
    let answers = ask_all(stand.proxy(), vec![token; 20]).await;
    assert!(answers.iter().all(|answer| answer.0 == 200), "{answers:?}");
    let fetches = provider.take();
    assert_eq!(fetches.len(), 1, "one fetch for all");
    let agent = format!("cedargate/{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(fetches[0].head.header("user-agent"), Some(&*agent));
    // The next one may not be fetched at once, and is waited for all the same; on a machine that is busy in vain.
    serve(&provider, &TRUSTED.key_set());
    let (begun, token) = (Instant::now(), token_by(Signing::Rs256, Some("rs-1")));
    let answer = ask(&stand, &token).await;
    assert!(answer.0 == 200 || begun.elapsed() >= WAIT, "{answer:?}");
    until_good(&stand, &token).await;
    assert_eq!(provider.take().len(), 1);
}

#[tokio::test]
async fn a_new_key_without_a_name_is_waited_for() {
    let nameless = |keys: &Keys| {
        let mut set = some(keys, &["ed-1"]);
        set["keys"][0].as_object_mut().unwrap().remove("kid");
        set
    };
    let provider = Upstream::start();
    serve(&provider, &nameless(&FOREIGN));
    let stand = fetched_from(&provider).start().await;
    let old = json!({"alg": "EdDSA"}).to_string();
    let old = raw(&FOREIGN, Signing::EdDsa, old, claims("kauvery-doctor").to_string());
    until_good(&stand, &old).await;
    serve(&provider, &nameless(&TRUSTED));
    assert_eq!(ask(&stand, &token_by(Signing::EdDsa, None)).await.0, 200);
    assert_eq!(ask(&stand, &old).await, (401, "token_signature".to_owned()));
}

#[tokio::test]
async fn strangers_make_nobody_wait_and_the_gate_not_fetch() {
    let provider = Upstream::start();
    serve(&provider, &some(&TRUSTED, &["ed-1"]));
    let stand = fetched_from(&provider).start().await;
    let good = token_by(Signing::EdDsa, Some("ed-1"));
    until_good(&stand, &good).await;
    let begun = Instant::now();
    let names: Vec<String> = (0..40).map(|number| format!("made-up-{number}")).collect();
    let tokens = names.iter().map(|name| token_by(Signing::EdDsa, Some(name)));
    let tokens: Vec<String> = tokens.collect();
    // A provider that never answers keeps those waiting who name unknown keys, for a while.
    provider.on("/jwks.json", Behaviour::Silence);
    let strangers = ask_all(stand.proxy(), tokens.clone());
    let honest = async {
        for _ in 0..5 {
            assert_eq!(ask(&stand, &good).await.0, 200);
        }
        Instant::now()
    };
    let (strange, honest) = tokio::join!(
        async {
            let answers = strangers.await;
            (answers, Instant::now())
        },
        honest
    );
    assert!(strange.0.iter().all(|answer| *answer == unknown()), "{:?}", strange.0);
    assert!(honest < strange.1, "who has a good token does not wait for strangers");
    // A name that was waited for in vain is not waited for again.
    let again = Instant::now();
    for token in &tokens {
        assert_eq!(ask(&stand, token).await, unknown());
    }
    let (first, second) = (strange.1 - begun, again.elapsed());
    assert!(second < WAIT * 20, "{first:?}, then {second:?}");
    let most = 2 + begun.elapsed().as_secs() / 2;
    assert!(provider.requests().len() as u64 <= most, "{} fetches", provider.requests().len());
}

#[tokio::test]
async fn a_replica_without_any_keys_is_not_ready() {
    let mut provider = Upstream::start();
    serve(&provider, &TRUSTED.key_set());
    provider.stop().await;
    let stand = fetched_from(&provider).start().await;
    let ready = stand.ask_admin("/readyz").await;
    let keys = ready.json()["checks"]["keys"].clone();
    assert_eq!((ready.status, &keys["ok"]), (503, &json!(false)), "{keys}");
    assert!(keys["error"].as_str().unwrap().contains(ISSUER), "{keys}");
    provider.start_again();
    let ready = async || {
        let ready = stand.ask_admin("/readyz").await;
        (ready.status == 200).then(|| ready.json()["checks"]["keys"].clone())
    };
    assert_eq!(eventually("it is ready", ready).await, json!({"ok": true}));
    provider.stop().await;
    assert_eq!(stand.ask_admin("/readyz").await.status, 200, "the last good ones are keys");
}

#[tokio::test]
async fn an_issuer_without_keys_beside_others_is_a_warning() {
    let mut provider = Upstream::start();
    provider.stop().await;
    let far = format!("http://{}/jwks.json", provider.address());
    let issuers = json!([
        {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks": "keys/jwks.json"},
        {"issuer": "https://far.example", "jwks": far},
    ]);
    let stand = Stand::builder().set("jwt.issuers", issuers).start().await;
    let ready = stand.ask_admin("/readyz").await;
    let keys = ready.json()["checks"]["keys"].clone();
    assert_eq!((ready.status, &keys["ok"]), (200, &json!(true)), "{keys}");
    assert!(keys["warning"].as_str().unwrap().contains("https://far.example"), "{keys}");
}

fn write(ground: &Ground, keys: &Value) {
    let file = ground.directory.path().join("keys/jwks.json");
    // In one step: half a set is none.
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, keys.to_string()).unwrap();
    std::fs::rename(&fresh, &file).unwrap();
}

#[tokio::test]
async fn a_new_key_in_a_file_is_there_for_its_first_token() {
    let ground = Stand::builder().prepare().await;
    write(&ground, &some(&TRUSTED, &["ed-1"]));
    let stand = ground.start().await;
    assert_eq!(ask(&stand, &token_by(Signing::EdDsa, Some("ed-1"))).await.0, 200);
    assert_eq!(ask(&stand, &token_by(Signing::Es256, Some("es-1"))).await, unknown());
    write(&stand.ground, &some(&TRUSTED, &["ed-1", "rs-1"]));
    assert_eq!(ask(&stand, &token_by(Signing::Rs256, Some("rs-1"))).await.0, 200);
    // Two keys share a name.
    let mut shared = TRUSTED.key_set();
    shared["keys"][2]["kid"] = "rs-1".into();
    write(&stand.ground, &shared);
    until_good(&stand, &token_by(Signing::Es256, Some("rs-1"))).await;
    assert_eq!(ask(&stand, &token_by(Signing::Rs256, Some("rs-1"))).await.0, 200);
}

#[tokio::test]
async fn a_key_that_is_passed_over_is_told_of_once() {
    let ground = Stand::builder().prepare().await;
    let mut keys = TRUSTED.key_set();
    let weak = json!({"kty": "RSA", "kid": "weak", "n": "_w", "e": "AQAB"});
    keys["keys"].as_array_mut().unwrap().push(weak);
    write(&ground, &keys);
    let gate = ground.serve().await;
    let log = || std::fs::read_to_string(ground.directory.path().join("stderr.log")).unwrap();
    for number in 1..=3 {
        keys["revision"] = number.into();
        write(&ground, &keys);
        eventually("the change is seen", || async {
            (log().matches("keys in force").count() == number).then_some(())
        })
        .await;
    }
    let told: Vec<String> =
        log().lines().filter(|line| line.contains("weak")).map(str::to_owned).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("8 bits; 2048 to 8192 are accepted"), "{told:?}");
    drop(gate);
}
