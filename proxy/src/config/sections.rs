//! The sections that hold plain values.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use policy_store::sql::Mapping;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::schema::forms;
use super::values;

/// The addresses on which the gate listens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The address and port on which clients connect.
    #[serde(deserialize_with = "values::socket")]
    #[schemars(schema_with = "forms::socket")]
    pub proxy: SocketAddr,
    /// The address and port on which operators and probes connect (`/livez`, `/readyz`, `/metrics`, `/status`, `POST
    /// /reload`). It differs from `listen.proxy`. Keep it away from clients.
    #[serde(deserialize_with = "values::socket")]
    #[schemars(schema_with = "forms::socket")]
    pub admin: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self { proxy: ([127, 0, 0, 1], 8080).into(), admin: ([127, 0, 0, 1], 9901).into() }
    }
}

/// The application behind the gate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Upstream {
    /// The host and port of the application. Let the application accept connections from the gate alone.
    #[serde(deserialize_with = "values::host_and_port")]
    #[schemars(schema_with = "forms::host_and_port")]
    pub address: String,
    /// The maximum time to connect. After it the client gets 502 `upstream_unreachable`.
    #[serde(deserialize_with = "values::timeout")]
    #[schemars(schema_with = "forms::timeout")]
    pub connect_timeout: Duration,
    /// The maximum time in which the application sends nothing of an answer. After it the client gets 504
    /// `upstream_timeout`.
    #[serde(deserialize_with = "values::timeout")]
    #[schemars(schema_with = "forms::timeout")]
    pub read_timeout: Duration,
    /// Whether the application receives the token of the caller.
    pub forward_authorization: bool,
    /// The signature with which the gate vouches for the identity that it sends. Without this section the identity is
    /// not signed.
    pub assertion: Option<Assertion>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8081".to_owned(),
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(30),
            forward_authorization: false,
            assertion: None,
        }
    }
}

/// The signed header `X-Auth-Assertion`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The file with the Ed25519 private key of the gate (PKCS#8, PEM).
    pub key: PathBuf,
    /// The application that the assertion is meant for (`aud`).
    #[serde(deserialize_with = "values::name")]
    #[schemars(schema_with = "forms::name")]
    pub audience: String,
    /// The name of the gate in the assertion (`iss`).
    #[serde(default = "Assertion::default_issuer", deserialize_with = "values::name")]
    #[schemars(schema_with = "forms::name")]
    pub issuer: String,
}

impl Assertion {
    pub(super) fn default_issuer() -> String {
        "cedargate".to_owned()
    }
}

/// The database in which users, organizations and objects are looked up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The URL of the database: `sqlite://FILE` or `postgres://USER@HOST/DATABASE`.
    #[schemars(schema_with = "forms::database")]
    pub database: DatabaseUrl,
    /// The maximum age of a fact that a request is judged by. `0s` asks the database for each request.
    #[serde(default = "Facts::default_ttl", deserialize_with = "values::ttl")]
    #[schemars(schema_with = "forms::ttl")]
    pub ttl: Duration,
    /// The maximum time that one request waits for all its facts. After it the client gets 503 `facts_unavailable`.
    #[serde(default = "Facts::default_timeout", deserialize_with = "values::timeout")]
    #[schemars(schema_with = "forms::timeout")]
    pub timeout: Duration,
    /// The maximum number of facts of each kind in memory.
    #[serde(default = "Facts::default_entries", deserialize_with = "values::entries")]
    #[schemars(schema_with = "forms::entries")]
    pub entries: u64,
    /// Whether the gate listens to a PostgreSQL database for changed rows, and forgets the facts that they concern at
    /// once. SQLite has no such notifications.
    #[serde(default = "Facts::default_push")]
    pub push: bool,
    /// The time by which a fact may be older than `facts.ttl` while the database is down, for requests that only
    /// read. `0s`: no older.
    #[serde(default, deserialize_with = "values::time")]
    #[schemars(schema_with = "forms::time")]
    pub dangerous_stale_for: Duration,
    /// The file with the password for the database and nothing else. It may change while the gate runs.
    pub password_file: Option<PathBuf>,
    /// The SQL statements that read the facts from tables of your own. Without this section they are read from the
    /// tables that `cedargate migrate` makes.
    #[serde(default)]
    pub mapping: Option<Mapping>,
}

impl Facts {
    pub(super) const fn default_ttl() -> Duration {
        Duration::from_secs(2)
    }

    pub(super) const fn default_timeout() -> Duration {
        Duration::from_millis(500)
    }

    pub(super) const fn default_entries() -> u64 {
        100_000
    }

    pub(super) const fn default_push() -> bool {
        true
    }
}

/// A database's URL, which may hold a password: it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Wraps a URL that was checked or is known to be good.
    #[must_use]
    pub const fn new(url: String) -> Self {
        Self(url)
    }

    /// The URL with whatever is secret in it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the database is a file of `SQLite`, which holds no secret in its URL.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.0.starts_with("sqlite:")
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_sqlite() { &self.0 } else { "postgres://[redacted]" })
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = String::deserialize(deserializer)?;
        let known = ["sqlite:", "postgres://", "postgresql://"];
        let rest = known.iter().find_map(|scheme| url.strip_prefix(scheme));
        if rest.is_some_and(|rest| !rest.trim_start_matches('/').is_empty()) {
            return Ok(Self(url));
        }
        // The value is not repeated: it may hold a password.
        let remedy = "write `sqlite://var/cedargate.db` or `postgres://user@host/database`";
        Err(serde::de::Error::custom(format!("is no database that the gate knows; {remedy}")))
    }
}

