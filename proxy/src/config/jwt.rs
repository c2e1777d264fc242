//! The issuers whose tokens are accepted, and the users about whom they may speak.

mod algorithm;
mod doubts;
mod issuer_name;
mod speaks_for;

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use super::schema::forms;
use super::values;

pub use algorithm::Algorithm;
pub use issuer_name::IssuerName;
pub use speaks_for::{Broken, Pattern, SpeaksFor};

/// The tokens that are accepted.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The maximum difference between the clocks of issuers and the clock of the gate.
    #[serde(default = "Jwt::default_leeway", deserialize_with = "values::leeway")]
    #[schemars(schema_with = "forms::leeway")]
    pub leeway: Duration,
    /// The cookie that may carry a token instead of `Authorization`.
    #[serde(default, deserialize_with = "values::cookie")]
    #[schemars(schema_with = "forms::cookie")]
    pub cookie: Option<String>,
    /// The issuers whose tokens are accepted: at least one, no two of the same name.
    #[serde(deserialize_with = "issuers")]
    #[schemars(length(min = 1))]
    pub issuers: Vec<Issuer>,
}

impl Jwt {
    pub(super) const fn default_leeway() -> Duration {
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

/// An issuer of tokens.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// The issuer of the tokens (`iss`); or a template with the name of a claim in braces, such as
    /// `https://login.microsoftonline.com/{tid}/v2.0`.
    #[serde(default = "Issuer::default_issuer")]
    #[schemars(schema_with = "forms::issuer_name")]
    pub issuer: IssuerName,
    /// The values that are accepted in place of the claim that a template names.
    #[serde(default, deserialize_with = "values::names")]
    #[schemars(schema_with = "forms::names")]
    pub issuer_values: Vec<String>,
    /// Whether every value is accepted in place of the claim: every tenant of the provider may sign in.
    #[serde(default)]
    pub dangerous_any_issuer_value: bool,
    /// The audiences (`aud`), one of which a token must name.
    #[serde(default = "Issuer::default_audiences", deserialize_with = "values::names")]
    #[schemars(schema_with = "forms::names")]
    pub audiences: Vec<String>,
    /// The claim that names the audience where tokens have no `aud`, such as `client_id`.
    #[serde(default, deserialize_with = "values::optional_name")]
    #[schemars(schema_with = "forms::optional_name")]
    pub audience_claim: Option<String>,
    /// The claim with the id of the user. Choose none that people can change themselves, such as `email`.
    #[serde(default = "Issuer::default_subject_claim", deserialize_with = "values::name")]
    #[schemars(schema_with = "forms::name")]
    pub subject_claim: String,
    /// The algorithms by which tokens may be signed.
    #[serde(default = "Issuer::default_algorithms", deserialize_with = "algorithm::list")]
    #[schemars(schema_with = "forms::algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// The key set of the issuer (JWKS): a file, followed while the gate runs, or an http(s) URL, fetched regularly.
    #[schemars(schema_with = "forms::key_set")]
    pub jwks: JwksSource,
    /// The users about whom tokens of this issuer may speak. Without this section: every user.
    #[serde(default, deserialize_with = "speaks_for::restriction")]
    pub speaks_for: SpeaksFor,
}

impl Issuer {
    /// An issuer of this name with the default of every other key.
    ///
    /// # Errors
    ///
    /// Fails if the name is invalid.
    pub fn usual(name: &str, jwks: JwksSource) -> Result<Self, &'static str> {
        Ok(Self {
            issuer: IssuerName::parse(name)?,
            issuer_values: Vec::new(),
            dangerous_any_issuer_value: false,
            audiences: Self::default_audiences(),
            audience_claim: None,
            subject_claim: Self::default_subject_claim(),
            algorithms: Self::default_algorithms(),
            jwks,
            speaks_for: SpeaksFor::default(),
        })
    }

    pub(super) fn default_issuer() -> IssuerName {
        IssuerName::plain("https://auth.cedargate.example")
    }

    pub(super) fn default_audiences() -> Vec<String> {
        vec!["cedargate".to_owned()]
    }

    pub(super) fn default_subject_claim() -> String {
        "sub".to_owned()
    }

    fn default_algorithms() -> Vec<Algorithm> {
        Algorithm::USUAL.to_vec()
    }

    /// Whether this entry is for tokens with this `iss` and these claims. For a template, the value in
    /// `iss` must be one of the accepted values and must equal the claim of the token.
    #[must_use]
    pub fn signs_as(&self, iss: &str, claims: &Map<String, Value>) -> bool {
        let Some(value) = self.issuer.value_in(iss) else { return false };
        let Some(claim) = self.issuer.claim() else { return true };
        let allowed =
            self.dangerous_any_issuer_value || self.issuer_values.iter().any(|it| it == value);
        allowed && claims.get(claim).and_then(Value::as_str) == Some(value)
    }
}

/// The location of an issuer's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// A file, read again when it changes.
    File(PathBuf),
    /// An http(s) URL, fetched regularly.
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
