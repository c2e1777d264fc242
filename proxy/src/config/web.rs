//! The sections about the names of tenants and the ways of browsers.

use std::collections::BTreeMap;

use http::Uri;
use serde::de::{Deserialize, Deserializer, Error};

use super::values;

/// How a request names its tenant.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tenancy {
    /// The names of tenants' ids in query and body.
    #[serde(deserialize_with = "values::names")]
    pub names: Vec<String>,
    /// `.clinics.example`: what follows the slug in a host. Lower case, no trailing dot.
    #[serde(deserialize_with = "host_suffix")]
    pub host_suffix: Option<String>,
    /// Slugs by host (lower case, no trailing dot); an empty one names no tenant.
    #[serde(deserialize_with = "hosts")]
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

/// Cross-origin requests.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Whose pages may call: `scheme://host[:port]` as browsers write it, lower case, without the
    /// scheme's own port.
    #[serde(deserialize_with = "origins")]
    pub origins: Vec<String>,
    /// What pages may send besides the fields that the gate itself reads.
    #[serde(default = "allow_headers", deserialize_with = "fields")]
    pub allow_headers: Vec<String>,
    /// What pages may read of answers besides `X-Request-Id` and what the upstream itself exposes.
    #[serde(default = "expose_headers", deserialize_with = "fields")]
    pub expose_headers: Vec<String>,
}

/// The maximum number of fields in a list of them.
const FIELDS: usize = 64;

/// What single-page applications send: conditions, idempotency, traces, and tokens against forged
/// requests.
fn allow_headers() -> Vec<String> {
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

/// What they read: versions, pages, where something is, when to try again, why to sign in.
fn expose_headers() -> Vec<String> {
    ["ETag", "Link", "Location", "Retry-After", "WWW-Authenticate"].map(str::to_owned).into()
}

/// Names of header fields. With credentials `*` would be a field of that name (the Fetch standard).
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

/// Where a browser's navigation is sent instead of being told of the denial.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redirect {
    /// When nobody is signed in (401).
    #[serde(deserialize_with = "values::url")]
    pub unauthenticated: Option<String>,
    /// When the path is outside the caller's boundary.
    #[serde(deserialize_with = "values::url")]
    pub outside_boundary: Option<String>,
}
