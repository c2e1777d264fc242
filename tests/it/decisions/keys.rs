//! Keys from a URL, and the signal that reads policies again.

use std::time::Instant;

use serde_json::{Value, json};
use tests::{
    client::{self, Request},
    key_server::{fetched_from, serve},
    stand::Stand,
    tokens::{FOREIGN, Signing, TRUSTED, claims, header, signed},
    upstream::Upstream,
    wait::eventually,
};

const PATH: &str = "/api/patients";

async fn ask(stand: &Stand, signing: Signing) -> (u16, String) {
    let token = signed(signing, &header(signing), &claims("kauvery-doctor"));
    let answer = stand.send(&Request::get(PATH).token(&token)).await;
    (answer.status, answer.reason())
}

async fn until(stand: &Stand, signing: Signing, status: u16) {
    eventually(&format!("{signing:?} is answered {status}"), || async {
        (ask(stand, signing).await.0 == status).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_is_down_stops_neither_the_start_nor_what_was_known() {
    let mut provider = Upstream::start();
    serve(&provider, &TRUSTED.key_set());
    provider.stop().await;
    let stand = fetched_from(&provider).start().await;
    assert_eq!(ask(&stand, Signing::EdDsa).await, (503, "keys_unavailable".to_owned()));
    assert!(stand.ground.upstream.take().is_empty());
    provider.start_again();
    until(&stand, Signing::EdDsa, 200).await;
    provider.stop().await;
    assert_eq!(ask(&stand, Signing::EdDsa).await.0, 200, "the last good set stays");
    assert_eq!(ask(&stand, Signing::Es256).await.0, 200);
}

#[tokio::test]
async fn an_unknown_key_makes_the_gate_look_again_and_not_too_often() {
    let provider = Upstream::start();
    let mut fewer = TRUSTED.key_set();
    fewer["keys"].as_array_mut().unwrap().retain(|key| key["kid"] != "es-1");
    serve(&provider, &fewer);
    let stand = fetched_from(&provider).start().await;
    until(&stand, Signing::EdDsa, 200).await;
    let begun = Instant::now();
    for _ in 0..50 {
        let answer = ask(&stand, Signing::Es256).await;
        assert_eq!(answer, (401, "token_key_unknown".to_owned()));
    }
    // One at the start, one at once, and one every two seconds.
    let most = 3 + begun.elapsed().as_secs() / 2;
    let fetches = provider.requests().len() as u64;
    assert!(fetches <= most, "{fetches} fetches");
    serve(&provider, &TRUSTED.key_set());
    until(&stand, Signing::Es256, 200).await;
}

#[tokio::test]
async fn sighup_reads_the_policies_again_and_ends_nothing() {
    let ground = Stand::builder().prepare().await;
    let mut gate = ground.serve().await;
    gate.hang_up().await;
    let log = ground.directory.path().join("stderr.log");
    eventually("the log says so", || async {
        std::fs::read_to_string(&log).unwrap().contains("SIGHUP").then_some(())
    })
    .await;
    assert!(gate.is_running());
    assert_eq!(client::send(gate.proxy(), &Request::get("/healthz")).await.status, 200);
}

/// A remembered token holds as long as the key that signed it is the one that its issuer names, whatever else
/// of the set changes; not one moment longer.
#[tokio::test]
async fn a_remembered_token_goes_with_its_key() {
    let stand = Stand::sqlite().await;
    let file = stand.ground.directory.path().join("keys/jwks.json");
    let write = |keys: Vec<Value>| {
        // In one step: half a set is none.
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, json!({ "keys": keys }).to_string()).unwrap();
        std::fs::rename(&fresh, &file).unwrap();
    };
    let key = |set: &tests::tokens::Keys, kid: &str, name: &str| {
        let set = set.key_set();
        let found = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid);
        let mut found = found.unwrap().clone();
        found["kid"] = name.into();
        found
    };
    let (ours, others) = (|kid| key(&TRUSTED, kid, kid), |kid, name| key(&FOREIGN, kid, name));
    // The same ones each time: others would not be remembered.
    let [rs, ed] = [Signing::Rs256, Signing::EdDsa]
        .map(|it| signed(it, &header(it), &claims("kauvery-doctor")));
    let ask = async |token: &str| {
        let answer = stand.send(&Request::get(PATH).token(token)).await;
        (answer.status, answer.reason())
    };
    let until = async |token: &str, status: u16| {
        let answered = async || (ask(token).await.0 == status).then_some(());
        eventually(&format!("a token is answered {status}"), answered).await;
    };
    for token in [&rs, &ed] {
        assert_eq!(ask(token).await.0, 200);
    }
    // One key goes and others come, one of them in its name: seen once EdDSA is refused.
    write(vec![ours("rs-1"), others("rs-1", "rs-2"), others("ed-1", "ed-1")]);
    until(&ed, 401).await;
    assert_eq!(ask(&ed).await.1, "token_signature");
    assert_eq!(ask(&rs).await.0, 200);
    // The name of a key is not the key.
    write(vec![ours("ed-1"), key(&TRUSTED, "rs-1", "rs-2"), others("rs-1", "rs-1")]);
    until(&ed, 200).await;
    assert_eq!(ask(&rs).await, (401, "token_signature".to_owned()));
    write(vec![ours("ed-1"), ours("rs-1")]);
    until(&rs, 200).await;
}
