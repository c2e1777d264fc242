//! The section about the header fields of clients.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Deserializer;

use super::schema::forms;
use super::{Tenancy, values};
use crate::http::hygiene::Hygiene;

/// The header fields of clients that reach the upstream, beyond the rules of the gate itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Headers {
    /// The names with characters other than letters, digits and `-` that pass all the same, such as `sentry_trace`.
    /// CGI, WSGI, Rack and PHP read such characters as `_`.
    #[serde(deserialize_with = "odd_names")]
    #[schemars(schema_with = "forms::field_names")]
    pub allow: Vec<String>,
    /// Further names that do not pass, such as `X-Forwarded-Client-Cert` behind a mesh.
    #[serde(deserialize_with = "names")]
    #[schemars(schema_with = "forms::field_names")]
    pub strip: Vec<String>,
}

impl Headers {
    /// The hygiene rules for this section, with the names of tenants included.
    pub(crate) fn hygiene(&self, tenancy: &Tenancy) -> Hygiene {
        Hygiene::new(&self.allow, &self.strip, &tenancy.names)
    }
}

fn names<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    values::each(d, name)
}

fn odd_names<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    values::each(d, |text| {
        let name = name(text)?;
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(format!(
                "`{text}` needs no exception: it holds only letters, digits and `-`; remove it"
            ));
        }
        Ok(name)
    })
}

fn name(text: &str) -> Result<String, String> {
    HeaderName::from_bytes(text.as_bytes()).map(|name| name.as_str().to_owned()).map_err(|_| {
        format!("`{text}` is no name of a header field; write one such as `X-Partner-Id`")
    })
}
