//! Tokens that must not be believed, each with the reasons that it may be refused for, and odd
//! ones that must.
//!
//! A token with several faults may be refused for any of them.

use serde_json::{Value, json};

use crate::tokens::{
    AUDIENCE, FOREIGN, ISSUER, Signing, TRUSTED, claims, encode, header, now, raw, signed, token,
};

/// Whose tokens they are.
pub const USER: &str = "kauvery-doctor";

/// What is sent as `Authorization`, and what it may be refused for.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is wrong with it.
    pub name: String,
    /// The header's value.
    pub authorization: String,
    /// The reasons, of which any will do.
    pub reasons: &'static [&'static str],
}

const MISSING: &[&str] = &["token_missing"];
const MALFORMED: &[&str] = &["token_malformed"];
const ALGORITHM: &[&str] = &["token_algorithm"];
const KEY: &[&str] = &["token_key_unknown"];
const SIGNATURE: &[&str] = &["token_signature"];
const EXPIRED: &[&str] = &["token_expired"];
const EARLY: &[&str] = &["token_not_yet_valid"];
const AUDIENCES: &[&str] = &["token_audience"];

fn bearer(name: &str, token: &str, reasons: &'static [&'static str]) -> Case {
    header_value(name, &format!("Bearer {token}"), reasons)
}

fn header_value(name: &str, value: &str, reasons: &'static [&'static str]) -> Case {
    Case { name: name.to_owned(), authorization: value.to_owned(), reasons }
}

/// Every bad one.
#[must_use]
pub fn bad() -> Vec<Case> {
    let parts = [schemes(), shapes(), headers(), algorithms(), keys(), signatures()];
    let claims = [times(), issuers_and_audiences(), subjects(), members()];
    parts.into_iter().chain(claims).flatten().collect()
}

/// Other schemes, and none or several tokens.
fn schemes() -> Vec<Case> {
    let good = token(USER);
    vec![
        header_value("Basic", "Basic a2F1dmVyeTpkb2N0b3I=", MISSING),
        header_value("another scheme with a good token", &format!("Token {good}"), MISSING),
        header_value("a longer scheme", &format!("BearerX {good}"), MISSING),
        header_value("a good token and no scheme", &good, MISSING),
        header_value("Negotiate", "Negotiate", MISSING),
        header_value("Bearer and nothing", "Bearer", MALFORMED),
        header_value("a tab before the token", &format!("Bearer\t{good}"), MALFORMED),
        header_value("a space, a tab and the token", &format!("Bearer \t{good}"), MALFORMED),
        bearer("two tokens", &format!("{good} {good}"), MALFORMED),
        bearer("two tokens and a comma", &format!("{good}, {good}"), MALFORMED),
        bearer("two tokens joined", &format!("{good},{good}"), MALFORMED),
        bearer("two whole values joined", &format!("{good}, Bearer {good}"), MALFORMED),
        bearer("a token in quotes", &format!("\"{good}\""), MALFORMED),
    ]
}

/// What is no three parts of base64url.
fn shapes() -> Vec<Case> {
    let good = token(USER);
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let filler = Value::from("x".repeat(16 * 1024));
    let mut long = claims(USER);
    long["filler"] = filler;
    vec![
        bearer("a word", "abc", MALFORMED),
        bearer("two parts", &format!("{head}.{body}"), MALFORMED),
        bearer("four parts", &format!("{good}.{signature}"), MALFORMED),
        bearer("five parts, as in a JWE", "a.b.c.d.e", MALFORMED),
        bearer("only dots", "..", MALFORMED),
        bearer("a dot before", &format!(".{good}"), MALFORMED),
        bearer("a padded header", &format!("{head}=.{body}.{signature}"), MALFORMED),
        bearer("a padded signature", &format!("{good}=="), MALFORMED),
        bearer("a padded payload", &format!("{head}.{body}=.{signature}"), MALFORMED),
        bearer("the other base64", &format!("{head}.{body}.ab+/{}", &signature[4..]), MALFORMED),
        bearer("escapes", &format!("{head}%2E{body}.{signature}"), MALFORMED),
        bearer("over 16 KiB", &signed(Signing::EdDsa, &header(Signing::EdDsa), &long), MALFORMED),
    ]
}

