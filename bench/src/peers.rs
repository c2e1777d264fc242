//! The peers: other proxies, each before the same upstream, on the same core, with one worker, and
//! with connections that are kept on both sides.
//!
//! `bench/peers.sh` fetches their programs; what is not there is left out, and said. Their
//! configurations are in `bench/peers`, but for what is derived from the routes.

mod caddy;
mod cerbos;
mod check;
mod envoy;
mod haproxy;
mod nginx;
mod program;
mod routes;
mod site;

use std::fs;

use super::subject::{Judges, Peer, Subject};
use site::Site;

pub(crate) use check::check;

/// Puts up a peer: what it is and what works for it goes into the subject.
type PutUp = fn(&Site<'_>, &mut Subject) -> Result<(), String>;

/// Every peer; the first of each program is that program with nothing to judge.
pub(crate) fn all() -> Vec<Peer> {
    vec![
        peer("nginx", "nginx, bare", nginx::bare),
        peer("nginx-auth-request", "nginx, auth_request → null", nginx::auth_request),
        peer("haproxy", "HAProxy, bare", haproxy::bare),
        peer("haproxy-jwt", "HAProxy, JWT RS256 + role ACLs", haproxy::jwt),
        peer("caddy", "Caddy, bare", caddy::bare),
        peer("caddy-forward-auth", "Caddy, forward_auth → null", caddy::forward_auth),
        peer("envoy", "Envoy, bare", envoy::bare),
        peer("envoy-jwt-rbac", "Envoy, JWT (cached) + RBAC", envoy::jwt_rbac),
        peer("envoy-jwt-rbac-log", "Envoy, JWT (cached) + RBAC + log", envoy::jwt_rbac_log),
        peer("envoy-ext-authz", "Envoy, JWT (cached) + ext_authz → null", envoy::ext_authz),
        peer("envoy-cerbos", "Envoy, JWT (cached) + Cerbos", envoy::cerbos),
    ]
}

fn peer(name: &'static str, label: &'static str, put_up: PutUp) -> Peer {
    let start = move |setting: &super::subject::Setting| {
        let folder = setting.folder.join(name);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let site = Site { setting, folder };
        // What was started before something failed ends with the subject.
        let mut subject = Subject {
            name,
            label,
            version: String::new(),
            judges: Judges::Nothing,
            exact: true,
            address: site::free_address(),
            admin: None,
            processes: Vec::new(),
        };
        put_up(&site, &mut subject)?;
        Ok(subject)
    };
    Peer { name, label, start: Box::new(start) }
}
