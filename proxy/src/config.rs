//! The configuration: what the operator wrote, parsed into legal values.
//!
//! A flag overrides the environment, the environment overrides the file, the file overrides the defaults. All of them
//! are merged into one tree that remembers where each value came from, so that an error names the file and line (or
//! the variable) and a remedy. After [`Config::load`] nothing has to be checked again.

mod audit;
mod check;
mod error;
mod headers;
mod jwt;
mod log;
mod memory;
mod overrides;
mod paths;
mod schema;
mod sections;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod web;

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

pub use ::audit::Durability;
pub use audit::{Audit, AuditDatabase};
pub use error::{ConfigError, Place};
pub use headers::Headers;
pub use jwt::{Algorithm, Broken, Issuer, IssuerName, JwksSource, Jwt, Pattern, SpeaksFor};
pub use log::{Log, LogFormat, LogLevel};
pub use memory::Memory;
pub use schema::{page, schema};
pub use sections::{
    Admin, Admit, Assertion, DatabaseUrl, Facts, Limits, Listen, Policies, Shutdown, Upstream,
};
pub use web::{Cors, Redirect, Tenancy};

use overrides::Override;
use schema::forms;
use source::Source;

/// The configuration file that is read by default.
pub const DEFAULT_FILE: &str = "cedargate.yaml";

/// The whole configuration, checked.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The addresses on which the gate listens.
    #[serde(default)]
    pub listen: Listen,
    /// The application behind the gate.
    #[serde(default)]
    pub upstream: Upstream,
    /// The tokens that are accepted.
    pub jwt: Jwt,
    /// The database in which users, organizations and objects are looked up.
    pub facts: Facts,
    /// The policies, and which changes of them take effect.
    pub policies: Policies,
    /// The audit journal, in which every decision is recorded, and its delivery to a database.
    pub audit: Audit,
    /// How a request names its tenant.
    #[serde(default)]
    pub tenancy: Tenancy,
    /// The header fields of clients that reach the upstream, beyond the rules of the gate itself.
    #[serde(default)]
    pub headers: Headers,
    /// What a request and a client may take.
    #[serde(default)]
    pub limits: Limits,
    /// How much is remembered. Clients choose what there is to remember, so each memory has a maximum in bytes; at
    /// the maximum it forgets what was not asked for lately.
    #[serde(default)]
    pub memory: Memory,
    /// The networks of proxies whose `X-Forwarded-For`, `X-Forwarded-Host` and `X-Forwarded-Proto` are believed, in
    /// CIDR notation.
    #[serde(default, deserialize_with = "values::networks")]
    #[schemars(schema_with = "forms::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// The pages of other origins that may call, with credentials. Without this section none may, and `OPTIONS` is
    /// left to the policies.
    #[serde(default)]
    pub cors: Option<Cors>,
    /// Where a browser is sent instead of seeing a denial. Without this section it sees the denial.
    #[serde(default)]
    pub redirect: Option<Redirect>,
    /// The protection of the admin listener.
    #[serde(default)]
    pub admin: Admin,
    /// The names, besides those of the loopback interface, under which the admin listener answers.
    #[serde(default, deserialize_with = "values::host_names")]
    #[schemars(schema_with = "forms::host_names")]
    pub admin_hosts: Vec<String>,
    /// The log, which the gate writes to standard error.
    #[serde(default)]
    pub log: Log,
    /// What happens between SIGTERM and the end of the process.
    #[serde(default)]
    pub shutdown: Shutdown,
    /// The number of threads that serve requests. Without this key: the number of cores.
    #[serde(default, deserialize_with = "values::workers")]
    #[schemars(schema_with = "forms::workers")]
    pub workers: Option<usize>,
}

impl Config {
    /// The directory that keeps every bundle that was in force.
    pub fn policy_archive(&self) -> PathBuf {
        let usual = || self.audit.directory.join("policies");
        self.policies.archive.clone().unwrap_or_else(usual)
    }

    /// Reads the file (by default `cedargate.yaml` in the working directory) and the
    /// environment.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or if a key is unknown, missing or has an invalid value.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::load_with(path, env, &[])
    }

    /// Like [`load`](Self::load), with flags that override the rest: pairs of a dotted key
    /// (`listen.proxy`) and a value in YAML.
    ///
    /// # Errors
    ///
    /// Fails as [`load`](Self::load) does.
    pub fn load_with(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_FILE));
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
        Self::parse(file, &text, env, flags)
    }

    /// Like [`load_with`](Self::load_with), for `text`, the content of `file`. Reads no file.
    ///
    /// # Errors
    ///
    /// Fails as [`load`](Self::load) does.
    pub fn parse(
        file: &Path,
        text: &str,
        env: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut source = Source::parse(file, text)?;
        for over in overrides::from_env(env)? {
            source.apply(&over)?;
        }
        for (key, value) in flags {
            source.apply(&Override::from_flag(key, value)?)?;
        }
        check::complete(&source)?;
        let mut config: Self = source.typed()?;
        check::consistent(&config, &source)?;
        config.resolve(file.parent().unwrap_or(Path::new("")));
        Ok(config)
    }
}
