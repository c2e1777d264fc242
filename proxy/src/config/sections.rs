//! The sections that hold plain values.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use policy_store::sql::Mapping;
use serde::{Deserialize, Deserializer};

use super::values;

/// Where the gate listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Where clients come in.
    #[serde(deserialize_with = "values::socket")]
    pub proxy: SocketAddr,
    /// Where operators and probes come in; never the same as `proxy`.
    #[serde(deserialize_with = "values::socket")]
    pub admin: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self { proxy: ([127, 0, 0, 1], 8080).into(), admin: ([127, 0, 0, 1], 9901).into() }
    }
}

/// The application behind the gate.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upstream {
    /// A host's name or address, and a port.
    #[serde(deserialize_with = "values::host_and_port")]
    pub address: String,
    /// How long connecting may take.
    #[serde(deserialize_with = "values::timeout")]
    pub connect_timeout: Duration,
    /// How long the upstream may be silent.
    #[serde(deserialize_with = "values::timeout")]
    pub read_timeout: Duration,
    /// Whether the upstream sees the caller's token.
    pub forward_authorization: bool,
    /// How the gate vouches for the identity that it sends; without it there is no assertion.
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
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The gate's Ed25519 key, PKCS#8 in PEM.
    pub key: PathBuf,
    /// Whom it is for (`aud`).
    #[serde(deserialize_with = "values::name")]
    pub audience: String,
    /// Who says so (`iss`).
    #[serde(default = "Assertion::default_issuer", deserialize_with = "values::name")]
    pub issuer: String,
}

impl Assertion {
    fn default_issuer() -> String {
        "cedargate".to_owned()
    }
}

/// Where users and organisations are looked up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// The database.
    pub database: DatabaseUrl,
    /// How old a fact may be when somebody is judged by it: zero (asked each time) to a minute.
    #[serde(default = "Facts::default_ttl", deserialize_with = "values::ttl")]
    pub ttl: Duration,
    /// How long a look-up may take.
    #[serde(default = "Facts::default_timeout", deserialize_with = "values::timeout")]
    pub timeout: Duration,
    /// How many facts of each kind are kept in memory at the most.
    #[serde(default = "Facts::default_entries", deserialize_with = "values::entries")]
    pub entries: u64,
    /// Whether the database is listened to: what its triggers say has changed is dropped at once.
    /// Of `SQLite` there is nothing to be heard.
    #[serde(default = "Facts::default_push")]
    pub push: bool,
    /// How much older than `ttl` a fact may be for a request that only reads, while the database is
    /// down. Zero: no older.
    #[serde(default, deserialize_with = "values::time")]
    pub dangerous_stale_for: Duration,
    /// The database's password, alone in a file that may change while the gate runs.
    pub password_file: Option<PathBuf>,
    /// How they are read from tables that are not those of `migrations/`.
    #[serde(default)]
    pub mapping: Option<Mapping>,
}

impl Facts {
    const fn default_ttl() -> Duration {
        Duration::from_secs(2)
    }

    const fn default_timeout() -> Duration {
        Duration::from_millis(500)
    }

    const fn default_entries() -> u64 {
        100_000
    }

    const fn default_push() -> bool {
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

/// Where the policies are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// `schema.cedarschema`, `*.cedar`, `routes.yaml` and `tests/` are in it.
    pub directory: PathBuf,
    /// Where every bundle that was in force is kept; `policies` in the journal's directory when it is
    /// not said.
    pub archive: Option<PathBuf>,
    /// Which bundles are put in force.
    #[serde(default)]
    pub admit: Admit,
}

/// Which bundles are put in force, of those that `cedargate check` finds nothing wrong with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Admit {
    /// Those that allow nothing of which their own tests, or those of the bundle in force, expect that it is denied,
    /// and that have guards in each layer in which the bundle in force has some. Other tests may fail, loudly.
    #[default]
    NoGrants,
    /// Those of which this is true and whose own tests all pass. They need to have tests.
    Tests,
    /// All. Tests are not run, and what `cedargate check` says of tests and of routes that nobody reaches is only
    /// a warning.
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

/// What a request may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of all headers together.
    #[serde(deserialize_with = "values::head_size")]
    pub header_bytes: usize,
    /// How many headers.
    #[serde(deserialize_with = "values::header_count")]
    pub header_count: usize,
    /// Bytes of the request target.
    #[serde(deserialize_with = "values::head_size")]
    pub target_bytes: usize,
    /// Bytes of a JSON body that is read.
    #[serde(deserialize_with = "values::body_size")]
    pub json_body: usize,
    /// The maximum number of members at the top of a JSON body that is read.
    #[serde(deserialize_with = "values::json_members")]
    pub json_members: usize,
    /// How long the whole head may take to arrive.
    #[serde(deserialize_with = "values::timeout")]
    pub header_timeout: Duration,
    /// How long a client may send or take nothing in the middle of a body.
    #[serde(deserialize_with = "values::timeout")]
    pub body_timeout: Duration,
    /// The minimum rate of a body in either direction, in bytes a second, averaged over `body_timeout`. 0: no
    /// minimum.
    #[serde(deserialize_with = "values::size")]
    pub body_rate: u64,
    /// Connections of clients, in all. Fewer where there are too few file descriptors.
    #[serde(deserialize_with = "values::connections")]
    pub connections: usize,
    /// Connections of one client: an IPv4 address or the /64 of an IPv6 address, trusted proxies aside. A quarter of
    /// all where it is not said.
    #[serde(deserialize_with = "values::connections_per_client")]
    pub connections_per_client: Option<usize>,
    /// Requests a second from one client address; without it there is no such limit.
    #[serde(deserialize_with = "values::rate")]
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

/// The admin listener's own protection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// A file with the bearer token for whatever changes something.
    pub token_file: Option<PathBuf>,
}

/// How the gate ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// How long it still accepts, not ready any more.
    #[serde(deserialize_with = "values::time")]
    pub drain: Duration,
    /// How long requests under way may take after that.
    #[serde(deserialize_with = "values::time")]
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain: Duration::from_secs(5), grace: Duration::from_secs(30) }
    }
}
