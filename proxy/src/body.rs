//! JSON bodies, read late and only where a route says so (`domain.md`, layer 4).

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::accept::Control;
use crate::strict_json;

/// Why a body cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Longer than `limits.json_body`.
    #[error("the body is longer than the limit")]
    TooLarge,
    /// Of another type than JSON, or coded.
    #[error("the body is not JSON, or is coded")]
    Unsupported,
    /// Not one JSON object, or one that does not hold what it must.
    #[error("the body is not valid: {0}")]
    Invalid(String),
}

/// What the gate needs to know of a body.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    object: Map<String, Value>,
    /// The names of its members but for those that name a tenant, sorted.
    pub(crate) fields: Vec<Arc<str>>,
}

/// Refuses a body of another type than JSON before it is read.
pub(crate) fn supported(control: &Control) -> Result<(), BodyFault> {
    let kind = control.content_type.as_deref().unwrap_or_default();
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let essence = essence.to_ascii_lowercase();
    let structured = essence.strip_prefix(b"application/").is_some_and(|sub| {
        sub == b"json"
            || sub.strip_suffix(b"+json").is_some_and(|it| !it.is_empty() && is_plain(it))
    });
    if structured && !control.coded { Ok(()) } else { Err(BodyFault::Unsupported) }
}

fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| crate::head::is_token(*byte))
}

/// Reads a body whole. None at all counts as `{}`.
pub(crate) fn judge(body: &Bytes, tenant_names: &[String]) -> Result<Judged, BodyFault> {
    if body.is_empty() {
        return Ok(Judged::default());
    }
    let object =
        strict_json::parse_object(body).map_err(|error| BodyFault::Invalid(error.to_string()))?;
    let names = object.keys().filter(|name| !tenant_names.contains(name));
    let mut fields: Vec<Arc<str>> = names.map(|name| Arc::from(name.as_str())).collect();
    fields.sort_unstable();
    Ok(Judged { object, fields })
}

impl Judged {
    /// The tenants that it names.
    pub(crate) fn tenants(&self, tenant_names: &[String]) -> Result<Vec<Arc<str>>, BodyFault> {
        let named = tenant_names.iter().filter_map(|name| Some((name, self.object.get(name)?)));
        named
            .map(|(name, value)| match value {
                Value::String(id) => Ok(Arc::from(id.as_str())),
                _ => Err(BodyFault::Invalid(format!("`{name}` is not a string"))),
            })
            .collect()
    }

    /// The roles that it hands out in its member `name`, sorted.
    pub(crate) fn roles(
        &self,
        name: &str,
        known: impl Fn(&str) -> bool,
    ) -> Result<Vec<Arc<str>>, BodyFault> {
        let fault = || BodyFault::Invalid(format!("`{name}` is not a list of known roles"));
        let Some(value) = self.object.get(name) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(fault)?;
        let role = |item: &Value| {
            item.as_str().filter(|role| known(role)).map(Arc::from).ok_or_else(fault)
        };
        let mut roles: Vec<Arc<str>> = items.iter().map(role).collect::<Result<_, _>>()?;
        roles.sort_unstable();
        roles.dedup();
        Ok(roles)
    }
}
