//! Valid tokens of every kind, and the places that carry a token. Invalid tokens are
//! in `tests/refusals.rs`.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base::supervise::Supervisor;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;
use crate::config::{Algorithm, Issuer, JwksSource};

mod issuers;
mod refusals;

const NOW: f64 = 1_700_000_000.0;

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A private key and its public half.
enum Pair {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    fn ed() -> Self {
        Self::Ed(Ed25519KeyPair::generate().unwrap())
    }

    fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap())
    }

    fn sign(&self, message: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
            Self::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
        }
    }

    fn jwk(&self, kid: Option<&str>) -> Value {
        let mut jwk = match self {
            Self::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())})
            }
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
            }
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encoded(public.n), "e": encoded(public.e)})
            }
        };
        if let Some(kid) = kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }
}

/// A verifier with keys from files.
struct Stand {
    ed: Pair,
    ec: Pair,
    rsa: Pair,
    verifier: Verifier,
    _dir: tempfile::TempDir,
}

fn issuer(name: &str, algorithms: Vec<Algorithm>, jwks: JwksSource) -> Issuer {
    let audiences = vec!["cedargate".to_owned(), "other".to_owned()];
    Issuer { audiences, algorithms, ..Issuer::usual(name, jwks).unwrap() }
}

impl Stand {
    /// `main` accepts every algorithm, `second` only `EdDSA`, `far` has no keys yet.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ed, ec, rsa) = (Pair::ed(), Pair::ec(), Pair::rsa());
        let (main, second) = (dir.path().join("main.json"), dir.path().join("second.json"));
        let keys = [
            ed.jwk(Some("ed")),
            ec.jwk(Some("ec")),
            rsa.jwk(Some("rsa")),
            Pair::ec().jwk(Some("ec2")),
        ];
        std::fs::write(&main, json!({ "keys": keys }).to_string()).unwrap();
        std::fs::write(&second, json!({ "keys": [ed.jwk(None), ec.jwk(None)] }).to_string())
            .unwrap();
        let issuers = [
            issuer("main", Algorithm::ALL.to_vec(), JwksSource::File(main)),
            issuer("second", vec![Algorithm::EdDSA], JwksSource::File(second)),
            issuer(
                "far",
                Algorithm::ALL.to_vec(),
                JwksSource::Url("http://127.0.0.1:1/".to_owned()),
            ),
        ];
        let keys = KeyStore::start(&issuers, &Supervisor::default()).unwrap();
        let metrics = Metrics::new("0", "0").unwrap();
        let verifier = Verifier::new(keys, Duration::from_secs(30), true, &metrics);
        Self { ed, ec, rsa, verifier, _dir: dir }
    }

    fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, Unidentified> {
        self.verifier.verify(token, NOW)
    }

    fn pair(&self, kind: &str) -> &Pair {
        match kind {
            "ec" => &self.ec,
            "rsa" => &self.rsa,
            _ => &self.ed,
        }
    }
}

/// Valid claims with some members replaced; members that are null are removed.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "main", "aud": "cedargate", "sub": "user-1",
        "iat": NOW - 10.0, "exp": NOW + 600.0, "jti": "token-1",
    });
    merge(&mut claims, changes);
    claims
}

fn header(changes: Value) -> Value {
    let mut header = json!({"alg": "EdDSA", "typ": "JWT", "kid": "ed"});
    merge(&mut header, changes);
    header
}