fn with_header(name: &str, header: impl AsRef<[u8]>, reasons: &'static [&'static str]) -> Case {
    let claims = claims(USER).to_string();
    bearer(name, &raw(&TRUSTED, Signing::EdDsa, header, claims), reasons)
}

/// Headers that are none, or say what is not understood.
fn headers() -> Vec<Case> {
    const NO_ALGORITHM: &[&str] = &["token_malformed", "token_algorithm"];
    let plus = |name: &str, value: Value| {
        let mut header = header(Signing::EdDsa);
        header[name] = value;
        header.to_string()
    };
    vec![
        with_header("a header that is no JSON", "{alg:EdDSA}", MALFORMED),
        with_header("a header that is an array", "[]", MALFORMED),
        with_header("a header that is null", "null", MALFORMED),
        with_header("an empty header", "", MALFORMED),
        with_header("a header with a tail", plus("kid", json!("ed-1")) + "{}", MALFORMED),
        with_header("a byte order mark", format!("\u{feff}{}", header(Signing::EdDsa)), MALFORMED),
        with_header("no algorithm", r#"{"typ":"JWT","kid":"ed-1"}"#, NO_ALGORITHM),
        with_header("an algorithm that is a list", plus("alg", json!(["EdDSA"])), NO_ALGORITHM),
        with_header("two algorithms", r#"{"alg":"none","alg":"EdDSA","kid":"ed-1"}"#, MALFORMED),
        with_header("two keys", r#"{"alg":"EdDSA","kid":"rs-1","kid":"ed-1"}"#, MALFORMED),
        with_header(
            "two keys, one of them escaped",
            r#"{"alg":"EdDSA","kid":"ed-2","k\u0069d":"ed-1"}"#,
            MALFORMED,
        ),
        with_header("crit", plus("crit", json!(["exp"])), MALFORMED),
        with_header("crit and b64", plus("crit", json!(["b64"])), MALFORMED),
        with_header("b64 false", plus("b64", json!(false)), MALFORMED),
        with_header("b64 true", plus("b64", json!(true)), MALFORMED),
        with_header("another type", plus("typ", json!("JWE")), MALFORMED),
        with_header("the type of a logout token", plus("typ", json!("logout+jwt")), MALFORMED),
        with_header("a type that is a number", plus("typ", json!(1)), MALFORMED),
        with_header("a key id that is a number", plus("kid", json!(1)), MALFORMED),
    ]
}

/// Algorithms that the issuer's entry does not list, `none` before all.
fn algorithms() -> Vec<Case> {
    let algorithm = |name: &str| {
        let header = json!({"alg": name, "typ": "JWT", "kid": "ed-1"}).to_string();
        with_header(&format!("algorithm {name}"), header, ALGORITHM)
    };
    let own = |signing| signed(signing, &header(signing), &claims(USER));
    let none = own(Signing::None);
    let mut cases = vec![
        bearer("none", &none, ALGORITHM),
        bearer("none with a signature", &format!("{none}{}", encode([1; 64])), ALGORITHM),
        bearer("HMAC of the public key", &own(Signing::HmacOfPublicKey), ALGORITHM),
        bearer("PS256 by the key of RS256", &own(Signing::Ps256), ALGORITHM),
    ];
    let names =
        ["None", "NONE", "nOnE", "eddsa", "HS512", "ES384", "RS512", "ES256K", "RSA1_5", ""];
    cases.extend(names.map(algorithm));
    cases
}

/// Keys that are not the issuer's, or not for that algorithm.
fn keys() -> Vec<Case> {
    const NOT_FOR_IT: &[&str] = &["token_key_unknown", "token_algorithm", "token_signature"];
    let keyed = |name: &str, signing, key: Value, reasons| {
        let mut header = header(signing);
        header["kid"] = key;
        bearer(name, &signed(signing, &header, &claims(USER)), reasons)
    };
    let mut no_key = header(Signing::EdDsa);
    no_key.as_object_mut().unwrap().remove("kid");
    vec![
        keyed("an unknown key", Signing::EdDsa, json!("ed-3"), KEY),
        keyed("a key id with another case", Signing::EdDsa, json!("ED-1"), KEY),
        keyed("an empty key id", Signing::EdDsa, json!(""), KEY),
        keyed("a key id that is a path", Signing::EdDsa, json!("../../keys/jwks.json"), KEY),
        keyed("a key id that is SQL", Signing::EdDsa, json!("ed-1' or '1'='1"), KEY),
        keyed("a very long key id", Signing::EdDsa, json!("k".repeat(8000)), KEY),
        keyed("EdDSA naming the key of ES256", Signing::EdDsa, json!("es-1"), NOT_FOR_IT),
        keyed("ES256 naming the key of EdDSA", Signing::Es256, json!("ed-1"), NOT_FOR_IT),
        keyed("RS256 naming the key of ES256", Signing::Rs256, json!("es-1"), NOT_FOR_IT),
        keyed("signed by the other key", Signing::EdDsaSecond, json!("ed-1"), SIGNATURE),
        bearer(
            "no key id where two keys fit",
            &signed(Signing::EdDsa, &no_key, &claims(USER)),
            KEY,
        ),
    ]
}

/// Signatures that are not the key's, and keys that come with the token.
fn signatures() -> Vec<Case> {
    const EMPTY: &[&str] = &["token_signature", "token_malformed"];
    let foreign = |name: &str, signing, extra: Value| {
        let mut header = header(signing);
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let token = raw(&FOREIGN, signing, header.to_string(), claims(USER).to_string());
        bearer(name, &token, SIGNATURE)
    };
    let good = token(USER);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let other = token("platform-admin");
    let (head, rest) = other.split_once('.').unwrap();
    let swapped = format!("{head}.{}.{signature}", rest.split('.').next().unwrap());
    let curve = signed(Signing::Es256, &header(Signing::Es256), &claims(USER));
    let (curve_message, _) = curve.rsplit_once('.').unwrap();
    let asn1 = signed(Signing::Es256Asn1, &header(Signing::Es256Asn1), &claims(USER));
    let certificate = encode(FOREIGN.curve_der());
    vec![
        foreign("another's EdDSA", Signing::EdDsa, json!({})),
        foreign("another's ES256", Signing::Es256, json!({})),
        foreign("another's RS256", Signing::Rs256, json!({})),
        foreign("jwk", Signing::EdDsa, json!({"jwk": FOREIGN.first_jwk()})),
        foreign("jku", Signing::EdDsa, json!({"jku": "http://127.0.0.1:1/jwks.json"})),
        foreign("x5u", Signing::Es256, json!({"x5u": "http://127.0.0.1:1/key.pem"})),
        foreign("x5c", Signing::Es256, json!({"x5c": [certificate]})),
        bearer("no signature", &format!("{message}."), EMPTY),
        bearer("a short signature", &format!("{message}.{}", &signature[..40]), EMPTY),
        bearer("a signature of zeros", &format!("{message}.{}", encode([0; 64])), SIGNATURE),
        bearer("ES256 of zeros", &format!("{curve_message}.{}", encode([0; 64])), SIGNATURE),
        bearer("ES256 as ASN.1", &asn1, EMPTY),
        bearer("the signature of another token", &swapped, SIGNATURE),
    ]
}

fn with_claim(name: &str, claim: &str, value: Value, reasons: &'static [&'static str]) -> Case {
    let mut claims = claims(USER);
    claims[claim] = value;
    bearer(name, &signed(Signing::EdDsa, &header(Signing::EdDsa), &claims), reasons)
}

fn without_claim(claim: &str, reasons: &'static [&'static str]) -> Case {
    let mut claims = claims(USER);
    claims.as_object_mut().unwrap().remove(claim);
    let token = signed(Signing::EdDsa, &header(Signing::EdDsa), &claims);
    bearer(&format!("no {claim}"), &token, reasons)
}

fn with_claims_text(
    name: &str,
    claims: impl AsRef<[u8]>,
    reasons: &'static [&'static str],
) -> Case {
    let header = header(Signing::EdDsa).to_string();
    bearer(name, &raw(&TRUSTED, Signing::EdDsa, header, claims), reasons)
}

