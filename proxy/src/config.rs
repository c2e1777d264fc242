//! The configuration: what the operator wrote, as legal values.
//!
//! A flag wins over the environment, the environment over the file, the file over the defaults. All
//! of them are merged into one tree that remembers where each value came from, so that whatever is
//! wrong is reported with file and line (or the variable's name) and a remedy. After
//! [`Config::load`] nothing has to be checked again.

mod audit;
mod check;
mod error;
mod headers;
mod jwt;
mod log;
mod memory;
mod overrides;
mod paths;
mod sections;
mod source;
#[cfg(test)]
mod tests;
mod values;
mod web;

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

pub use ::audit::Durability;
pub use audit::{Audit, AuditDatabase};
pub use error::{ConfigError, Place};
pub use headers::Headers;
pub use jwt::{Algorithm, Broken, Issuer, IssuerName, JwksSource, Jwt, Pattern, SpeaksFor};
pub use log::{Log, LogFormat, LogLevel};
pub use memory::Memory;
pub use sections::{
    Admin, Admit, Assertion, DatabaseUrl, Facts, Limits, Listen, Policies, Shutdown, Upstream,
};
pub use web::{Cors, Redirect, Tenancy};

use overrides::Override;
use source::Source;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "cedargate.yaml";

/// Everything that the operator decides, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the gate listens.
    #[serde(default)]
    pub listen: Listen,
    /// The application behind the gate.
    #[serde(default)]
    pub upstream: Upstream,
    /// Whose tokens are believed.
    pub jwt: Jwt,
    /// Where users and organisations are looked up.
    pub facts: Facts,
    /// Where the policies are.
    pub policies: Policies,
    /// Where decisions are recorded.
    pub audit: Audit,
    /// How a request names its tenant.
    #[serde(default)]
    pub tenancy: Tenancy,
    /// Which header fields of clients reach the upstream.
    #[serde(default)]
    pub headers: Headers,
    /// What a request may take.
    #[serde(default)]
    pub limits: Limits,
    /// How much is remembered.
    #[serde(default)]
    pub memory: Memory,
    /// Peers whose `X-Forwarded-*` headers are believed.
    #[serde(default, deserialize_with = "values::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Cross-origin requests; without it the gate leaves `OPTIONS` to the policies.
    #[serde(default)]
    pub cors: Option<Cors>,
    /// Where denied browsers are sent; without it they get the denial itself.
    #[serde(default)]
    pub redirect: Option<Redirect>,
    /// The admin listener's own protection.
    #[serde(default)]
    pub admin: Admin,
    /// Names besides loopback's that the admin listener answers to, in lower case.
    #[serde(default, deserialize_with = "values::host_names")]
    pub admin_hosts: Vec<String>,
    /// The log, which the gate writes to standard error.
    #[serde(default)]
    pub log: Log,
    /// How the gate ends.
    #[serde(default)]
    pub shutdown: Shutdown,
    /// Threads of the runtime; as many as there are cores when absent.
    #[serde(default, deserialize_with = "values::workers")]
    pub workers: Option<usize>,
    /// Whether decisions and verified tokens are remembered. Without it each request is verified and decided anew,
    /// and answered the same.
    #[serde(default = "values::yes")]
    pub fast_paths: bool,
}

impl Config {
    /// Where every bundle that was in force is kept.
    pub fn policy_archive(&self) -> PathBuf {
        let usual = || self.audit.directory.join("policies");
        self.policies.archive.clone().unwrap_or_else(usual)
    }

    /// Reads the file (`cedargate.yaml` in the working directory when none is named) and the
    /// environment.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or if a key is unknown, missing or has a bad value.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::load_with(path, env, &[])
    }

    /// Like [`load`](Self::load), under flags: pairs of a dotted key (`listen.proxy`) and a value
    /// in YAML.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
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

    /// What [`load_with`](Self::load_with) makes of `text`, the content of `file`. Reads no file.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
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
