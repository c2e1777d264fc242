//! Issuers with unusual configurations: algorithms, claims, names, and users for whom they may speak.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RsaEncoding,
};

use super::*;

/// A verifier with these entries, each with a file of one key. It remembers tokens.
struct Few {
    ed: Pair,
    verifier: Verifier,
    _dir: tempfile::TempDir,
}

impl Few {
    fn start(entries: Vec<Value>) -> Self {
        let ed = Pair::ed();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.json");
        std::fs::write(&file, json!({ "keys": [ed.jwk(Some("ed"))] }).to_string()).unwrap();
        let issuers: Vec<Issuer> = entries
            .into_iter()
            .map(|mut entry| {
                entry["jwks"] = file.to_str().unwrap().into();
                serde_json::from_value(entry).unwrap()
            })
            .collect();
        let keys = KeyStore::start(&issuers, &Supervisor::default()).unwrap();
        let metrics = Metrics::new("0", "0").unwrap();
        let verifier = Verifier::new(keys, Duration::from_secs(30), true, &metrics);
        Self { ed, verifier, _dir: dir }
    }

    fn verify(&self, changes: Value) -> Result<Arc<VerifiedToken>, Unidentified> {
        let text = token(&header(json!({})).to_string(), &claims(changes).to_string(), &self.ed);
        let first = self.verifier.verify(&text, NOW);
        // The remembered token gives the same result.
        let again = self.verifier.verify(&text, NOW);
        assert_eq!(
            first.as_ref().map(|it| it.subject.clone()),
            again.as_ref().map(|it| it.subject.clone())
        );
        again
    }

    #[track_caller]
    fn check(&self, changes: Value, expected: Result<&str, &str>) {
        let shown = changes.to_string();
        let found = self.verify(changes);
        let found = found.as_ref().map(|it| &*it.subject).map_err(Unidentified::reason);
        assert_eq!(found, expected, "{shown}");
    }
}

