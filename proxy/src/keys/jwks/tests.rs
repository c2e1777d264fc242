//! Which keys of a set are used.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

/// Real public keys; their private halves are lost.
const ED: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const EC: (&str, &str) =
    ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");

fn ed(more: Value) -> Value {
    with(json!({"kty": "OKP", "crv": "Ed25519", "x": ED}), more)
}

fn ec(more: Value) -> Value {
    with(json!({"kty": "EC", "crv": "P-256", "x": EC.0, "y": EC.1}), more)
}

fn rsa(bytes: usize, more: Value) -> Value {
    let n = URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
    with(json!({"kty": "RSA", "n": n, "e": "AQAB"}), more)
}

fn with(mut key: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no object") };
    key.as_object_mut().unwrap().extend(more);
    key
}

fn only(set: &KeySet) -> &Key {
    set.named.values().chain(&set.nameless).next().unwrap()
}

fn parse(keys: &[Value]) -> Result<KeySet, String> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), &Algorithm::ALL)
}

#[test]
fn each_key_has_one_algorithm() {
    for (key, expected) in [
        (ed(json!({})), Algorithm::EdDSA),
        (ed(json!({"alg": "EdDSA", "use": "sig", "key_ops": ["verify"]})), Algorithm::EdDSA),
        (ec(json!({})), Algorithm::ES256),
        (ec(json!({"x5c": ["ignored"], "unknown": 1})), Algorithm::ES256),
        (rsa(256, json!({"alg": "RS256"})), Algorithm::RS256),
        (rsa(512, json!({})), Algorithm::RS256),
    ] {
        let set = parse(std::slice::from_ref(&key)).unwrap();
        assert_eq!(only(&set).algorithm, expected, "{key}");
    }
}

#[test]
fn what_cannot_be_used_is_left_out() {
    for key in [
        json!("text"),
        json!({}),
        json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
        ed(json!({"use": "enc"})),
        ed(json!({"alg": "ES256"})),
        ed(json!({"alg": "HS256"})),
        ed(json!({"crv": "X25519"})),
        ed(json!({"crv": "Ed448"})),
        ed(json!({"x": "AAAA"})),
        ed(json!({"x": format!("{ED}=")})),
        ed(json!({"kid": 1})),
        ed(json!({"d": ED})),
        ec(json!({"crv": "P-384"})),
        ec(json!({"crv": "secp256k1"})),
        ec(json!({"y": EC.0})),
        ec(json!({"x": "AA", "y": "AA"})),
        ec(json!({"alg": "ES384"})),
        rsa(255, json!({})),
        rsa(128, json!({})),
        rsa(256, json!({"alg": "PS256"})),
    ] {
        let alone = parse(std::slice::from_ref(&key));
        assert!(alone.is_err(), "{key}");
        let set = parse(&[key.clone(), ed(json!({"kid": "good"}))]).unwrap();
        assert_eq!(set.named.len() + set.nameless.len(), 1, "{key}");
    }
    let set = json!({ "keys": [ec(json!({}))] }).to_string();
    let foreign = KeySet::parse(set.as_bytes(), &[Algorithm::EdDSA]);
    assert!(foreign.is_err());
}

#[test]
fn a_set_without_sense_is_refused() {
    let twice = parse(&[ed(json!({"kid": "a"})), ec(json!({"kid": "a"}))]).unwrap_err();
    assert_eq!(twice, "two keys are named `a`");
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(KeySet::parse(text.as_bytes(), &Algorithm::ALL).is_err(), "{text}");
    }
}

#[test]
fn a_key_is_found_by_name_or_when_alone() {
    let set = parse(&[ed(json!({"kid": "a"})), ec(json!({})), ec(json!({"kid": "b"}))]).unwrap();
    assert_eq!(set.named("a").unwrap().algorithm, Algorithm::EdDSA);
    assert!(set.named("c").is_none());
    assert!(set.only(Algorithm::EdDSA).is_some());
    assert!(set.only(Algorithm::ES256).is_none());
    assert!(set.only(Algorithm::RS256).is_none());
}
