//! What peers are asked in their check, and what has to come of it.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::people::{ROUTES, role_set};
use tests::tokens::{self, AUDIENCE, FOREIGN, ISSUER, Signing, TRUSTED};

use super::super::super::subject::{RouteRule, Setting};
use super::super::super::upstream;

/// What has to come of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Planned {
    Allowed,
    WrongRole,
    BadToken,
    /// A token that is good, elsewhere.
    OtherAudience,
}

/// A request.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) planned: Planned,
    pub(super) bytes: Vec<u8>,
}

/// A setting of this check's own: an upstream, the key of the tests, and the routes of the matrix.
pub(super) fn setting(folder: &Path) -> Setting {
    let mut keys = TRUSTED.key_set();
    keys["keys"].as_array_mut().unwrap().retain(|key| key["alg"] == "RS256");
    let (jwks, public_key) = (folder.join("jwks.json"), folder.join("issuer.pem"));
    fs::write(&jwks, keys.to_string()).unwrap();
    let text = STANDARD.encode(TRUSTED.rsa_der());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
    fs::write(&public_key, pem).unwrap();
    let rule = |route: &tests::people::Route| {
        let roles = if route.is_public() { Vec::new() } else { Vec::from_iter(route.allowlist()) };
        RouteRule {
            action: route.action.clone(),
            method: route.method.clone(),
            template: route.path.clone(),
            roles: roles.into_iter().map(str::to_owned).collect(),
        }
    };
    Setting {
        folder: folder.to_owned(),
        upstream: upstream::start(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        jwks,
        public_key,
        routes: ROUTES.iter().map(rule).collect(),
    }
}

/// All requests. Good ones come again at the end: tokens are remembered by then.
pub(super) fn all(routes: &[RouteRule]) -> Vec<Case> {
    let roles: Vec<(&str, String)> =
        role_set("EVERY").iter().map(|role| (*role, token(&[role]))).collect();
    let mut cases = Vec::new();
    for route in routes {
        of_route(route, &roles, &mut cases);
    }
    let doctor = token(&["DOCTOR"]);
    for (name, method, path) in [
        ("no such path", "GET", "/api/patientsx"),
        ("no such method", "PUT", "/api/patients"),
        ("too long a path", "GET", "/api/patients/one/two"),
        ("an empty variable", "GET", "/api/patients/"),
    ] {
        cases.push(case(name.to_owned(), Planned::WrongRole, method, path, Some(&doctor)));
    }
    for (name, planned, token) in tokens() {
        cases.push(case(name.to_owned(), planned, "GET", "/api/patients", Some(&token)));
    }
    for (name, path) in [("again", "/api/patients"), ("a query", "/api/patients?q=fever")] {
        cases.push(case(name.to_owned(), Planned::Allowed, "GET", path, Some(&doctor)));
    }
    cases
}

fn of_route(route: &RouteRule, roles: &[(&str, String)], cases: &mut Vec<Case>) {
    let segments = route.template.split('/');
    let path: Vec<&str> =
        segments.map(|segment| if segment.starts_with('{') { "one-1" } else { segment }).collect();
    let path = path.join("/");
    let mut ask = |who: &str, planned, token: Option<&str>| {
        let name = format!("{} by {who}", route.action);
        cases.push(case(name, planned, &route.method, &path, token));
    };
    if route.is_public() {
        return ask("nobody", Planned::Allowed, None);
    }
    ask("nobody", Planned::BadToken, None);
    let listed = |role: &str| route.roles.iter().any(|listed| listed == role);
    for (role, token) in roles {
        let planned = if listed(role) { Planned::Allowed } else { Planned::WrongRole };
        ask(role, planned, Some(token));
    }
    if let Some((other, _)) = roles.iter().find(|(role, _)| !listed(role)) {
        let two = token(&[other, &route.roles[0]]);
        ask("somebody of two roles", Planned::Allowed, Some(&two));
    }
}

/// Tokens that differ from a doctor's good one.
fn tokens() -> Vec<(&'static str, Planned, String)> {
    let rs256 =
        |claims: &Value| tokens::signed(Signing::Rs256, &tokens::header(Signing::Rs256), claims);
    let with = |name: &str, value: Value| {
        let mut claims = claims(&["DOCTOR"]);
        claims[name] = value;
        claims
    };
    let good = claims(&["DOCTOR"]);
    let by = |keys, signing| {
        tokens::raw(keys, signing, tokens::header(signing).to_string(), good.to_string())
    };
    let lab = token(&["LAB_TECH"]);
    let doctor = token(&["DOCTOR"]);
    // The claims of one with the signature of another.
    let mended =
        format!("{}{}", &doctor[..doctor.rfind('.').unwrap()], &lab[lab.rfind('.').unwrap()..]);
    vec![
        ("no roles", Planned::WrongRole, rs256(&with("roles", json!([])))),
        ("a role that nobody knows", Planned::WrongRole, token(&["DOCTORS"])),
        ("expired", Planned::BadToken, rs256(&with("exp", json!(tokens::now() - 3600)))),
        ("another issuer", Planned::BadToken, rs256(&with("iss", json!("https://else.example")))),
        ("another audience", Planned::OtherAudience, rs256(&with("aud", json!("elsewhere")))),
        ("signed by another key", Planned::BadToken, by(&FOREIGN, Signing::Rs256)),
        ("not signed", Planned::BadToken, by(&TRUSTED, Signing::None)),
        ("another's signature", Planned::BadToken, mended),
        ("no token at all", Planned::BadToken, "nothing".to_owned()),
    ]
}

fn claims(roles: &[&str]) -> Value {
    let mut claims = tokens::claims(&format!("one-{}", roles.join("-")));
    claims["roles"] = json!(roles);
    claims["org"] = json!("north");
    claims
}

/// A good token of somebody with these roles.
fn token(roles: &[&str]) -> String {
    tokens::signed(Signing::Rs256, &tokens::header(Signing::Rs256), &claims(roles))
}

fn case(name: String, planned: Planned, method: &str, path: &str, token: Option<&str>) -> Case {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
    let bytes = format!("{method} {path} HTTP/1.1\r\nHost: api.example\r\n{token}{length}\r\n");
    Case { name, planned, bytes: bytes.into_bytes() }
}
