//! Which keys of a set are used, and the messages about the others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::config::Algorithm::{ES256, EdDSA, RS256, RS384, RS512};
use crate::config::{IssuerName, JwksSource};

/// Real public keys, whose private halves are lost.
const ED: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const OTHER_ED: &str = "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik";
const EC: (&str, &str) =
    ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
const ISS: &str = "https://auth.example";
const ENTRA: &str = "https://login.example/{tid}/v2.0";

fn ed(more: Value) -> Value {
    with(json!({"kty": "OKP", "crv": "Ed25519", "x": ED}), more)
}

fn ec(more: Value) -> Value {
    with(json!({"kty": "EC", "crv": "P-256", "x": EC.0, "y": EC.1}), more)
}

/// The base point of P-384.
fn ec384(more: Value) -> Value {
    let x = "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3";
    let y = "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f";
    with(json!({"kty": "EC", "crv": "P-384", "x": x, "y": y}), more)
}

/// An RSA key with a modulus of these bytes.
fn rsa(modulus: &[u8], more: Value) -> Value {
    with(json!({"kty": "RSA", "n": encoded(modulus), "e": "AQAB"}), more)
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ones(bytes: usize) -> Vec<u8> {
    vec![0xff; bytes]
}

fn with(mut key: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no object") };
    key.as_object_mut().unwrap().extend(more);
    key
}

fn only(set: &KeySet) -> &Key {
    set.named.values().flatten().chain(&set.nameless).next().unwrap()
}

fn issuer(name: &str, algorithms: &[Algorithm]) -> Issuer {
    let usual = Issuer::usual(name, JwksSource::File("keys.json".into())).unwrap();
    Issuer { algorithms: algorithms.to_vec(), ..usual }
}

fn parse_for(keys: &[Value], issuer: &Issuer) -> Result<KeySet, String> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), issuer)
}

fn parse(keys: &[Value]) -> Result<KeySet, String> {
    parse_for(keys, &issuer(ISS, &Algorithm::ALL))
}

fn parse_text(text: &[u8]) -> Result<KeySet, String> {
    KeySet::parse(text, &issuer(ISS, &Algorithm::ALL))
}

fn found(set: &KeySet, kid: &str, algorithm: Algorithm) -> &'static str {
    match set.named(kid, algorithm, ISS) {
        Named::Key(_) => "key",
        Named::OtherAlgorithm => "other",
        Named::None => "none",
    }
}

#[test]
fn each_key_has_one_algorithm() {
    for (key, expected) in [
        (ed(json!({})), Algorithm::EdDSA),
        (ed(json!({"alg": "EdDSA", "use": "sig", "key_ops": ["verify"]})), Algorithm::EdDSA),
        (ed(json!({"alg": "Ed25519", "key_ops": ["sign", "verify", "x-own"]})), Algorithm::EdDSA),
        (ed(json!({"alg": null, "use": null, "key_ops": null, "kid": null})), Algorithm::EdDSA),
        (ec(json!({})), Algorithm::ES256),
        (ec(json!({"x5c": "no list", "x5t": 5, "unknown": {"a": [1]}})), Algorithm::ES256),
        (ec384(json!({"alg": "ES384"})), Algorithm::ES384),
        (rsa(&ones(256), json!({"alg": "RS256"})), Algorithm::RS256),
        (rsa(&ones(256), json!({"alg": "RS384"})), Algorithm::RS384),
        (rsa(&ones(256), json!({"alg": "RS512"})), Algorithm::RS512),
        (rsa(&ones(256), json!({"alg": "PS256"})), Algorithm::PS256),
        (rsa(&ones(512), json!({})), Algorithm::RS256),
    ] {
        let set = parse(std::slice::from_ref(&key)).unwrap();
        assert_eq!(only(&set).algorithm, expected, "{key}");
        assert_eq!(set.passed_over, [], "{key}");
    }
}