/// A time as a JSON number that no `Value` can hold.
fn with_raw_time(name: &str, claim: &str, number: &str, reasons: &'static [&'static str]) -> Case {
    let mut claims = claims(USER);
    claims[claim] = json!("HERE");
    with_claims_text(name, claims.to_string().replace("\"HERE\"", number), reasons)
}

fn times() -> Vec<Case> {
    const TYPE: &[&str] = &["token_malformed", "token_expired"];
    let (past, future) = (now() - 120, now() + 1800);
    vec![
        without_claim("exp", TYPE),
        with_claim("expired", "exp", json!(past), EXPIRED),
        with_claim("expired long ago", "exp", json!(1), EXPIRED),
        with_claim("expired, and a fraction", "exp", json!(1_000_000_000.5), EXPIRED),
        with_raw_time("expired, with an exponent", "exp", "1e9", EXPIRED),
        with_claim("exp as a string", "exp", json!((now() + 3600).to_string()), MALFORMED),
        with_claim("exp null", "exp", json!(null), TYPE),
        with_claim("exp true", "exp", json!(true), MALFORMED),
        with_claim("exp as a list", "exp", json!([now() + 3600]), MALFORMED),
        with_claim("exp below 0", "exp", json!(-1), MALFORMED),
        with_claim("exp above 2^53", "exp", json!((1_u64 << 53) + 2), MALFORMED),
        with_raw_time("exp without end", "exp", "1e300", MALFORMED),
        with_raw_time("exp beyond any number", "exp", "1e999", MALFORMED),
        with_claim("nbf to come", "nbf", json!(future), EARLY),
        with_claim("nbf as a string", "nbf", json!("0"), MALFORMED),
        with_claim("nbf below 0", "nbf", json!(-1), MALFORMED),
        with_raw_time("nbf without end", "nbf", "1e300", MALFORMED),
        with_claim("iat to come", "iat", json!(future), EARLY),
        with_claim("iat as a string", "iat", json!("0"), MALFORMED),
        with_claim("iat below 0", "iat", json!(-1), MALFORMED),
    ]
}

