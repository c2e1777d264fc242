//! The tenants that a request names (`domain.md`, layer 5; `gate.md`, `tenancy`).

use super::{body::Json, canonical::form_decoded, request::Request, world::World};

/// What follows the slug in a host.
pub(super) const SUFFIX: &str = ".clinics.example";

/// What a tenant's id is called in query and body.
pub(super) const NAMES: [&str; 2] = ["organization_id", "organizationId"];

/// A name of a tenant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Name {
    Slug(String),
    Id(String),
}

/// The name in the host, if it names one.
pub(super) fn in_host(world: &World, request: &Request) -> Option<Name> {
    let host = request.host.as_deref()?;
    let without_port = host.split_once(':').map_or(host, |(host, _port)| host);
    let host = without_port.strip_suffix('.').unwrap_or(without_port).to_lowercase();
    match world.hosts.get(&host) {
        Some(slug) if slug.is_empty() => None,
        Some(slug) => Some(Name::Slug(slug.clone())),
        None => host.strip_suffix(SUFFIX).map(|slug| Name::Slug(slug.to_owned())),
    }
}

/// Whether a careless reader takes `name`, which is none of [`NAMES`], for one of them.
pub(super) fn is_nearly_a_name(name: &str) -> bool {
    let plain = |name: &str| {
        let start = name.split('[').next().unwrap_or_default().to_lowercase();
        start.chars().filter(char::is_ascii_alphanumeric).collect::<String>()
    };
    !NAMES.contains(&name) && NAMES.iter().any(|known| plain(known) == plain(name))
}

/// A name in the query that is nearly one of a tenant.
pub(super) fn alias_in_query(request: &Request) -> Option<String> {
    let names = request.query.iter().map(|pair| pair.split('=').next().unwrap_or_default());
    names.filter_map(form_decoded).find(|name| is_nearly_a_name(name))
}

/// The names in the query. `None`: one of them is badly escaped.
pub(super) fn in_query(request: &Request) -> Option<Vec<Name>> {
    let pairs = request.query.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let named = pairs
        .filter(|(name, _)| form_decoded(name).is_some_and(|name| NAMES.contains(&name.as_str())));
    named.map(|(_, value)| form_decoded(value).map(Name::Id)).collect()
}

/// The names in a body. `None`: one of them is no string.
pub(super) fn in_body(members: &[(String, Json)]) -> Option<Vec<Name>> {
    let named = members.iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
    named.map(|(_, value)| Some(Name::Id(value.text()?.to_owned()))).collect()
}
