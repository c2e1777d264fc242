//! Parsing of valid configurations, and the precedence of files, variables and flags.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

mod refusals;

/// The example in `gate.md`, copied where the text matters.
const WHOLE: &str = "\
listen:
  proxy: 127.0.0.1:8080
  admin: 127.0.0.1:9901
upstream:
  address: 127.0.0.1:8081
  connect_timeout: 1s
  read_timeout: 30s
  forward_authorization: false
  # assertion: { key: keys/gate.pem, audience: my-backend }
jwt:
  leeway: 30s
  # cookie: session
  issuers:
    - issuer: https://auth.cedargate.example
      audiences: [cedargate]
      algorithms: [EdDSA, ES256, RS256]
      jwks: keys/jwks.json                # a file, or an http(s) URL
facts:
  database: sqlite://var/cedargate.db     # or postgres://...
  ttl: 2s
  timeout: 500ms
policies:
  directory: policies                     # schema.cedarschema, *.cedar, routes.yaml, tests/
audit:
  directory: var/audit
  durability: process                     # survives kill -9; disk: survives power loss; none
tenancy:
  names: [organization_id, organizationId]
  # host_suffix: .clinics.example
headers: { allow: [], strip: [] }
limits:
  header_bytes: 32KiB
  header_count: 100
  target_bytes: 8KiB
  json_body: 64KiB
  json_members: 1000
  header_timeout: 10s                     # for the whole head
trusted_proxies: []                       # CIDR
cors:
  # origins: [https://tools.clinics.example]
shutdown: { drain: 5s, grace: 30s }
";

