//! The section about the header fields of clients.

use http::HeaderName;
use serde::Deserialize;
use serde::de::Deserializer;

use super::{Tenancy, values};
use crate::http::hygiene::Hygiene;

/// What is added to the gate's own rules about which header fields of clients reach the upstream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Headers {
    /// Names that hold other characters than letters, digits and `-`, and pass all the same; in lower case.
    #[serde(deserialize_with = "odd_names")]
    pub allow: Vec<String>,
    /// Names that do not pass besides those of the gate; in lower case.
    #[serde(deserialize_with = "names")]
    pub strip: Vec<String>,
}

impl Headers {
    /// The rules of hygiene with these names, and with those by which requests name tenants.
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
