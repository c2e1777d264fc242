//! JSON bodies, which are read late and only if the route declares one (`domain.md`, layer 4).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use policy_store::routes::{Body, Route};
use serde_json::Value;

use crate::accept::{Arrival, Control};
use crate::http::media_type;
use crate::http::tenant_names;
use crate::judge::strict_json::{self, Object};

/// The maximum length, in bytes, of the name of a member at the top of a judged body. Policies see all names.
const NAME: usize = 256;

/// The reason why a body cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// The request has a body, and the route takes none.
    #[error("the route takes no body (`body: none`)")]
    Unexpected,
    /// The body is longer than `limits.json_body`.
    #[error("the body is longer than `limits.json_body`")]
    TooLarge,
    /// The body has more members than `limits.json_members`, or a very long name.
    #[error("the body has more than {0} members, or the name of one is longer than {NAME} bytes")]
    TooManyMembers(usize),
    /// The body is not JSON, has another charset, or has a content coding.
    #[error("the body is not JSON in UTF-8, or is coded")]
    Unsupported,
    /// The body is not one JSON object, or a member is invalid.
    #[error("the body is not valid: {0}")]
    Invalid(String),
}

/// The limits and names by which a body is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The names of members that name a tenant (`tenancy.names`).
    pub(crate) tenant_names: &'a [String],
    /// The maximum number of members at the top (`limits.json_members`).
    pub(crate) members: usize,
}

/// The parsed top level of a body.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    bytes: Bytes,
    /// The name of each member, and the position of its value.
    members: Vec<(Arc<str>, Range<usize>)>,
    /// The names of all members except those that name a tenant, sorted.
    pub(crate) fields: Vec<Arc<str>>,
}

/// Refuses a body if the route takes none.
pub(crate) fn expected(route: Option<&Arc<Route>>, arrival: &Arrival) -> Result<(), BodyFault> {
    let takes_none = route.is_some_and(|route| route.body == Body::None);
    if takes_none && arrival.has_body { Err(BodyFault::Unexpected) } else { Ok(()) }
}

/// Refuses a body that is not JSON, before it is read.
pub(crate) fn supported(control: &Control) -> Result<(), BodyFault> {
    let kind = control.content_type.as_deref().unwrap_or_default();
    let readable = media_type::is_json(kind) && !control.coded;
    if readable { Ok(()) } else { Err(BodyFault::Unsupported) }
}

/// Parses a complete body. An empty body counts as `{}`.
pub(crate) fn judge(body: &Bytes, terms: Terms<'_>) -> Result<Judged, BodyFault> {
    if body.is_empty() {
        return Ok(Judged::default());
    }
    let object = Object::parse(body).map_err(|error| BodyFault::Invalid(error.to_string()))?;
    let members = object.members();
    if members.len() > terms.members || members.iter().any(|member| member.name.len() > NAME) {
        return Err(BodyFault::TooManyMembers(terms.members));
    }
    let mut judged = Judged { bytes: body.clone(), ..Judged::default() };
    for member in members {
        if tenant_names::is_alias(&member.name, terms.tenant_names) {
            return Err(BodyFault::Invalid(format!("`{}` is nearly a tenant's name", member.name)));
        }
        let name: Arc<str> = Arc::from(&*member.name);
        if !terms.tenant_names.iter().any(|known| **known == *name) {
            judged.fields.push(Arc::clone(&name));
        }
        judged.members.push((name, member.place.clone()));
    }
    judged.fields.sort_unstable();
    Ok(judged)
}

impl Judged {
    fn get(&self, name: &str) -> Option<Value> {
        let (_, place) = self.members.iter().find(|(own, _)| **own == *name)?;
        Some(strict_json::value(self.bytes.get(place.clone()).unwrap_or_default()))
    }

    /// The tenants that the body names.
    pub(crate) fn tenants(&self, tenant_names: &[String]) -> Result<Vec<Arc<str>>, BodyFault> {
        let named = tenant_names.iter().filter_map(|name| Some((name, self.get(name)?)));
        named
            .map(|(name, value)| match value {
                Value::String(id) => Ok(Arc::from(id)),
                _ => Err(BodyFault::Invalid(format!("`{name}` is not a string"))),
            })
            .collect()
    }

    /// The roles that the member `name` hands out, sorted.
    pub(crate) fn roles(
        &self,
        name: &str,
        known: impl Fn(&str) -> bool,
    ) -> Result<Vec<Arc<str>>, BodyFault> {
        let fault = || BodyFault::Invalid(format!("`{name}` is not a list of known roles"));
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
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
