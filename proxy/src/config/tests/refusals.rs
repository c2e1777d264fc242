//! Invalid configurations and their exact messages.

mod optional;

use super::*;

use optional::BAD;

#[track_caller]
fn refuses(text: &str, expected: &str) {
    let error = parse(text, &[], &[]).unwrap_err();
    assert_eq!(error.to_string(), format!("/etc/gate/cedargate.yaml{expected}"));
}

/// Checks the error for the minimal configuration (four valid lines) with `more` appended.
#[track_caller]
fn refuses_more(more: &str, expected: &str) {
    refuses(&format!("{LEAST}{more}"), expected);
}

#[track_caller]
fn refuses_env(name: &str, value: &str, expected: &str) {
    let error = parse(LEAST, &[(name, value)], &[]).unwrap_err();
    assert_eq!(error.to_string(), format!("environment variable {name}: {expected}"));
}

#[test]
fn unknown_keys_are_refused() {
    refuses_more(
        "lissten: {}\n",
        ":5:1: `lissten`: unknown key; expected one of `listen`, `upstream`, `jwt`, `facts`, `policies`, `audit`, `tenancy`, `headers`, `limits`, `memory`, `trusted_proxies`, `cors`, `redirect`, `admin`, `admin_hosts`, `log`, `shutdown`, `workers`",
    );
    let gone = parse(&format!("{LEAST}fast_paths: false\n"), &[], &[]).unwrap_err().to_string();
    assert!(gone.contains("`fast_paths`: unknown key"), "{gone}");
    refuses_more(
        "listen:\n  proxxy: 127.0.0.1:1\n",
        ":6:11: `listen.proxxy`: unknown key; expected `proxy` or `admin`",
    );
    refuses_more(
        "admin: { hosts: [a] }\n",
        ":5:10: `admin.hosts`: unknown key; expected `token_file`",
    );
}

#[test]
fn missing_keys_are_shown() {
    refuses(
        "",
        ": `jwt.issuers[0].jwks` is missing; add `jwks: keys/jwks.json` under `jwt.issuers[0]`",
    );
    refuses(
        "jwt:\n  issuers:\n    - jwks: a\n    - issuer: b\n",
        ":4:7: `jwt.issuers[1].jwks` is missing; add `jwks: keys/jwks.json` under `jwt.issuers[1]`",
    );
    refuses(
        &LEAST.replace("{ database: sqlite://var/cedargate.db }", "{ ttl: 1s }"),
        ":2:1: `facts.database` is missing; add `database: sqlite://var/cedargate.db` under `facts`",
    );
    refuses(
        &LEAST.replace("policies: { directory: policies }", "policies:"),
        ":3:1: `policies.directory` is missing; add `directory: policies` under `policies`",
    );
    refuses(
        &LEAST.replace("audit: { directory: var/audit }", ""),
        ": `audit.directory` is missing; add `directory: var/audit` under `audit`",
    );
}

#[test]
fn bad_values_are_located() {
    for (more, expected) in BAD {
        refuses_more(&format!("{more}\n"), expected);
    }
}