/// Unusable keys, each with a part of the message about it.
fn passed_over() -> Vec<(Value, &'static str)> {
    let mut even = ones(256);
    even[255] = 0xfe;
    let mut short = ones(256);
    short[0] = 0x7f;
    vec![
        (json!("text"), "no JSON object"),
        (json!({}), "no `kty`"),
        (json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}), "`kty` is `oct`"),
        (ed(json!({"use": "enc"})), "`use` is `enc`"),
        (ed(json!({"use": ["sig"]})), "`use` is no text"),
        (ed(json!({"key_ops": ["encrypt"]})), "do not hold `verify`"),
        (ed(json!({"key_ops": []})), "do not hold `verify`"),
        (ed(json!({"key_ops": "verify"})), "`key_ops` is no list"),
        (ed(json!({"use": "sig", "key_ops": ["sign"]})), "do not hold `verify`"),
        (ed(json!({"alg": "ES256"})), "do not fit"),
        (ed(json!({"alg": "HS256"})), "`alg` is `HS256`"),
        (ed(json!({"alg": "Ed448"})), "`alg` is `Ed448`"),
        (ed(json!({"crv": "X25519"})), "`crv` is `X25519`"),
        (ed(json!({"crv": "Ed448"})), "`crv` is `Ed448`"),
        (ed(json!({"x": "AAAA"})), "no public key of Ed25519"),
        (ed(json!({"x": format!("{ED}=")})), "`x` is not base64url"),
        (ed(json!({"kid": 1})), "`kid` is no text"),
        (ed(json!({"d": ED})), "private key"),
        (ec(json!({"crv": "P-384"})), "no point"),
        (ec(json!({"crv": "secp256k1"})), "`crv` is `secp256k1`"),
        (ec(json!({"y": EC.0})), "no point"),
        (ec(json!({"x": "AA", "y": "AA"})), "no point"),
        (ec(json!({"x": encoded(&ones(33))})), "`x` is too long"),
        (ec(json!({"alg": "ES384"})), "do not fit"),
        (rsa(&ones(255), json!({})), "2040 bits"),
        (rsa(&short, json!({})), "2047 bits"),
        (rsa(&ones(128), json!({})), "1024 bits"),
        (rsa(&ones(1025), json!({})), "8200 bits"),
        (rsa(&even, json!({})), "no public key of RSA"),
        (rsa(&[], json!({})), "0 bits"),
        (rsa(&ones(256), json!({"e": "AQ"})), "no public key of RSA"),
        (rsa(&ones(256), json!({"e": "Ag"})), "no public key of RSA"),
        (rsa(&ones(256), json!({"e": ""})), "no public key of RSA"),
        (rsa(&ones(256), json!({"e": encoded(&ones(9))})), "no public key of RSA"),
        (rsa(&ones(256), json!({"alg": "RSA-OAEP"})), "`alg` is `RSA-OAEP`"),
        (ed(json!({"issuer": "https://other.example"})), "for the issuer"),
    ]
}

#[test]
fn what_cannot_be_used_is_left_out_and_told() {
    for (key, told) in passed_over() {
        let alone = parse(std::slice::from_ref(&key)).unwrap_err();
        assert!(alone.contains(told), "{key}: {alone}");
        let good = ed(json!({"kid": "good", "x": OTHER_ED}));
        let set = parse(&[key.clone(), good]).unwrap();
        assert_eq!(set.named.len() + set.nameless.len(), 1, "{key}");
        let [one] = set.passed_over.as_slice() else { panic!("{key}: {:?}", set.passed_over) };
        assert!(one.to_string().contains(told), "{key}: {one}");
    }
}

#[test]
fn what_the_issuer_does_not_list_is_left_out() {
    let eddsa = issuer(ISS, &[Algorithm::EdDSA]);
    let told = parse_for(&[ec(json!({}))], &eddsa).unwrap_err();
    assert!(told.contains("none of its issuer's `algorithms` fits"), "{told}");
    let told = parse_for(&[ec(json!({"alg": "ES256"}))], &eddsa).unwrap_err();
    assert!(told.contains("do not list `ES256`"), "{told}");
    // Without `alg`: the only algorithm that fits, or RS256; otherwise the key is refused.
    let key = rsa(&ones(256), json!({}));
    for (listed, expected) in [
        (&[Algorithm::RS384][..], Some(Algorithm::RS384)),
        (&[Algorithm::PS256, Algorithm::EdDSA], Some(Algorithm::PS256)),
        (&[Algorithm::RS256, Algorithm::PS256], Some(Algorithm::RS256)),
        (&[Algorithm::RS384, Algorithm::PS256], None),
    ] {
        let set = parse_for(std::slice::from_ref(&key), &issuer(ISS, listed));
        assert_eq!(set.ok().map(|set| only(&set).algorithm), expected, "{listed:?}");
    }
}

#[test]
fn zeros_before_a_number_are_no_part_of_it() {
    for key in [
        rsa(&[vec![0], ones(256)].concat(), json!({})),
        rsa(&[vec![0; 3], ones(256)].concat(), json!({"e": "AAEAAQ"})),
        ec(json!({"x": encoded(&[vec![0], URL_SAFE_NO_PAD.decode(EC.0).unwrap()].concat())})),
    ] {
        let set = parse(&[key.clone(), rsa(&ones(256), json!({})), ec(json!({}))]).unwrap();
        // The key is equal to one of the other two.
        assert_eq!(set.nameless.len(), 2, "{key}");
    }
}

#[test]
fn a_set_without_sense_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[]}"#,
        r#"{"keys":[],"keys":[]}"#,
        "{\"keys\":[",
    ] {
        assert!(parse_text(text.as_bytes()).is_err(), "{text}");
    }
    let set = json!({ "keys": [ed(json!({}))] }).to_string();
    for (before, told) in [
        (&b"\xef\xbb\xbf"[..], "byte order mark"),
        (&b"\xff\xfe"[..], "UTF-16"),
        (&b"\xfe\xff"[..], "UTF-16"),
    ] {
        let told_of = parse_text(&[before, set.as_bytes()].concat()).unwrap_err();
        assert!(told_of.contains(told), "{told_of}");
    }
    assert!(parse_text(format!("{set}{set}").as_bytes()).is_err());
}

