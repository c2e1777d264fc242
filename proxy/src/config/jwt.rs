//! Whose tokens are believed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

use super::values;

/// Whose tokens are believed.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// How far the clocks of issuers may be apart from ours.
    #[serde(default = "Jwt::default_leeway", deserialize_with = "values::leeway")]
    pub leeway: Duration,
    /// The cookie that may carry a token instead of `Authorization`.
    #[serde(default, deserialize_with = "values::cookie")]
    pub cookie: Option<String>,
    /// At least one; no two of the same name.
    #[serde(deserialize_with = "issuers")]
    pub issuers: Vec<Issuer>,
}

impl Jwt {
    const fn default_leeway() -> Duration {
        Duration::from_secs(30)
    }
}

fn issuers<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Issuer>, D::Error> {
    let issuers = Vec::<Issuer>::deserialize(d)?;
    if issuers.is_empty() {
        Err(D::Error::custom("is empty; name at least one"))
    } else {
        Ok(issuers)
    }
}

/// One issuer of tokens.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The `iss` of its tokens, byte for byte.
    #[serde(default = "Issuer::default_issuer", deserialize_with = "values::name")]
    pub issuer: String,
    /// A token must be for one of them (`aud`).
    #[serde(default = "Issuer::default_audiences", deserialize_with = "values::names")]
    pub audiences: Vec<String>,
    /// How its tokens may be signed.
    #[serde(default = "Issuer::default_algorithms", deserialize_with = "algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub jwks: JwksSource,
}

impl Issuer {
    fn default_issuer() -> String {
        "https://auth.cedargate.example".to_owned()
    }

    fn default_audiences() -> Vec<String> {
        vec!["cedargate".to_owned()]
    }

    fn default_algorithms() -> Vec<Algorithm> {
        Algorithm::ALL.to_vec()
    }
}

fn algorithms<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Algorithm>, D::Error> {
    let algorithms = Vec::<Algorithm>::deserialize(d)?;
    if algorithms.is_empty() {
        return Err(D::Error::custom("is empty; list `EdDSA`, `ES256` or `RS256`"));
    }
    Ok(algorithms)
}

/// How a token may be signed. Shared secrets are not among them, and `none` never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519.
    EdDSA,
    /// ECDSA on P-256.
    ES256,
    /// RSA, PKCS#1 v1.5.
    RS256,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::EdDSA, Self::ES256, Self::RS256];

    /// The word for it in a token's `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
        }
    }

    /// The algorithm of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            D::Error::custom(format!("`{name}` is not accepted; use `EdDSA`, `ES256` or `RS256`"))
        })
    }
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// In a file, read again when it changes.
    File(PathBuf),
    /// At an http(s) URL, fetched again now and then.
    Url(String),
}

impl<'de> Deserialize<'de> for JwksSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = values::name(deserializer)?;
        if !text.contains("://") {
            return Ok(Self::File(text.into()));
        }
        if values::is_url(&text) {
            return Ok(Self::Url(text));
        }
        let remedy = "write a file's path, or an http(s) URL without user name and password";
        Err(D::Error::custom(format!("is no place for keys; {remedy}")))
    }
}