/// For each case: the part of the minimal configuration to replace, its replacement, and the expected message.
const BAD_REQUIRED: &[(&str, &str, &str)] = &[
    (
        "jwks: keys/jwks.json",
        "jwks: 'ftp://a/b'",
        ":1:26: `jwt.issuers[0].jwks`: is no place for keys; write a file's path, or an http(s) URL without user name and password",
    ),
    ("jwks: keys/jwks.json", "jwks: ''", ":1:26: `jwt.issuers[0].jwks`: is empty; give it a value"),
    (
        "jwks: keys",
        "algorithms: [none], jwks: keys",
        ":1:33: `jwt.issuers[0].algorithms[0]`: `none` is not accepted; use `EdDSA`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512` or `PS256`",
    ),
    (
        "jwks: keys",
        "algorithms: [EdDSA, HS256], jwks: keys",
        ":1:40: `jwt.issuers[0].algorithms[1]`: `HS256` is not accepted; use `EdDSA`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512` or `PS256`",
    ),
    (
        "jwks: keys",
        "algorithms: [], jwks: keys",
        ":1:20: `jwt.issuers[0].algorithms`: is empty; list `EdDSA`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512` or `PS256`",
    ),
    (
        "jwks: keys",
        "audiences: [], jwks: keys",
        ":1:20: `jwt.issuers[0].audiences`: is empty; name at least one",
    ),
    (
        "jwks: keys",
        "issuer: 'https://a/{t', jwks: keys",
        ":1:28: `jwt.issuers[0].issuer`: has braces; write the name of one claim in them, such as `{tid}`",
    ),
    (
        "jwks: keys",
        "issuer: 'https://a/{t}', jwks: keys",
        ":1:28: `jwt.issuers[0].issuer`: is a template; list the accepted values of `t` under `issuer_values`, or accept every tenant with `dangerous_any_issuer_value: true`",
    ),
    (
        "jwks: keys",
        "issuer_values: [a], jwks: keys",
        ":1:20: `jwt.issuers[0].issuer_values`: needs `issuer` to be a template; name a claim there in braces",
    ),
    (
        "jwks: keys",
        "dangerous_any_issuer_value: true, jwks: keys",
        ":1:48: `jwt.issuers[0].dangerous_any_issuer_value`: needs `issuer` to be a template; remove it",
    ),
    (
        "jwks: keys",
        "dangerous_any_issuer_value: true, issuer: '{t}', issuer_values: [a], jwks: keys",
        ":1:48: `jwt.issuers[0].dangerous_any_issuer_value`: takes every value; remove it, or `issuer_values`",
    ),
    (
        "jwks: keys",
        "issuer_values: [a/b], issuer: 'https://a/{t}', jwks: keys",
        ":1:20: `jwt.issuers[0].issuer_values`: `a/b` cannot stand in `issuer`; use letters, digits and `-._~`",
    ),
    (
        "jwks: keys",
        "subject_claim: iss, jwks: keys",
        ":1:35: `jwt.issuers[0].subject_claim`: `iss` names no person; write another claim, such as `oid`",
    ),
    (
        "jwks: keys",
        "audience_claim: sub, jwks: keys",
        ":1:36: `jwt.issuers[0].audience_claim`: `sub` cannot take the place of `aud`; write another claim, such as `client_id`",
    ),
    (
        "jwks: keys",
        "speaks_for: {}, jwks: keys",
        ":1:20: `jwt.issuers[0].speaks_for`: is empty; name `users`, `claims`, `organizations` or `never_roles`",
    ),
    (
        "jwks: keys",
        "speaks_for: { users: [] }, jwks: keys",
        ":1:34: `jwt.issuers[0].speaks_for.users`: is empty; name at least one",
    ),
    (
        "jwks: keys",
        "speaks_for: { organizations: [] }, jwks: keys",
        ":1:34: `jwt.issuers[0].speaks_for.organizations`: is empty; name at least one",
    ),
    (
        "jwks: keys",
        "speaks_for: { claims: { hd: [] } }, jwks: keys",
        ":1:34: `jwt.issuers[0].speaks_for.claims`: `hd` needs a list of texts, numbers or booleans",
    ),
    (
        "jwks: keys",
        "speaks_for: { roles: [a] }, jwks: keys",
        ":1:34: `jwt.issuers[0].speaks_for.roles`: unknown key; expected one of `users`, `claims`, `organizations`, `never_roles`",
    ),
    (
        "}] }",
        "}, { issuer: 'https://a/{t}', issuer_values: [b, c], jwks: b }, { issuer: 'https://a/c', jwks: c }] }",
        ":1:115: `jwt.issuers[2].issuer`: `https://a/c` has an entry already; merge the two",
    ),
    ("[{ jwks: keys/jwks.json }]", "[]", ":1:8: `jwt.issuers`: is empty; name at least one"),
    (
        "}] }",
        "}, { jwks: b }] }",
        ":1:44: `jwt.issuers[1].issuer`: `https://auth.cedargate.example` has an entry already; merge the two",
    ),
    (
        "}] }",
        "}], cookie: 'a b' }",
        ":1:53: `jwt.cookie`: `a b` will not do; write a cookie's name, such as `session`",
    ),
    ("}] }", "}], leeway: 2h }", ":1:53: `jwt.leeway`: 2h is outside 0s to 1h"),
    ("cedargate.db", "cedargate.db, ttl: 61s", ":2:52: `facts.ttl`: 1m 1s is outside 0s to 1m"),
    (
        "cedargate.db",
        "cedargate.db, timeout: 0s",
        ":2:56: `facts.timeout`: 0s is outside 1ms to 1day",
    ),
    (
        "sqlite://var/cedargate.db",
        "mysql://u:secret@h/d",
        ":2:20: `facts.database`: is no database that the gate knows; write `sqlite://var/cedargate.db` or `postgres://user@host/database`",
    ),
    (
        "directory: policies",
        "directory: policies, admit: sometimes",
        ":3:41: `policies.admit`: unknown variant `sometimes`, expected one of `no-grants`, `tests`, `any`",
    ),
    (
        "directory: policies",
        "directory: policies, admits: any",
        ":3:42: `policies.admits`: unknown key; expected one of `directory`, `archive`, `admit`",
    ),
    (
        "var/audit",
        "var/audit, durability: sometimes",
        ":4:44: `audit.durability`: unknown variant `sometimes`, expected one of `process`, `disk`, `none`",
    ),
];