#[test]
fn a_fault_of_one_key_is_none_of_the_set() {
    let good = ed(json!({"kid": "good"})).to_string();
    for odd in [
        r#"{"kty":"OKP","crv":"Ed25519","x":"AA","x":"AB","kid":"odd"}"#,
        r#"{"kty":"EC","kid":"odd","note":"cut \ud83d"}"#,
        r#"{"kty":"EC","kid":"odd","weight":1e400}"#,
        &format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200)),
        "null",
        "[]",
        "17",
    ] {
        let text = format!(r#"{{"note":{{"a":1}},"keys":[{odd},{good}],"more":[1e999]}}"#);
        let set = parse_text(text.as_bytes()).unwrap_or_else(|error| panic!("{odd}: {error}"));
        assert_eq!(found(&set, "good", Algorithm::EdDSA), "key", "{odd}");
        assert_eq!(found(&set, "odd", Algorithm::EdDSA), "none", "{odd}");
        assert_eq!(set.passed_over.len(), 1, "{odd}");
    }
}

#[test]
fn a_key_is_chosen_by_name_and_algorithm() {
    let a = |key: Value| with(key, json!({"kid": "a"}));
    let second = ed(json!({"kid": "a", "x": OTHER_ED}));
    let triple = |alg: &str| rsa(&ones(256), json!({"kid": "a", "alg": alg}));
    let (ed, ec) = (a(ed(json!({}))), a(ec(json!({}))));

    for (keys, expected) in [
        (vec![ed.clone(), ec.clone()], vec![(EdDSA, "key"), (ES256, "key"), (RS256, "other")]),
        (vec![ed.clone(), ed.clone()], vec![(EdDSA, "key"), (ES256, "other")]),
        (vec![ed.clone(), second.clone(), ec.clone()], vec![(EdDSA, "none"), (ES256, "key")]),
        (
            vec![triple("RS256"), triple("RS384"), triple("RS512")],
            vec![(RS256, "key"), (RS384, "key"), (RS512, "key"), (ES256, "other")],
        ),
    ] {
        let set = parse(&keys).unwrap();
        for (algorithm, expected) in expected {
            assert_eq!(found(&set, "a", algorithm), expected, "{keys:?} {algorithm}");
        }
        assert_eq!(found(&set, "b", EdDSA), "none");
    }
    let told = parse(&[ed.clone(), second.clone()]).unwrap_err();
    assert!(told.contains("key `a`: there are several for `EdDSA`"), "{told}");
    let set = parse(&[ed, second, ec]).unwrap();
    assert_eq!(set.passed_over.len(), 1);
}

#[test]
fn a_key_without_a_name_is_found_when_alone() {
    let named = |kid: &str| with(ec(json!({})), json!({ "kid": kid }));
    let set = parse(&[ed(json!({"kid": "a"})), ec(json!({})), named("b")]).unwrap();
    assert!(set.only(Algorithm::EdDSA, ISS).is_some());
    assert!(set.only(Algorithm::ES256, ISS).is_some(), "the same key twice is one");
    assert!(set.only(Algorithm::RS256, ISS).is_none());
    let set = parse(&[ed(json!({"kid": "a"})), ed(json!({"x": OTHER_ED}))]).unwrap();
    assert!(set.only(Algorithm::EdDSA, ISS).is_none());
    assert!(parse(&[ed(json!({})), ed(json!({"x": OTHER_ED}))]).is_err(), "none can be chosen");
}

#[test]
fn a_key_signs_for_the_issuer_that_the_set_names() {
    let tenants =
        Issuer { issuer: IssuerName::parse(ENTRA).unwrap(), ..issuer(ISS, &[Algorithm::EdDSA]) };
    let key = |kid: &str, issuer: &str| ed(json!({"kid": kid, "issuer": issuer}));
    let set = parse_for(
        &[
            key("all", "https://login.example/{tenantid}/v2.0"),
            key("one", "https://login.example/consumers/v2.0"),
            key("elsewhere", "https://sts.example/{tenantid}/"),
        ],
        &tenants,
    )
    .unwrap();
    let serves =
        |kid: &str, iss: &str| matches!(set.named(kid, Algorithm::EdDSA, iss), Named::Key(_));
    for tenant in ["consumers", "acme"] {
        let iss = format!("https://login.example/{tenant}/v2.0");
        assert!(serves("all", &iss));
        assert_eq!(serves("one", &iss), tenant == "consumers", "{tenant}");
        assert!(!serves("elsewhere", &iss));
    }
    assert_eq!(set.passed_over.len(), 1);
}