#[tokio::test]
async fn another_claim_may_take_the_place_of_aud() {
    let few = Few::start(vec![json!({
        "issuer": "cognito", "audience_claim": "client_id", "audiences": ["app-1", "app-2"],
        "speaks_for": {"claims": {"token_use": ["access"]}},
    })]);
    let access = |more: Value| {
        let mut claims =
            json!({"iss": "cognito", "aud": null, "client_id": "app-2", "token_use": "access"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    few.check(access(json!({})), Ok("user-1"));
    few.check(access(json!({"client_id": "app-3"})), Err("token_audience"));
    few.check(access(json!({"client_id": null})), Err("token_malformed"));
    few.check(access(json!({"client_id": 1})), Err("token_malformed"));
    // An identity token is for the same application, but must not give access to an API.
    few.check(access(json!({"aud": "app-1"})), Err("token_audience"));
    few.check(access(json!({"aud": "app-1", "client_id": null})), Err("token_audience"));
    few.check(access(json!({"token_use": "id"})), Err("token_issuer"));
}

#[tokio::test]
async fn a_template_takes_the_named_tenants_only() {
    let entra = "https://login.example/{tid}/v2.0";
    let iss = |tenant: &str| format!("https://login.example/{tenant}/v2.0");
    let of = |tenant: &str, tid: Value| json!({"iss": iss(tenant), "tid": tid});
    let some = Few::start(vec![json!({"issuer": entra, "issuer_values": ["acme", "beta"]})]);
    some.check(of("acme", json!("acme")), Ok("user-1"));
    some.check(of("beta", json!("beta")), Ok("user-1"));
    some.check(of("evil", json!("evil")), Err("token_issuer"));
    some.check(of("acme", json!("beta")), Err("token_issuer"));
    some.check(of("acme", json!("evil")), Err("token_issuer"));
    some.check(of("evil", json!("acme")), Err("token_issuer"));
    some.check(of("acme", json!(null)), Err("token_issuer"));
    some.check(of("acme", json!(["acme"])), Err("token_issuer"));
    some.check(of("{tid}", json!("{tid}")), Err("token_issuer"));
    let open = Few::start(vec![
        json!({"issuer": entra, "dangerous_any_issuer_value": true}),
        json!({"issuer": iss("acme"), "subject_claim": "oid"}),
    ]);
    open.check(of("evil", json!("evil")), Ok("user-1"));
    open.check(of("evil", json!("acme")), Err("token_issuer"));
    open.check(of("a/b", json!("a/b")), Err("token_issuer"));
    // The entry with the plain name takes precedence over the template, wherever it stands.
    open.check(of("acme", json!("acme")), Err("token_malformed"));
}

#[tokio::test]
async fn another_claim_may_name_the_person() {
    let few = Few::start(vec![json!({"issuer": "entra", "subject_claim": "oid"})]);
    let of = |oid: Value| json!({"iss": "entra", "sub": "pairwise", "oid": oid});
    few.check(of(json!("person-7")), Ok("person-7"));
    few.check(json!({"iss": "entra", "sub": null, "oid": "person-7"}), Ok("person-7"));
    for bad in [json!(null), json!(""), json!(7), json!(["person-7"]), json!("a\nb")] {
        few.check(of(bad), Err("token_malformed"));
    }
}

fn user(organization: Option<&str>, roles: &[&str]) -> UserFacts {
    UserFacts {
        id: "beta-doctor".into(),
        organization: organization.map(Arc::from),
        roles: roles.iter().map(|role| Arc::from(*role)).collect(),
        features: Vec::new(),
        status: "ACTIVE".into(),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    }
}

#[tokio::test]
async fn an_issuer_speaks_for_those_of_its_entry() {
    let few = Few::start(vec![
        json!({"issuer": "main"}),
        json!({"issuer": "partner", "speaks_for": {
            "users": ["beta-*"], "claims": {"hd": ["beta.example"]},
            "organizations": ["org-beta"], "never_roles": ["STAFF"],
        }}),
    ]);
    let partner = |sub: &str, hd: &str| json!({"iss": "partner", "sub": sub, "hd": hd});
    few.check(json!({"iss": "main", "sub": "anybody"}), Ok("anybody"));
    few.check(partner("alpha-doctor", "beta.example"), Err("token_issuer"));
    few.check(partner("beta-doctor", "alpha.example"), Err("token_issuer"));
    let Err(Unidentified::Overreach(it)) = few.verify(partner("boss", "beta.example")) else {
        panic!("it speaks for the boss");
    };
    assert_eq!((&*it.issuer, &*it.user, &*it.broken), ("partner", "boss", "users"));
    // The second time the token is remembered, with the same restrictions.
    let token = few.verify(partner("beta-doctor", "beta.example")).unwrap();
    for (organization, roles, expected) in [
        (Some("org-beta"), &["DOCTOR"][..], None),
        (Some("org-alpha"), &["DOCTOR"], Some("organizations")),
        (None, &["DOCTOR"], Some("organizations")),
        (Some("org-beta"), &["DOCTOR", "STAFF"], Some("never_roles")),
    ] {
        let broken = match token.may_be_about(&user(organization, roles)) {
            Ok(()) => None,
            Err(Unidentified::Overreach(it)) => Some(it.broken),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(broken.as_deref(), expected, "{organization:?} {roles:?}");
    }
}

/// Tokens of each algorithm that must be listed explicitly, with keys for it.
#[tokio::test]
async fn other_algorithms_are_accepted_where_they_are_listed() {
    let random = SystemRandom::new();
    let rsa = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let curve = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let rsa_jwk = |alg: &str| {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(rsa.public_key());
        // Java writes a leading zero.
        let n = encoded([vec![0], public.n].concat());
        json!({"kty": "RSA", "kid": "rsa", "alg": alg, "n": n, "e": encoded(public.e)})
    };
    let point = curve.public_key().as_ref();
    let (x, y) = (encoded(&point[1..49]), encoded(&point[49..]));
    let curve_jwk = json!({"kty": "EC", "crv": "P-384", "kid": "ec", "x": x, "y": y});
    let padded = |message: &str, padding: &'static dyn RsaEncoding| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(padding, &random, message.as_bytes(), &mut signature).unwrap();
        signature
    };
    let signature = |alg: &str, message: &str| match alg {
        "RS256" => padded(message, &RSA_PKCS1_SHA256),
        "RS384" => padded(message, &RSA_PKCS1_SHA384),
        "RS512" => padded(message, &RSA_PKCS1_SHA512),
        "PS256" => padded(message, &RSA_PSS_SHA256),
        _ => curve.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
    };
    let all = ["RS256", "RS384", "RS512", "PS256", "ES384"];
    for listed in all {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.json");
        let jwk = if listed == "ES384" { curve_jwk.clone() } else { rsa_jwk(listed) };
        std::fs::write(&file, json!({ "keys": [jwk] }).to_string()).unwrap();
        let algorithms = vec![Algorithm::from_name(listed).unwrap()];
        let entry = issuer("main", algorithms, JwksSource::File(file));
        let keys = KeyStore::start(&[entry], &Supervisor::default()).unwrap();
        let metrics = Metrics::new("0", "0").unwrap();
        let verifier = Verifier::new(keys, Duration::ZERO, false, &metrics);
        for alg in all {
            let kid = if alg == "ES384" { "ec" } else { "rsa" };
            let head = encoded(json!({"alg": alg, "kid": kid}).to_string());
            let signed = format!("{head}.{}", encoded(claims(json!({})).to_string()));
            let text = format!("{signed}.{}", encoded(signature(alg, &signed)));
            let found = verifier.verify(&text, NOW).map(|_| ()).map_err(|doubt| doubt.reason());
            let expected = if alg == listed { Ok(()) } else { Err("token_algorithm") };
            assert_eq!(found, expected, "{alg} where {listed} is listed");
        }
    }
}