#[test]
fn bad_values_of_required_sections_are_located() {
    for (from, to, expected) in BAD_REQUIRED {
        refuses(&LEAST.replacen(*from, to, 1), expected);
    }
}

#[test]
fn what_is_no_yaml_is_located() {
    let error = least_and("listen: { proxy: 'a }\n").unwrap_err().to_string();
    assert!(error.starts_with("/etc/gate/cedargate.yaml:"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let twice = least_and("workers: 1\nworkers: 2\n").unwrap_err().to_string();
    assert!(twice.starts_with("/etc/gate/cedargate.yaml:6:1: "), "{twice}");
}

#[test]
fn bad_variables_are_named() {
    refuses_env(
        "CEDARGATE_UPSTREAM__ADRESS",
        "a:1",
        "`upstream.adress`: unknown key; expected one of `address`, `connect_timeout`, `read_timeout`, `forward_authorization`, `assertion`",
    );
    refuses_env(
        "CEDARGATE_FACTS__TTL",
        "2",
        "`facts.ttl`: `2` will not do; write a time with its unit, such as `500ms` or `30s`",
    );
    refuses_env(
        "CEDARGATE_JWT__ISSUERS",
        "[{ jwks: '' }]",
        "`jwt.issuers[0].jwks`: is empty; give it a value",
    );
    refuses_env(
        "CEDARGATE_JWT__ISSUERS__2__JWKS",
        "a",
        "`jwt.issuers[2]`: the list has 1 elements; the next is 1",
    );
    refuses_env(
        "CEDARGATE_JWT__ISSUERS__FIRST",
        "a",
        "`jwt.issuers`: is a list; `first` is no index",
    );
    refuses_env(
        "CEDARGATE_AUDIT__DIRECTORY__X",
        "a",
        "`audit.directory`: is a single value; it has no `x`",
    );
    refuses_env(
        "CEDARGATE_LISTEN____PROXY",
        "a",
        "`listen`: a name is empty; `__` separates levels",
    );
    let flag = parse(LEAST, &[], &[("listen.proxy", "here")]).unwrap_err().to_string();
    assert_eq!(
        flag,
        "command line, listen.proxy: `listen.proxy`: `here` will not do; write an IP address and a port, such as `127.0.0.1:8080`"
    );
}