fn merge(into: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else { panic!("no object") };
    for (name, value) in changes {
        into[&name] = value;
    }
    into.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

/// A token with exactly these texts.
fn token(header: &str, payload: &str, pair: &Pair) -> String {
    let signed = format!("{}.{}", encoded(header), encoded(payload));
    let signature = encoded(pair.sign(&signed));
    format!("{signed}.{signature}")
}

fn good(pair: &Pair) -> String {
    token(&header(json!({})).to_string(), &claims(json!({})).to_string(), pair)
}

#[tokio::test]
async fn a_good_token_says_who() {
    let stand = Stand::start();
    let verified = stand.verify(&good(&stand.ed)).unwrap();
    assert_eq!((&*verified.subject, verified.jti.as_deref()), ("user-1", Some("token-1")));
    assert_eq!((verified.issued_at, verified.not_before), (Some(NOW - 10.0), None));
}

#[tokio::test]
async fn tokens_of_every_legal_form_are_good() {
    let stand = Stand::start();
    for (key, head, body) in [
        ("ec", json!({"alg": "ES256", "kid": "ec"}), json!({})),
        ("rsa", json!({"alg": "RS256", "kid": "rsa"}), json!({})),
        ("rsa", json!({"alg": "RS256", "kid": null}), json!({})),
        ("ed", json!({"kid": null}), json!({"iss": "second"})),
        ("ed", json!({"typ": null}), json!({})),
        ("ed", json!({"typ": "at+JWT"}), json!({})),
        ("ed", json!({"typ": "application/at+jwt"}), json!({})),
        ("ed", json!({"typ": "Application/JWT"}), json!({})),
        ("ed", json!({"alg": "Ed25519"}), json!({})),
        ("ed", json!({"typ": "jwt"}), json!({})),
        ("ed", json!({"jku": "http://evil.example/", "x5u": 1, "jwk": {}, "x5c": []}), json!({})),
        ("ed", json!({}), json!({"aud": ["elsewhere", "other"]})),
        ("ed", json!({}), json!({"jti": null, "iat": null})),
        ("ed", json!({}), json!({"exp": NOW + 0.5, "nbf": NOW - 0.25})),
        ("ed", json!({}), json!({"exp": NOW - 29.5})),
        ("ed", json!({}), json!({"exp": 9_007_199_254_740_992_u64, "nbf": 0, "iat": 0})),
        ("ed", json!({}), json!({"nbf": NOW + 29.5, "iat": NOW + 29.5})),
        ("ed", json!({}), json!({"roles": ["PLATFORM_ADMIN"], "nested": {"a": [1]}})),
        ("ed", json!({}), json!({"jti": "x".repeat(256)})),
    ] {
        let text = token(&header(head).to_string(), &claims(body).to_string(), stand.pair(key));
        if let Err(doubt) = stand.verify(&text) {
            panic!("{doubt}: {text}");
        }
    }
}

#[tokio::test]
async fn times_are_looked_at_each_time() {
    let stand = Stand::start();
    let text = good(&stand.ed);
    let first = stand.verify(&text).unwrap();
    let again = stand.verify(&text).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the second one is remembered");
    let at = |now| stand.verifier.verify(&text, now).map(|_| ());
    assert_eq!(at(NOW + 629.0), Ok(()));
    assert_eq!(at(NOW + 630.0), Err(Unidentified::Expired));
    assert_eq!(at(NOW - 40.0), Ok(()));
    assert_eq!(at(NOW - 41.0), Err(Unidentified::NotYetValid));
}

#[test]
fn the_token_after_bearer() {
    for (header, expected) in [
        (Some("Bearer a.b.c"), Ok("a.b.c")),
        (Some("bEARER  a.b.c "), Ok("a.b.c")),
        (None, Err("token_missing")),
        (Some(""), Err("token_missing")),
        (Some("Basic dTpw"), Err("token_missing")),
        (Some("DPoP a.b.c"), Err("token_missing")),
        (Some("Bearers a.b.c"), Err("token_missing")),
        (Some("a.b.c"), Err("token_missing")),
        (Some("Bearer"), Err("token_malformed")),
        (Some("Bearer "), Err("token_malformed")),
        (Some("Bearer, a.b.c"), Err("token_malformed")),
        (Some("Bearer a.b.c, Bearer d.e.f"), Err("token_malformed")),
        (Some("Bearer a.b.c,d.e.f"), Err("token_malformed")),
        (Some("Bearer a.b.c d.e.f"), Err("token_malformed")),
        (Some("Bearer token=\"a\""), Err("token_malformed")),
        (Some("Bearer\ta.b.c"), Err("token_malformed")),
        (Some("Bearer \ta.b.c"), Err("token_malformed")),
        (Some("Bearer a.b.c\t"), Err("token_malformed")),
        (Some("Bearer\u{b}a.b.c"), Err("token_missing")),
        (Some("Bearer é"), Err("token_malformed")),
    ] {
        let found = bearer(header.map(str::as_bytes)).map_err(|doubt| doubt.reason());
        assert_eq!(found, expected, "{header:?}");
    }
}

#[test]
fn the_token_in_a_cookie() {
    for (headers, expected) in [
        (&[][..], Ok(None)),
        (&["a=b; session=t.o.k; c=d"], Ok(Some("t.o.k"))),
        (&["a=b", "session=t.o.k"], Ok(Some("t.o.k"))),
        (&["Session=x; xsession=y; session"], Ok(None)),
        (&["session=; a=b"], Ok(Some(""))),
        (&["session=\"t.o.k\"; a=b"], Ok(Some("t.o.k"))),
        (&["session=\"\""], Ok(Some(""))),
        (&["session=\""], Ok(Some("\""))),
        (&["session=\"t.o.k"], Ok(Some("\"t.o.k"))),
        (&["session=\"\"t.o.k\"\""], Ok(Some("\"t.o.k\""))),
        (&["session=\"\"; session=t.o.k"], Err(CookieTwice)),
        (&["session=a=b"], Ok(Some("a=b"))),
        (&["session=a; session=a"], Err(CookieTwice)),
        (&["session=a", "b=c; session=d"], Err(CookieTwice)),
    ] {
        let found = cookie_token(headers.iter().map(|it| it.as_bytes()), "session");
        assert_eq!(found, expected, "{headers:?}");
    }
    assert_eq!(cookie_token([b"session=\xff".as_slice()].into_iter(), "session"), Ok(Some("?")));
}
