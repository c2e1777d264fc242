//! Stage 2 of 7: resolve.
//!
//! Takes an [`Arrival`] and the routes. Returns an [`Access`]: the matched route, and the tenants that
//! the query names. A path without a route is a value and not a refusal, because the boundary
//! is judged first. No I/O.

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::percent_decode;
use policy_store::bundle::{Bundle, Slice, UNMAPPED};
use policy_store::cache::Weigh as _;
use policy_store::facts::OrganizationKey;
use policy_store::routes::{Body, Matched, Route};

use crate::accept::{Arrival, Malformed};
use crate::config::Tenancy;
use crate::http::media_type;
use crate::http::tenant_names::is_alias;

/// The target of a request: the matched route with its parameters.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    matched: Option<Matched>,
    /// The tenants that the query names.
    query_tenants: Vec<Arc<str>>,
}

/// Finds the route, and the tenants that the query names.
///
/// # Errors
///
/// Fails, on any route, if a pair that names a tenant is badly escaped. Unless the route is public, also fails if some
/// upstream takes a name in the query for the name of a tenant, or reads the query in another charset.
pub(crate) fn resolve(
    arrival: &Arrival,
    bundle: &Bundle,
    tenancy: &Tenancy,
) -> Result<Access, Malformed> {
    let mut access = Access::found(&arrival.method, &arrival.path, bundle);
    if let Some(query) = arrival.query.as_deref() {
        let public = access.slice(bundle).public;
        access.query_tenants = query_tenants(query, &tenancy.names, public)?;
        // The type of a body that is judged is checked when the body is read.
        let looked_at = access.reads_body() && arrival.has_body;
        let kind = arrival.control.content_type.as_deref().unwrap_or_default();
        if !(public || looked_at || media_type::leaves_the_query_alone(kind)) {
            return Err(Malformed::Request("`Content-Type` names a charset for the query"));
        }
    }
    Ok(access)
}

impl Access {
    /// The access of a request whose query names no tenant.
    pub(crate) fn found(method: &str, path: &str, bundle: &Bundle) -> Self {
        Self { matched: bundle.routes().find(method, path), query_tenants: Vec::new() }
    }

    /// This access without the tenants of the query, which no policy sees.
    pub(crate) fn without_tenants(&self) -> Self {
        Self { matched: self.matched.clone(), query_tenants: Vec::new() }
    }

    /// The size in bytes of the parameters from the path.
    pub(crate) fn named(&self) -> usize {
        let matched = self.matched.as_ref();
        matched.map_or(0, |it| it.id.weight() + it.workflow.weight())
    }

    /// Whether both accesses have the same object and read the same parts of a body.
    pub(crate) fn takes_as(&self, other: &Self) -> bool {
        let body = |it: &Self| it.route().map(|route| (route.body, route.roles_in.clone()));
        self.object() == other.object() && body(self) == body(other)
    }

    /// The matched route, if any.
    pub(crate) fn route(&self) -> Option<&Arc<Route>> {
        self.matched.as_ref().map(|matched| &matched.route)
    }

    /// The policies about this access.
    pub(crate) fn slice<'b>(&self, bundle: &'b Bundle) -> &'b Slice {
        let routed = self.route().and_then(|route| bundle.slice(&route.action));
        routed.unwrap_or_else(|| bundle.unmapped())
    }

    /// The name of the Cedar action.
    pub(crate) fn action(&self) -> &str {
        self.route().map_or(UNMAPPED, |route| &route.action)
    }

    /// The object in the path, if the route looks its owner up.
    pub(crate) fn object(&self) -> Option<(&Arc<str>, &Arc<str>)> {
        let matched = self.matched.as_ref()?;
        matched.route.scope.looks_up().then_some(())?;
        Some((&matched.route.resource, matched.id.as_ref()?))
    }

    /// The id in the path, whether looked up or not.
    pub(crate) fn id(&self) -> Option<&Arc<str>> {
        self.matched.as_ref()?.id.as_ref()
    }

    /// The workflow in the path.
    pub(crate) fn workflow(&self) -> Option<&Arc<str>> {
        self.matched.as_ref()?.workflow.as_ref()
    }

    /// The feature that the route requires.
    pub(crate) fn feature(&self) -> Option<&Arc<str>> {
        self.route()?.feature.as_ref()
    }

    /// Whether the body is read and judged.
    pub(crate) fn reads_body(&self) -> bool {
        self.route().is_some_and(|route| route.body == Body::Json)
    }

    /// The tenants that the host, `X-Tenant` and the query name.
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

