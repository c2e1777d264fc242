//! Stage 2 of 7: resolve.
//!
//! Takes an [`Arrival`] and the table of routes; gives an [`Access`]: what is asked for, and which
//! tenants the head names. A path that no route declares is a value, not a refusal: the boundary
//! is judged first. No I/O.

use std::sync::Arc;

use policy_store::bundle::{Bundle, Slice, UNMAPPED};
use policy_store::cache::Weigh as _;
use policy_store::facts::OrganizationKey;
use policy_store::routes::{Body, Matched, Route};

use crate::accept::{Arrival, Malformed};
use crate::config::Tenancy;

/// What a request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    matched: Option<Matched>,
    /// The tenants that its query names.
    query_tenants: Vec<Arc<str>>,
}

/// Finds the route, and the tenants that the query names.
///
/// # Errors
///
/// A query whose pair with the name of a tenant is badly escaped, on any route.
pub(crate) fn resolve(
    arrival: &Arrival,
    bundle: &Bundle,
    tenancy: &Tenancy,
) -> Result<Access, Malformed> {
    let query = arrival.query.as_deref().unwrap_or_default();
    Ok(Access {
        matched: bundle.routes().find(&arrival.method, &arrival.path),
        query_tenants: query_tenants(query, &tenancy.names)?,
    })
}

impl Access {
    /// What a request asks for whose query names no tenant.
    pub(crate) fn found(method: &str, path: &str, bundle: &Bundle) -> Self {
        Self { matched: bundle.routes().find(method, path), query_tenants: Vec::new() }
    }

    /// The same without the tenants that the query names: no policy sees the query.
    pub(crate) fn without_tenants(&self) -> Self {
        Self { matched: self.matched.clone(), query_tenants: Vec::new() }
    }

    /// How many bytes the parts of the path take that it names.
    pub(crate) fn named(&self) -> usize {
        let matched = self.matched.as_ref();
        matched.map_or(0, |it| it.id.weight() + it.workflow.weight())
    }

    /// Whether it takes the same object and the same of a body.
    pub(crate) fn takes_as(&self, other: &Self) -> bool {
        let body = |it: &Self| it.route().map(|route| (route.body, route.roles_in.clone()));
        self.object() == other.object() && body(self) == body(other)
    }

    /// The route; `None` when there is none for this method and path.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.matched.as_ref().map(|matched| &matched.route)
    }

    /// The policies about it.
    pub(crate) fn slice<'b>(&self, bundle: &'b Bundle) -> &'b Slice {
        let routed = self.route().and_then(|route| bundle.slice(&route.action));
        routed.unwrap_or_else(|| bundle.unmapped())
    }

    /// The Cedar action.
    pub(crate) fn action(&self) -> &str {
        self.route().map_or(UNMAPPED, |route| &route.action)
    }

    /// The object that it names, when its owner is to be looked up.
    pub(crate) fn object(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        let matched = self.matched.as_ref()?;
        matched.route.scope.looks_up().then_some(())?;
        Some((&matched.route.resource, matched.id.as_ref()?))
    }

    /// The id in the path, looked up or not.
    pub(crate) fn id(&self) -> Option<&Arc<str>> {
        self.matched.as_ref()?.id.as_ref()
    }

    /// The workflow in the path.
    pub(crate) fn workflow(&self) -> Option<&Arc<str>> {
        self.matched.as_ref()?.workflow.as_ref()
    }

    /// What the paywall asks for.
    pub(crate) fn feature(&self) -> Option<&Arc<str>> {
        self.route()?.feature.as_ref()
    }

    /// Whether the body is read and judged.
    pub(crate) fn reads_body(&self) -> bool {
        self.route().is_some_and(|route| route.body == Body::Json)
    }

    /// All tenants that host, header and query name.
    pub(crate) fn tenants(&self, arrival: &Arrival, tenancy: &Tenancy) -> Vec<OrganizationKey> {
        let mut keys = Vec::new();
        if let Some(slug) = arrival.host.as_ref().and_then(|host| host_tenant(&host.name, tenancy))
        {
            keys.push(OrganizationKey::Slug(Arc::from(slug)));
        }
        if let Some(slug) = &arrival.control.tenant {
            keys.push(OrganizationKey::Slug(Arc::from(String::from_utf8_lossy(slug).into_owned())));
        }
        keys.extend(self.query_tenants.iter().cloned().map(OrganizationKey::Id));
        keys
    }
}

/// The slug that a host names: by its entry in `tenancy.hosts`, else by the suffix.
fn host_tenant<'a>(host: &'a str, tenancy: &'a Tenancy) -> Option<&'a str> {
    if let Some(slug) = tenancy.hosts.get(host) {
        return (!slug.is_empty()).then_some(slug);
    }
    host.strip_suffix(tenancy.host_suffix.as_deref()?)
}

/// The values of the pairs with one of `names` in an `application/x-www-form-urlencoded` query.
fn query_tenants(query: &[u8], names: &[String]) -> Result<Vec<Arc<str>>, Malformed> {
    const FAULT: Malformed = Malformed::Request("the query names a tenant in a bad encoding");
    let mut tenants = Vec::new();
    for pair in query.split(|byte| *byte == b'&') {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let Some(name) = halves.next().and_then(form_decoded) else { continue };
        if names.contains(&name) {
            let value = form_decoded(halves.next().unwrap_or_default()).ok_or(FAULT)?;
            tenants.push(Arc::from(value));
        }
    }
    Ok(tenants)
}

/// `None`: a bad escape, or no UTF-8.
fn form_decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}