fn issuers_and_audiences() -> Vec<Case> {
    const NO_ISSUER: &[&str] = &["token_issuer", "token_malformed"];
    const NO_AUDIENCE: &[&str] = &["token_audience", "token_malformed"];
    let issuer = |name: &str, value: Value| with_claim(name, "iss", value, &["token_issuer"]);
    vec![
        without_claim("iss", NO_ISSUER),
        issuer("another issuer", json!("https://evil.example")),
        issuer("an issuer with a slash", json!(format!("{ISSUER}/"))),
        issuer("an issuer with a tail", json!(format!("{ISSUER}.evil.example"))),
        issuer("an issuer in capitals", json!(ISSUER.to_uppercase())),
        issuer("an empty issuer", json!("")),
        with_claim("a list of issuers", "iss", json!([ISSUER]), NO_ISSUER),
        without_claim("aud", NO_AUDIENCE),
        with_claim("another audience", "aud", json!("billing"), AUDIENCES),
        with_claim("an audience with a tail", "aud", json!(format!("{AUDIENCE}2")), AUDIENCES),
        with_claim("an audience among words", "aud", json!("x cedargate"), AUDIENCES),
        with_claim("other audiences", "aud", json!(["billing", "CEDARGATE"]), AUDIENCES),
        with_claim("no audience in the list", "aud", json!([]), NO_AUDIENCE),
        with_claim("an audience that is a number", "aud", json!(1), NO_AUDIENCE),
        with_claim("an audience that is an object", "aud", json!({"cedargate": 1}), NO_AUDIENCE),
    ]
}

fn subjects() -> Vec<Case> {
    const EMPTY: &[&str] = &["token_malformed", "user_unknown"];
    const UNKNOWN: &[&str] = &["user_unknown"];
    vec![
        without_claim("sub", MALFORMED),
        with_claim("sub as a number", "sub", json!(1), MALFORMED),
        with_claim("sub null", "sub", json!(null), MALFORMED),
        with_claim("sub as a list", "sub", json!([USER]), MALFORMED),
        with_claim("an empty sub", "sub", json!(""), EMPTY),
        with_claim("a sub with a NUL", "sub", json!("kauvery-doctor\u{0}"), EMPTY),
        with_claim("a sub with a line end", "sub", json!("kauvery-doctor\nX-A: b"), EMPTY),
        with_claim("a very long sub", "sub", json!("s".repeat(8000)), EMPTY),
        with_claim("a sub in capitals", "sub", json!("KAUVERY-DOCTOR"), UNKNOWN),
        with_claim("a sub with a space", "sub", json!("kauvery-doctor "), UNKNOWN),
        with_claim("a sub that is SQL", "sub", json!("x' or '1'='1"), UNKNOWN),
    ]
}