/// The slug for a host: from `tenancy.hosts`, else by the suffix.
fn host_tenant<'a>(host: &'a str, tenancy: &'a Tenancy) -> Option<&'a str> {
    if let Some(slug) = tenancy.hosts.get(host) {
        return (!slug.is_empty()).then_some(slug);
    }
    host.strip_suffix(tenancy.host_suffix.as_deref()?)
}

/// The values of the pairs with one of `names` in an `application/x-www-form-urlencoded` query. An alias of
/// one of `names` is refused unless the route is `public`.
fn query_tenants(query: &[u8], names: &[String], public: bool) -> Result<Vec<Arc<str>>, Malformed> {
    const BAD: Malformed = Malformed::Request("the query names a tenant in a bad encoding");
    const ALIAS: Malformed = Malformed::Request("a name in the query is nearly that of a tenant");
    let mut tenants = Vec::new();
    for pair in query.split(|byte| *byte == b'&') {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let raw = halves.next().unwrap_or_default();
        let name = form_decoded(raw);
        if name.as_ref().is_some_and(|name| names.iter().any(|known| known == name)) {
            let value = form_decoded(halves.next().unwrap_or_default()).ok_or(BAD)?;
            tenants.push(Arc::from(value));
        } else if !public && is_alias(&name.unwrap_or_else(|| as_far_as_decoded(raw)), names) {
            return Err(ALIAS);
        }
    }
    Ok(tenants)
}

/// A decoded text of a form. `None`: a bad escape, or not UTF-8.
fn form_decoded(text: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = memchr::memchr_iter(b'%', text);
    if !escapes.all(|at| is_digit(at + 1) && is_digit(at + 2)) {
        return None;
    }
    String::from_utf8(unescaped(text)).ok().map(Cow::Owned)
}

/// A name that cannot be decoded, as lenient readers read it: valid escapes are decoded, invalid ones are kept,
/// and bytes that are not UTF-8 become U+FFFD.
fn as_far_as_decoded(text: &[u8]) -> Cow<'_, str> {
    Cow::Owned(String::from_utf8_lossy(&unescaped(text)).into_owned())
}

/// The unescaped bytes of a text of a form. An invalid escape is kept.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let spaced = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte });
    percent_decode(&spaced.collect::<Vec<u8>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Malformed, query_tenants};

    #[track_caller]
    fn check(query: &str, public: bool, expected: Option<&[&str]>) {
        let names = ["organization_id", "organizationId"].map(String::from);
        let found = query_tenants(query.as_bytes(), &names, public);
        match (found, expected) {
            (Ok(found), Some(expected)) => {
                assert_eq!(found.iter().map(|it| &**it).collect::<Vec<_>>(), expected, "{query}");
            }
            (Err(Malformed::Request(_)), None) => {}
            (found, expected) => panic!("{query}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn names_of_tenants_are_read_as_they_are_written_in_a_form() {
        for (query, expected) in [
            ("", &[][..]),
            ("a=b&&c", &[]),
            ("organization_id=org-beta", &["org-beta"]),
            ("organization%5Fid=a%20+b&organizationId", &["a  b", ""]),
            ("%6frganization_id=a=b&organization_id=a", &["a=b", "a"]),
        ] {
            check(query, false, Some(expected));
            check(query, true, Some(expected));
        }
        for bad in
            ["organization_id=%", "organization_id=%f", "organizationId=%zz", "organization_id=%ff"]
        {
            check(bad, false, None);
            check(bad, true, None);
        }
    }

    #[test]
    fn what_is_nearly_the_name_of_a_tenant_is_refused() {
        for alias in [
            "Organization_Id=a",
            "organization_id[]=a",
            "organization_id%5B%5D=a",
            "organization%5fid%5b0%5d",
            "a=1&organization.id=b",
            "organization%2eid=b",
            "organization+id=b",
            "+organization_id=b",
            "organization-id",
            "organization_id%00x=b",
            "organization_id%=b",
            "organization_id%ff=b",
            "%ff%zorganization_id=b",
            ";organization_id=b",
        ] {
            let refused = !alias.starts_with("%ff%z");
            check(alias, false, if refused { None } else { Some(&[]) });
            check(alias, true, Some(&[]));
        }
        for other in [
            "organization=a",
            "organization[id]=a",
            "q=organization_id",
            "q=%zz&%=1",
            "a=1;organization_id=b",
        ] {
            check(other, false, Some(&[]));
        }
    }
}
