//! The sections about the names of tenants, cross-origin pages and redirects of browsers.

use std::collections::BTreeMap;

use http::Uri;
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};

use super::schema::forms;
use super::values;

/// How a request names its tenant.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tenancy {
    /// The names under which query parameters and members of a JSON body hold the id of a tenant.
    #[serde(deserialize_with = "values::names")]
    #[schemars(schema_with = "forms::names")]
    pub names: Vec<String>,
    /// What follows the slug of a tenant in a host name, such as `.clinics.example`.
    #[serde(deserialize_with = "host_suffix")]
    #[schemars(schema_with = "forms::host_suffix")]
    pub host_suffix: Option<String>,
    /// The slugs of tenants by host name, for hosts that do not follow `tenancy.host_suffix`. An empty slug names no
    /// tenant.
    #[serde(deserialize_with = "hosts")]
    #[schemars(schema_with = "forms::hosts")]
    pub hosts: BTreeMap<String, String>,
}

impl Default for Tenancy {
    fn default() -> Self {
        Self {
            names: vec!["organization_id".to_owned(), "organizationId".to_owned()],
            host_suffix: None,
            hosts: BTreeMap::new(),
        }
    }
}

fn host_suffix<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(d)? else { return Ok(None) };
    let suffix = text.strip_prefix('.').and_then(|name| values::host_name(name).ok());
    match suffix {
        Some(name) => Ok(Some(format!(".{name}"))),
        None => Err(D::Error::custom(format!(
            "`{text}` will not do; write a domain with a leading dot, such as `.clinics.example`"
        ))),
    }
}

fn hosts<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let mut hosts = BTreeMap::new();
    for (host, slug) in BTreeMap::<String, String>::deserialize(d)? {
        let name = values::host_name(&host).map_err(D::Error::custom)?;
        if hosts.insert(name, slug).is_some() {
            return Err(D::Error::custom(format!("`{host}` is there twice; remove one")));
        }
    }
    Ok(hosts)
}

/// The pages of other origins that may call, with credentials.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The origins whose pages may call: `scheme://host` or `scheme://host:port`.
    #[serde(deserialize_with = "origins")]
    #[schemars(schema_with = "forms::origins")]
    pub origins: Vec<String>,
    /// The header fields that pages may send besides `Authorization`, `Content-Type`, `X-Tenant`, `X-Break-Glass` and
    /// `X-Request-Id`. At most 64 names.
    #[serde(default = "Cors::default_allow_headers", deserialize_with = "fields")]
    #[schemars(schema_with = "forms::cors_fields")]
    pub allow_headers: Vec<String>,
    /// The header fields of answers that pages may read besides `X-Request-Id` and those that the upstream itself
    /// exposes. At most 64 names.
    #[serde(default = "Cors::default_expose_headers", deserialize_with = "fields")]
    #[schemars(schema_with = "forms::cors_fields")]
    pub expose_headers: Vec<String>,
}

/// The maximum number of names in a list of header fields.
const FIELDS: usize = 64;

impl Cors {
    /// The fields that single-page applications send: conditions, idempotency, traces, and anti-forgery tokens.
    pub(super) fn default_allow_headers() -> Vec<String> {
        let usual = [
            "If-Match",
            "If-None-Match",
            "Idempotency-Key",
            "traceparent",
            "tracestate",
            "X-CSRF-Token",
            "X-Requested-With",
        ];
        usual.map(str::to_owned).into()
    }

    /// The fields that single-page applications read: versions, pages, locations, retry times, sign-in challenges.
    pub(super) fn default_expose_headers() -> Vec<String> {
        ["ETag", "Link", "Location", "Retry-After", "WWW-Authenticate"].map(str::to_owned).into()
    }
}

/// Names of header fields. `*` is refused: with credentials it would be a field of that name (the Fetch standard).
fn fields<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let fields = values::each(d, |text| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !text.is_empty() && text.len() <= 128 && text.bytes().all(plain) {
            return Ok(text.to_owned());
        }
        Err(format!(
            "invalid field name `{text}`: write each one out, in letters, digits and `-`, such as `If-Match`"
        ))
    })?;
    if fields.len() > FIELDS {
        return Err(D::Error::custom(format!("has more than {FIELDS} names; remove some")));
    }
    Ok(fields)
}

fn origins<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let origins = values::each(d, |text| {
        origin(text).ok_or_else(|| {
            format!("`{text}` is no origin; write each one out, such as `https://tools.example`")
        })
    })?;
    if origins.is_empty() {
        Err(D::Error::custom("is empty; name at least one"))
    } else {
        Ok(origins)
    }
}

fn origin(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok().filter(|_| values::is_url(text))?;
    let scheme = uri.scheme_str()?;
    let authority = uri.authority()?;
    // `Uri` reads an absent path as `/`, so what was written is compared.
    let bare =
        text.get(scheme.len()..)?.strip_prefix("://")?.eq_ignore_ascii_case(authority.as_str());
    let own_port = if scheme == "https" { 443 } else { 80 };
    let host = authority.host().to_ascii_lowercase();
    let port = match authority.port() {
        Some(port) if port.as_u16() != own_port => format!(":{port}"),
        _ => String::new(),
    };
    (bare && !host.contains('*')).then(|| format!("{scheme}://{host}{port}"))
}

/// Where a browser is sent instead of seeing a denial.
#[derive(Clone, Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redirect {
    /// Where a browser is sent that has no valid token (401).
    #[serde(deserialize_with = "values::url")]
    #[schemars(schema_with = "forms::url")]
    pub unauthenticated: Option<String>,
    /// Where a browser is sent that asks for a path outside the boundary of its caller (403 `outside_boundary`).
    #[serde(deserialize_with = "values::url")]
    #[schemars(schema_with = "forms::url")]
    pub outside_boundary: Option<String>,
}