/// Payloads that are no object, or have a member twice.
fn members() -> Vec<Case> {
    let good = claims(USER).to_string();
    let twice = |member: &str| good.replacen('{', &format!("{{{member},"), 1);
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let cut = |name: &str| {
        let mut claims = claims(USER);
        claims[name] = json!("CUT");
        claims.to_string().replace("CUT", r"cut \ud83d")
    };
    vec![
        with_claims_text("a payload that is no JSON", "sub=kauvery-doctor", MALFORMED),
        with_claims_text("a payload that is a list", format!("[{good}]"), MALFORMED),
        with_claims_text("an empty payload", "", MALFORMED),
        with_claims_text("a payload with a tail", format!("{good}{good}"), MALFORMED),
        with_claims_text("a payload that is no UTF-8", b"{\"sub\":\"\xff\"}", MALFORMED),
        with_claims_text("two subs", twice(r#""sub":"platform-admin""#), MALFORMED),
        with_claims_text("two subs, one escaped", twice(r#""\u0073ub":"x""#), MALFORMED),
        with_claims_text("two exps", twice(r#""exp":1"#), MALFORMED),
        with_claims_text("two of a claim unheard of", twice(r#""a":1,"a":2"#), MALFORMED),
        with_claims_text("a very deep claim", twice(&format!("\"a\":{deep}")), MALFORMED),
        with_claims_text("half of a pair in a name", twice(r#""\ud83d":1"#), MALFORMED),
        with_claims_text("half of a pair in jti", cut("jti"), MALFORMED),
        with_claims_text("half of a pair in sub", cut("sub"), MALFORMED),
    ]
}

/// Odd ones that are good all the same.
#[must_use]
pub fn odd() -> Vec<(String, String)> {
    let own = |name: &str, signing| {
        (name.to_owned(), format!("Bearer {}", signed(signing, &header(signing), &claims(USER))))
    };
    let without_key = |signing| {
        let mut header = header(signing);
        header.as_object_mut().unwrap().remove("kid");
        format!("Bearer {}", signed(signing, &header, &claims(USER)))
    };
    let typed = |kind: &str| {
        let mut header = header(Signing::EdDsa);
        header["typ"] = json!(kind);
        format!("Bearer {}", signed(Signing::EdDsa, &header, &claims(USER)))
    };
    let newer_name = {
        let mut header = header(Signing::EdDsa);
        header["alg"] = json!("Ed25519");
        format!("Bearer {}", signed(Signing::EdDsa, &header, &claims(USER)))
    };
    let case = |case: Case| (case.name, case.authorization);
    let fraction = format!("{}.75", now() + 600);
    let more = |member: &str| claims(USER).to_string().replacen('{', &format!("{{{member},"), 1);
    let deep = format!("\"groups\":{}{}", "[".repeat(200), "]".repeat(200));
    vec![
        own("EdDSA", Signing::EdDsa),
        own("EdDSA by the other key", Signing::EdDsaSecond),
        own("ES256", Signing::Es256),
        own("RS256", Signing::Rs256),
        ("no key id where one key fits: ES256".to_owned(), without_key(Signing::Es256)),
        ("no key id where one key fits: RS256".to_owned(), without_key(Signing::Rs256)),
        ("a scheme in lower case".to_owned(), format!("bearer {}", token(USER))),
        ("a scheme in capitals".to_owned(), format!("BEARER {}", token(USER))),
        ("at+jwt".to_owned(), typed("at+jwt")),
        ("application/at+jwt".to_owned(), typed("application/at+JWT")),
        ("application/jwt".to_owned(), typed("application/jwt")),
        ("EdDSA by its newer name".to_owned(), newer_name),
        case(with_claim("our audience among others", "aud", json!(["x", AUDIENCE]), &[])),
        case(with_claim("expired within the leeway", "exp", json!(now() - 1), &[])),
        case(with_claim("nbf within the leeway", "nbf", json!(now() + 10), &[])),
        case(with_claim("iat within the leeway", "iat", json!(now() + 10), &[])),
        case(with_raw_time("exp with a fraction", "exp", &fraction, &[])),
        case(with_claims_text("a name cut in an emoji", more(r#""name":"cut \ud83d""#), &[])),
        case(with_claims_text("a number beyond any", more(r#""score":1e400"#), &[])),
        case(with_claims_text("a deep claim", more(&deep), &[])),
        case(without_claim("nbf", &[])),
        case(without_claim("iat", &[])),
        case(without_claim("jti", &[])),
    ]
}