/// The minimal configuration.
const LEAST: &str = "\
jwt: { issuers: [{ jwks: keys/jwks.json }] }
facts: { database: sqlite://var/cedargate.db }
policies: { directory: policies }
audit: { directory: var/audit }
";

fn parse(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    Config::parse(Path::new("/etc/gate/cedargate.yaml"), text, own(env), &own(flags))
}

fn least_and(more: &str) -> Result<Config, ConfigError> {
    parse(&format!("{LEAST}{more}"), &[], &[])
}

#[test]
fn what_is_printed_is_the_default() {
    let (whole, least) = (parse(WHOLE, &[], &[]).unwrap(), parse(LEAST, &[], &[]).unwrap());
    assert_eq!(format!("{whole:#?}"), format!("{least:#?}"));
}

#[test]
fn defaults_are_values() {
    let config = parse(LEAST, &[], &[]).unwrap();
    assert_eq!(config.limits.header_bytes, 32_768);
    assert_eq!(config.limits.json_body, 65_536);
    assert_eq!(config.limits.requests_per_second, None);
    assert_eq!((config.limits.connections, config.limits.connections_per_client), (10_000, None));
    assert_eq!((config.memory.decisions, config.memory.facts), (128 << 20, 256 << 20));
    assert_eq!(config.facts.timeout, Duration::from_millis(500));
    assert_eq!(config.jwt.leeway, Duration::from_secs(30));
    assert_eq!(config.jwt.issuers[0].algorithms, Algorithm::USUAL);
    assert_eq!(config.audit.anonymous_per_second, 1000);
    assert_eq!(config.audit.anonymous_bytes_per_second, 1 << 20);
    assert_eq!(config.audit.durability, Durability::Process);
    assert_eq!(config.policies.admit, Admit::NoGrants);
    assert_eq!(config.workers, None);
    assert!(config.cors.is_none() && config.redirect.is_none());
}

#[test]
fn everything_can_be_said() {
    let config = least_and(
        "\
listen: { proxy: '[::1]:0', admin: '[::1]:0' }
upstream:
  address: backend.internal:80
  assertion: { key: keys/gate.pem, audience: my-backend }
tenancy:
  host_suffix: .Clinics.Example.
  hosts: { API.clinics.example.: '', b.example: beta }
headers: { allow: [Sentry_Trace], strip: [X-Partner] }
limits: { header_bytes: 16384, requests_per_second: 50, connections_per_client: 20 }
memory: { decisions: 16MiB, tokens: 0B, clients: 256KiB }
trusted_proxies: [10.0.0.0/8, 'fd00::/8']
cors: { origins: ['HTTPS://Tools.Example:443', 'http://localhost:3000'], allow_headers: [If-Match], expose_headers: [] }
redirect: { unauthenticated: https://app.example/login?next=x }
admin: { token_file: /run/secrets/admin }
admin_hosts: [Gate.Internal]
log: { format: json, level: warn }
workers: 3
",
    )
    .unwrap();
    let assertion = config.upstream.assertion.unwrap();
    assert_eq!(assertion.issuer, "cedargate");
    assert_eq!(assertion.key, Path::new("/etc/gate/keys/gate.pem"));
    assert_eq!(config.tenancy.host_suffix.unwrap(), ".clinics.example");
    assert_eq!(config.tenancy.hosts["api.clinics.example"], "");
    assert_eq!(config.limits.header_bytes, 16_384);
    assert_eq!(config.limits.requests_per_second, Some(50));
    assert_eq!(config.headers.allow, ["sentry_trace"]);
    assert_eq!(config.headers.strip, ["x-partner"]);
    assert_eq!(config.limits.connections_per_client, Some(20));
    assert_eq!((config.memory.decisions, config.memory.clients), (16 << 20, 256 << 10));
    assert_eq!(config.trusted_proxies.len(), 2);
    let cors = config.cors.unwrap();
    assert_eq!(cors.origins, ["https://tools.example", "http://localhost:3000"]);
    assert_eq!(
        (cors.allow_headers, cors.expose_headers),
        (vec!["If-Match".to_owned()], Vec::new())
    );
    assert_eq!(config.redirect.unwrap().outside_boundary, None);
    assert_eq!(config.admin.token_file.unwrap(), Path::new("/run/secrets/admin"));
    assert_eq!(config.admin_hosts, ["gate.internal"]);
    assert_eq!(config.log, Log { format: LogFormat::Json, level: LogLevel::Warn });
    assert_eq!(config.workers, Some(3));
    assert_eq!(config.memory.tokens, 0);
}

/// The doubts about the minimal configuration with these issuers added.
fn doubts(entries: &str) -> Vec<String> {
    parse(&LEAST.replacen("}] }", &format!("}}{entries}] }}"), 1), &[], &[]).unwrap().jwt.doubts()
}

#[test]
fn what_is_doubtful_about_issuers_is_told() {
    assert_eq!(doubts(""), [""; 0]);
    let open = doubts(", { issuer: b, jwks: k }, { issuer: c, jwks: k }");
    assert_eq!(open.len(), 3);
    assert!(open[1].contains("`b` is one of 3 issuers and may speak for every user"), "{open:?}");
    for restricted in [
        "users: ['beta-*']",
        "claims: { hd: [beta.example] }",
        "organizations: [org-beta]",
        "never_roles: [STAFF]",
    ] {
        let entry = format!(", {{ issuer: b, jwks: k, speaks_for: {{ {restricted} }} }}");
        assert_eq!(doubts(&entry), [""; 0], "{restricted}");
    }
    let restricted = "speaks_for: { users: ['*'] }";
    for (entry, told) in [
        ("issuer: 'a/{tid}', dangerous_any_issuer_value: true, jwks: k", "every tenant"),
        ("issuer: b, subject_claim: email, jwks: k", "`email`"),
        ("issuer: b, jwks: 'http://id.example/keys'", "without TLS"),
    ] {
        let told_of = doubts(&format!(", {{ {entry}, {restricted} }}"));
        assert!(told_of.len() == 1 && told_of[0].contains(told), "{entry}: {told_of:?}");
    }
    for url in [
        "https://id.example/keys",
        "http://127.0.0.1:8/keys",
        "http://[::1]/",
        "http://localhost/k",
    ] {
        assert_eq!(
            doubts(&format!(", {{ issuer: b, jwks: '{url}', {restricted} }}")),
            [""; 0],
            "{url}"
        );
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let env = [
        ("CEDARGATE_UPSTREAM__ADDRESS", "backend:9"),
        ("CEDARGATE_FACTS__DATABASE", "postgres://u:p@db/x"),
        ("CEDARGATE_JWT__ISSUERS__0__AUDIENCES", "[a, b]"),
        ("CEDARGATE_JWT__ISSUERS__1", "{ issuer: second, jwks: 'https://a.example/jwks' }"),
        ("CEDARGATE_TRUSTED_PROXIES__0", "10.0.0.0/8"),
        ("CEDARGATE_WORKERS", "2"),
        ("CEDARGATE_SERVICE_HOST", "10.1.1.1"),
        ("CEDARGATE_PORT_8080_TCP_ADDR", "10.1.1.1"),
        ("CEDARGATE_PORT", "tcp://10.1.1.1:8080"),
        ("HOME", "/root"),
    ];
    let config = parse(WHOLE, &env, &[("upstream.address", "flag:9")]).unwrap();
    assert_eq!(config.upstream.address, "flag:9");
    assert_eq!(config.facts.database.expose(), "postgres://u:p@db/x");
    assert_eq!(format!("{:?}", config.facts.database), "postgres://[redacted]");
    assert_eq!(config.jwt.issuers[0].audiences, ["a", "b"]);
    assert_eq!(config.jwt.issuers[1].jwks, JwksSource::Url("https://a.example/jwks".to_owned()));
    assert_eq!(config.trusted_proxies.len(), 1);
    assert_eq!(config.workers, Some(2));
}

#[test]
fn the_environment_alone_is_enough() {
    let env = [
        ("CEDARGATE_JWT__ISSUERS__0__JWKS", "/k.json"),
        ("CEDARGATE_FACTS__DATABASE", "sqlite:///x.db"),
        ("CEDARGATE_POLICIES__DIRECTORY", "/p"),
        ("CEDARGATE_AUDIT__DIRECTORY", "/a"),
    ];
    parse("# nothing\n", &env, &[]).unwrap();
}

#[test]
fn an_empty_variable_takes_a_section_away() {
    let text = format!("{LEAST}cors: {{ origins: ['https://a.example'] }}\n");
    assert!(parse(&text, &[("CEDARGATE_CORS", "")], &[]).unwrap().cors.is_none());
    parse(LEAST, &[("CEDARGATE_LISTEN", "")], &[]).unwrap();
}

#[test]
fn relative_paths_start_at_the_file() {
    let config = parse(LEAST, &[], &[]).unwrap();
    assert_eq!(config.policies.directory, Path::new("/etc/gate/policies"));
    assert_eq!(config.audit.directory, Path::new("/etc/gate/var/audit"));
    assert_eq!(
        config.jwt.issuers[0].jwks,
        JwksSource::File(PathBuf::from("/etc/gate/keys/jwks.json"))
    );
    for (written, meant) in [
        ("sqlite://var/x.db", "sqlite:///etc/gate/var/x.db"),
        ("sqlite:var/x.db?mode=ro", "sqlite:///etc/gate/var/x.db?mode=ro"),
        ("sqlite:///abs/x.db", "sqlite:///abs/x.db"),
        ("'sqlite::memory:'", "sqlite::memory:"),
        ("postgres://h/d", "postgres://h/d"),
    ] {
        let config = parse(LEAST, &[], &[("facts.database", written)]).unwrap();
        assert_eq!(config.facts.database.expose(), meant);
    }
}

#[test]
fn a_file_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gate.yaml");
    let error = Config::load(Some(&file), []).unwrap_err().to_string();
    let expected =
        format!("cannot read `{}`; name the configuration with `--config FILE`", file.display());
    assert_eq!(error, expected);
    std::fs::write(&file, LEAST).unwrap();
    assert_eq!(
        Config::load(Some(&file), []).unwrap().policies.directory,
        dir.path().join("policies")
    );
}
