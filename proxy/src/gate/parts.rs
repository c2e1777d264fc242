//! Builds the parts of a gate from the configuration.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use audit::journal::ignore_file_size_signal;
use base::supervise::Supervisor;
use policy_store::cache::FactStore;
use policy_store::watch::BundleStore;
use tokio::net::lookup_host;

use super::door::{Door, Refused};
use super::{StartError, descriptors, privacy};
use crate::accept::Rules;
use crate::config::{Config, Jwt};
use crate::forward::Forwarding;
use crate::forward::assertion::AssertionSigner;
use crate::forward::relay::{Addresses, Pool, Upstream};
use crate::http::connection::Limits;
use crate::http::limit::RateLimit;
use crate::http::pace::Patience;
use crate::http::seats::{Bounds, Seats};
use crate::judge::credentials::CookieRules;
use crate::judge::identify::Verifier;
use crate::judge::keys::KeyStore;
use crate::judge::ledger::Ledger;
use crate::judge::pipeline::{Memo, Pipeline};
use crate::metrics::Metrics;
use crate::operate::admin::AdminState;
use crate::operate::probe::Probes;
use crate::service::Service;
use crate::service::connection::Terms;
use crate::service::cors::Cors;
use crate::service::reply::Redirects;

/// The interval between look-ups of the upstream's name.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);

/// Prepares the process before any file or socket is opened. Returns the bounds on connections.
pub(super) fn prepare(config: &Config) -> io::Result<Bounds> {
    ignore_file_size_signal()?;
    privacy::look(config);
    Ok(descriptors::bounds(&config.limits, descriptors::raise()))
}

/// The keys of the issuers. Logs a warning for each doubtful issuer.
pub(super) fn keys(jwt: &Jwt, supervisor: &Supervisor) -> Result<Arc<KeyStore>, StartError> {
    for doubt in jwt.doubts() {
        tracing::warn!("{doubt}");
    }
    Ok(KeyStore::start(&jwt.issuers, supervisor)?)
}

/// The pipeline that judges requests.
pub(super) fn pipeline(
    config: &Config,
    bundles: &Arc<BundleStore>,
    facts: Arc<FactStore>,
    verifier: Verifier,
    metrics: &Arc<Metrics>,
) -> Pipeline {
    let origins = config.cors.as_ref().map(|cors| cors.origins.clone()).unwrap_or_default();
    let memo = Arc::new(Memo::new(Some(config.memory.decisions).filter(|bytes| *bytes > 0)));
    let held = Arc::clone(&memo);
    metrics.memory.watch("decisions", config.memory.decisions, move || held.held());
    let pipeline = Pipeline {
        bundles: Arc::clone(bundles),
        facts,
        verifier: verifier.within(config.memory.tokens),
        tenancy: config.tenancy.clone(),
        cookie: config.jwt.cookie.clone().map(|name| CookieRules { name, origins }),
        json_members: config.limits.json_members,
        memo,
        witness: None,
        metrics: Arc::clone(metrics),
    };
    pipeline.rehearse_swaps();
    pipeline
}

/// The service that handles requests.
pub(super) fn service(
    config: &Config,
    pipeline: Pipeline,
    ledger: Ledger,
    signer: Option<Arc<AssertionSigner>>,
    (addresses, idle): (Arc<Addresses>, Arc<Pool>),
) -> Service {
    let redirect = config.redirect.clone();
    let rate = config.limits.requests_per_second;
    let rate = rate.and_then(|rate| RateLimit::new(rate, config.memory.clients));
    if let Some(rate) = &rate {
        ledger.metrics.memory.watch("clients", config.memory.clients, rate.held());
    }
    Service {
        pipeline,
        ledger,
        forwarding: Forwarding { signer },
        cors: Cors::new(config.cors.as_ref()),
        redirects: Redirects {
            unauthenticated: redirect.as_ref().and_then(|it| it.unauthenticated.clone()),
            outside_boundary: redirect.and_then(|it| it.outside_boundary),
        },
        rate,
        upstream: Upstream {
            addresses,
            connect_timeout: config.upstream.connect_timeout,
            read_timeout: config.upstream.read_timeout,
            idle,
        },
        json_body: config.limits.json_body,
        body_timeout: config.upstream.read_timeout,
    }
}

/// The proxy listener's state.
pub(super) fn door(
    config: &Config,
    service: Service,
    (connections, bounds): (&Arc<AtomicUsize>, Bounds),
    metrics: Arc<Metrics>,
) -> Door {
    let heard = Arc::clone(&metrics);
    metrics.connections.limited_to(bounds.total);
    Door {
        service: Arc::new(service),
        terms: Arc::new(terms(config, &metrics)),
        connections: Arc::clone(connections),
        seats: Seats::new(bounds, move |event| heard.connections.heard(event)),
        refused: Refused::default(),
        metrics,
    }
}

/// The rules and limits of client connections.
fn terms(config: &Config, metrics: &Metrics) -> Terms {
    let removed = metrics.traffic.fields_removed.clone();
    Terms {
        rules: Rules {
            header_count: config.limits.header_count,
            target_bytes: config.limits.target_bytes,
            hygiene: config.headers.hygiene(&config.tenancy).counted_by(removed),
            trusted: config.trusted_proxies.clone(),
            forward_authorization: config.upstream.forward_authorization,
            cookie: config.jwt.cookie.clone(),
            upstream_host: config.upstream.address.clone(),
        },
        limits: Limits {
            header_bytes: config.limits.header_bytes,
            header_timeout: config.limits.header_timeout,
            patience: Patience {
                timeout: config.limits.body_timeout,
                rate: config.limits.body_rate,
            },
        },
    }
}

/// The state of the admin listener.
pub(super) fn admin(config: &Config, probes: Probes, metrics: &Arc<Metrics>) -> AdminState {
    AdminState {
        probe: Arc::new(probes),
        metrics: Arc::clone(metrics),
        hosts: config.admin_hosts.clone().into(),
        token_file: config.admin.token_file.clone(),
        header_timeout: config.limits.header_timeout,
    }
}

/// The metrics, including the version and commit of this program.
pub(super) fn metrics() -> Result<Arc<Metrics>, StartError> {
    let commit = option_env!("COMMIT_OF_CEDARGATE").unwrap_or("unknown");
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), commit);
    metrics.map_err(|error| StartError::Metrics(error.to_string()))
}

/// The upstream's address, if it is an IP address; a name is looked up later.
pub(super) fn known_address(name: &str) -> Arc<Addresses> {
    Arc::new(Addresses::new(name.parse().ok()))
}

/// Looks the upstream's name up at regular intervals. If a look-up fails, the last addresses stay in use.
pub(super) async fn keep_resolved(name: String, addresses: Arc<Addresses>) {
    loop {
        match lookup_host(&name).await.map(Iterator::collect::<Vec<_>>) {
            Ok(found) if found.is_empty() => {
                tracing::warn!(upstream = %name, "the upstream's name has no address");
            }
            Ok(found) => addresses.resolved(found),
            Err(error) => {
                tracing::warn!(upstream = %name, %error, "the upstream's name cannot be looked up");
            }
        }
        if name.parse::<SocketAddr>().is_ok() {
            return;
        }
        tokio::time::sleep(RESOLVE_EVERY).await;
    }
}
