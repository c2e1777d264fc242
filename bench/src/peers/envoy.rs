//! Envoy: bare, with its own filters for tokens and roles, and before a decision point.

mod filters;

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::super::subject::{Judges, Subject};
use super::program::ENVOY;
use super::site::{Site, free_address};
use super::{cerbos, nginx};

const CONFIGURATION: &str = include_str!("../../peers/envoy.yaml");

pub(super) fn bare(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.version = ENVOY.version()?;
    start(site, subject, &Chain::default())
}

pub(super) fn jwt_rbac(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    judge(site, subject, Vec::new())
}

/// With a line of JSON for each request, which is the nearest that Envoy has to a record of it.
pub(super) fn jwt_rbac_log(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    judge(site, subject, vec![filters::access_log(&site.folder.join("access.log"))])
}

fn judge(site: &Site<'_>, subject: &mut Subject, log: Vec<Value>) -> Result<(), String> {
    subject.version = ENVOY.version()?;
    subject.judges = Judges::TokensAndRoles;
    let filters = vec![filters::jwt_authn(site.setting), filters::rbac(&site.setting.routes)];
    start(site, subject, &Chain { filters, log, ..Chain::default() })
}

pub(super) fn ext_authz(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.version = ENVOY.version()?;
    subject.judges = Judges::Tokens;
    let decisions = Some(nginx::null(site, subject)?);
    let filters = vec![filters::jwt_authn(site.setting), filters::ext_authz()];
    start(site, subject, &Chain { filters, decisions, ..Chain::default() })
}

pub(super) fn cerbos(site: &Site<'_>, subject: &mut Subject) -> Result<(), String> {
    subject.version = ENVOY.version()?;
    subject.judges = Judges::TokensAndRoles;
    let decisions = Some(cerbos::start(site, subject)?);
    let asks = filters::lua(&cerbos::filter(&site.setting.routes));
    let filters = vec![filters::jwt_authn(site.setting), asks];
    start(site, subject, &Chain { filters, decisions, grpc: true, ..Chain::default() })
}

/// What makes one of these differ from another.
#[derive(Default)]
struct Chain {
    /// Before the one that forwards.
    filters: Vec<Value>,
    log: Vec<Value>,
    decisions: Option<SocketAddr>,
    /// Whether the decision point is asked with gRPC, which takes HTTP/2.
    grpc: bool,
}

fn start(site: &Site<'_>, subject: &mut Subject, chain: &Chain) -> Result<(), String> {
    let mut filters = chain.filters.clone();
    filters.push(filters::router());
    let values = [
        ("listen", socket(subject.address)),
        ("upstream", socket(site.setting.upstream)),
        // Nobody is asked there unless a filter says so.
        ("decisions", socket(chain.decisions.unwrap_or_else(free_address))),
        ("decisions_protocol", filters::protocol(chain.grpc).to_string()),
        ("access_log", Value::Array(chain.log.clone()).to_string()),
        ("filters", Value::Array(filters).to_string()),
    ];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    site.write("envoy.yaml", CONFIGURATION, &values);
    // Without hot restart several of them can run on one machine.
    let arguments = "-c envoy.yaml --concurrency 1 --log-level warn --disable-hot-restart";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    subject.processes.push(site.start(&ENVOY, &arguments, subject.address)?);
    Ok(())
}

fn socket(address: SocketAddr) -> String {
    let (ip, port) = (address.ip().to_string(), address.port());
    json!({"socket_address": {"address": ip, "port_value": port}}).to_string()
}