/// The policies, and which changes of them take effect.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// The directory with `schema.cedarschema`, `*.cedar`, `routes.yaml` and `tests/`. It is watched.
    pub directory: PathBuf,
    /// The directory in which each bundle that was in force is kept, by its digest. Without this key: `policies` in
    /// `audit.directory`.
    pub archive: Option<PathBuf>,
    /// Which changes of the policies take effect, of those in which `cedargate check` finds no error.
    #[serde(default)]
    pub admit: Admit,
}

/// Which bundles take effect, of those in which `cedargate check` finds no error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Admit {
    /// A bundle takes effect if it allows nothing that its own tests, or those of the bundle in force, expect to be
    /// denied, and if it has a guard in each layer in which the bundle in force has one. Other tests that fail are
    /// logged.
    #[default]
    NoGrants,
    /// As `no-grants`, and the bundle must have tests, all of which pass.
    Tests,
    /// Every bundle takes effect. Tests are not run; what `cedargate check` finds about tests and unreachable routes
    /// is a warning.
    Any,
}

impl Admit {
    /// The word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoGrants => "no-grants",
            Self::Tests => "tests",
            Self::Any => "any",
        }
    }
}

/// What a request and a client may take.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The maximum size of all header fields of a request together. Beyond it: 431 `headers_too_large`.
    #[serde(deserialize_with = "values::head_size")]
    #[schemars(schema_with = "forms::head_size")]
    pub header_bytes: usize,
    /// The maximum number of header fields of a request.
    #[serde(deserialize_with = "values::header_count")]
    #[schemars(schema_with = "forms::header_count")]
    pub header_count: usize,
    /// The maximum size of the request target.
    #[serde(deserialize_with = "values::head_size")]
    #[schemars(schema_with = "forms::head_size")]
    pub target_bytes: usize,
    /// The maximum size of a JSON body that is judged. Beyond it: 413 `body_too_large`. Other bodies are streamed and
    /// have no maximum.
    #[serde(deserialize_with = "values::body_size")]
    #[schemars(schema_with = "forms::body_size")]
    pub json_body: usize,
    /// The maximum number of members at the top of a JSON body that is judged.
    #[serde(deserialize_with = "values::json_members")]
    #[schemars(schema_with = "forms::json_members")]
    pub json_members: usize,
    /// The maximum time in which the whole head of a request arrives.
    #[serde(deserialize_with = "values::timeout")]
    #[schemars(schema_with = "forms::timeout")]
    pub header_timeout: Duration,
    /// The maximum time in which a client sends or takes nothing of a body.
    #[serde(deserialize_with = "values::timeout")]
    #[schemars(schema_with = "forms::timeout")]
    pub body_timeout: Duration,
    /// The minimum rate of a body in either direction, in bytes per second, averaged over `limits.body_timeout`.
    /// `0B`: no minimum.
    #[serde(deserialize_with = "values::size")]
    #[schemars(schema_with = "forms::size")]
    pub body_rate: u64,
    /// The maximum number of connections from clients. The maximum is lower where the process may not open as many
    /// files.
    #[serde(deserialize_with = "values::connections")]
    #[schemars(schema_with = "forms::connections")]
    pub connections: usize,
    /// The maximum number of connections from one client: an IPv4 address or an IPv6 /64, `trusted_proxies` excepted.
    /// Without this key: a quarter of `limits.connections`.
    #[serde(deserialize_with = "values::connections_per_client")]
    #[schemars(schema_with = "forms::connections_per_client")]
    pub connections_per_client: Option<usize>,
    /// The maximum number of requests per second from one client address. Beyond it: 429 `rate_limited`. Without this
    /// key: no maximum.
    #[serde(deserialize_with = "values::rate")]
    #[schemars(schema_with = "forms::rate")]
    pub requests_per_second: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 * 1024,
            header_count: 100,
            target_bytes: 8 * 1024,
            json_body: 64 * 1024,
            json_members: 1_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_rate: 128,
            connections: 10_000,
            connections_per_client: None,
            requests_per_second: None,
        }
    }
}

/// The protection of the admin listener.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// The file with the bearer token for requests to the admin listener that change something, such as a reload.
    /// It may change while the gate runs. Without this key such requests must come from the loopback interface.
    pub token_file: Option<PathBuf>,
}

/// What happens between SIGTERM and the end of the process.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// The time in which the gate still accepts requests and fails `/readyz`.
    #[serde(deserialize_with = "values::time")]
    #[schemars(schema_with = "forms::time")]
    pub drain: Duration,
    /// The maximum time after `shutdown.drain` in which requests under way end.
    #[serde(deserialize_with = "values::time")]
    #[schemars(schema_with = "forms::time")]
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain: Duration::from_secs(5), grace: Duration::from_secs(30) }
    }
}
