//! The gate as a whole: its parts put together, its listeners, its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use policy_store::bundle::Findings;
use policy_store::cache::{FactStore, Outcome};
use policy_store::source::FactSource;
use policy_store::sql::{DatabaseError, SqlFacts};
use policy_store::watch::{BundleStore, Published, Reload};
use tokio::net::{TcpListener, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accept::Rules;
use crate::admin;
use crate::assertion::AssertionSigner;
use crate::config::{self, Config};
use crate::connection::{self, Limits};
use crate::cors::Cors;
use crate::credentials::CookieRules;
use crate::forward::Forwarding;
use crate::identify::Verifier;
use crate::keys::{KeyStore, KeysError};
use crate::ledger::Ledger;
use crate::limit::RateLimit;
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::probe::Probes;
use crate::record::{Durability, Journal, JournalConfig, JournalError};
use crate::reply::Redirects;
use crate::service::{Service, Upstream};

/// The upstream's name is looked up again this often.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);

/// Why the gate does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policies are not good.
    #[error("the policies are not accepted:\n{0}")]
    Policies(#[from] Findings),
    /// The keys of an issuer are not good.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database's URL is not good.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The audit journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The assertion's key is not good.
    #[error("the assertion's key cannot be used: {0}")]
    Assertion(String),
    /// An object of this type cannot be looked up.
    #[error("routes.yaml looks up objects of type `{0}`, for which the mapping of facts has no statement")]
    Unmapped(Arc<str>),
    /// The metrics cannot be registered, which is a fault of this program.
    #[error("the metrics cannot be registered: {0}")]
    Metrics(String),
    /// An address cannot be listened on.
    #[error("`{key}: {address}` cannot be listened on: {source}")]
    Listen {
        /// Which key of the configuration.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system refuses a signal handler or a thread.
    #[error("the system refuses: {0}")]
    System(#[from] std::io::Error),
}

/// A running gate.
#[derive(Debug)]
pub struct Gate {
    proxy_address: SocketAddr,
    admin_address: SocketAddr,
    draining: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
    connections: Arc<AtomicUsize>,
    bundles: Arc<BundleStore>,
    journal: Arc<Journal>,
    tasks: Vec<JoinHandle<()>>,
    shutdown: config::Shutdown,
}

impl Gate {
    /// Starts a gate as configured. What is down (database, upstream, provider of keys) does not
    /// stop the start: requests that need it are refused until it is back.
    ///
    /// # Errors
    ///
    /// When the gate could never work as configured.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let url = config.facts.database.expose();
        let facts = Arc::new(SqlFacts::open(url, config.facts.timeout)?);
        Self::start_with(config, facts).await
    }

    /// Starts a gate whose facts come from `source`.
    ///
    /// # Errors
    ///
    /// As [`Gate::start`].
    pub async fn start_with(config: Config, source: Arc<dyn FactSource>) -> Result<Self, StartError> {
        crate::record::journal::ignore_file_size_signal()?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), option_env!("CEDARGATE_COMMIT").unwrap_or("unknown"))
            .map_err(|error| StartError::Metrics(error.to_string()))?;
        let bundles = open_bundles(&config, &metrics, source.as_ref())?;
        let keys = KeyStore::start(&config.jwt.issuers)?;
        let (journal, recovered) = Journal::open(JournalConfig {
            directory: config.audit.directory.clone(),
            durability: durability(config.audit.durability),
            anonymous_per_second: config.audit.anonymous_per_second,
        })?;
        tracing::info!(?recovered, "audit journal opened");
        metrics.audit.watch(&journal);
        let facts = Arc::new(fact_store(&config, source, &metrics));
        let signer = config.upstream.assertion.as_ref().map(AssertionSigner::open).transpose();
        let signer = signer.map_err(|error| StartError::Assertion(error.to_string()))?.map(Arc::new);
        let proxy_listener = listen("listen.proxy", config.listen.proxy).await?;
        let admin_listener = listen("listen.admin", config.listen.admin).await?;
        let (proxy_address, admin_address) = (proxy_listener.local_addr()?, admin_listener.local_addr()?);
        let draining = Arc::new(AtomicBool::new(false));
        let probes = Probes {
            bundles: Arc::clone(&bundles),
            facts: Arc::clone(&facts),
            journal: Arc::clone(&journal),
            keys: Arc::clone(&keys),
            draining: Arc::clone(&draining),
            signer: signer.clone(),
        };
        let upstream = Arc::new(ArcSwapOption::empty());
        let mut tasks = vec![tokio::spawn(keep_resolved(config.upstream.address.clone(), Arc::clone(&upstream)))];
        let verifier = Verifier::new(keys, config.jwt.leeway, &metrics);
        let pipeline = pipeline(&config, &bundles, &facts, verifier);
        let ledger = Ledger { journal: Arc::clone(&journal), metrics: Arc::clone(&metrics) };
        let service = service(&config, pipeline, ledger, signer, upstream);
        let (stop, stopping) = watch::channel(false);
        let (stop_admin, admin_stopping) = watch::channel(false);
        let connections = Arc::new(AtomicUsize::new(0));
        let door = Door {
            proxy: Arc::new(http_proxy(&Arc::new(ServerConf::default()), service)),
            limits: Arc::new(limits(&config)),
            connections: Arc::clone(&connections),
            metrics: Arc::clone(&metrics),
        };
        tasks.push(tokio::spawn(door.open(proxy_listener, stopping)));
        let state = admin::AdminState {
            probe: Arc::new(probes),
            metrics: Arc::clone(&metrics),
            hosts: config.admin_hosts.clone().into(),
            token_file: config.admin.token_file.clone(),
        };
        tasks.push(tokio::spawn(async move {
            let mut stopping = admin_stopping;
            let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
            if let Err(error) = admin::serve(admin_listener, state, stopped).await {
                tracing::error!(%error, "the admin listener has ended");
            }
        }));
        bundles.watch()?;
        Ok(Self {
            proxy_address,
            admin_address,
            draining,
            stop,
            stop_admin,
            connections,
            bundles,
            journal,
            tasks,
            shutdown: config.shutdown,
        })
    }

    /// Where clients come in.
    pub fn proxy_address(&self) -> SocketAddr {
        self.proxy_address
    }

    /// Where operators and probes come in.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Reads the policy folder again.
    pub fn reload(&self) -> Reload {
        self.bundles.reload()
    }

    /// Fails readiness, so that nobody is sent here any more.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Waits until those who look at readiness have seen it fail: `shutdown.drain`.
    pub async fn drained(&self) {
        tokio::time::sleep(self.shutdown.drain).await;
    }

    /// Ends: nothing more is accepted, requests under way have `shutdown.grace`, and then the audit
    /// is closed.
    pub async fn stop(self) {
        self.begin_drain();
        self.stop.send_replace(true);
        let quiet = async {
            while self.connections.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(self.shutdown.grace, quiet).await.is_err() {
            tracing::warn!("requests were still under way when the grace was over");
        }
        self.stop_admin.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            // Aborted, or ended by itself: either way it is over.
            let _over = task.await;
        }
        if let Err(error) = self.journal.close() {
            tracing::error!(%error, "the audit journal could not be closed");
        }
    }
}

/// The way in.
struct Door {
    proxy: Arc<HttpProxy<Service>>,
    limits: Arc<Limits>,
    connections: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

/// Counts a connection for as long as it is held.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Door {
    async fn open(self, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _stopped = stopping.wait_for(|stop| *stop) => return,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most often: those who are in may leave meanwhile.
                    tracing::error!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            self.connections.fetch_add(1, Ordering::Acquire);
            let counted = Counted(Arc::clone(&self.connections));
            let (proxy, limits) = (Arc::clone(&self.proxy), Arc::clone(&self.limits));
            let (metrics, stopping) = (Arc::clone(&self.metrics), stopping.clone());
            tokio::spawn(async move {
                let _counted = counted;
                let malformed = move || metrics.traffic.malformed_request();
                connection::serve(socket, peer, proxy, limits, stopping, &malformed).await;
            });
        }
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { key, address, source })
}

fn open_bundles(config: &Config, metrics: &Arc<Metrics>, source: &dyn FactSource) -> Result<Arc<BundleStore>, StartError> {
    let heard = Arc::clone(metrics);
    let bundles = BundleStore::open(
        &config.policies.directory,
        Box::new(move |outcome: &Reload, published: &Published| {
            let word = match outcome {
                Reload::Applied => "applied",
                Reload::Unchanged => "unchanged",
                Reload::Rejected(findings) => {
                    tracing::error!(%findings, "the policies are not accepted; the last good ones stay");
                    "rejected"
                }
            };
            heard.policies.reloaded(word);
            heard.policies.in_force(published.bundle.digest(), published.generation);
            if *outcome == Reload::Applied {
                tracing::info!(digest = %published.bundle.digest(), generation = published.generation, "policies reloaded");
            }
        }),
    )?;
    let current = bundles.current();
    metrics.policies.in_force(current.bundle.digest(), current.generation);
    let mut looked_up = current.bundle.routes().routes().iter().filter(|route| route.scope.looks_up());
    if let Some(route) = looked_up.find(|route| !source.knows(&route.resource)) {
        return Err(StartError::Unmapped(Arc::clone(&route.resource)));
    }
    Ok(bundles)
}

fn fact_store(config: &Config, source: Arc<dyn FactSource>, metrics: &Arc<Metrics>) -> FactStore {
    let metrics = Arc::clone(metrics);
    let observer = move |kind: &'static str, outcome, took: Option<Duration>| {
        let word = match outcome {
            Outcome::Hit => "hit",
            Outcome::Miss => "miss",
            Outcome::Coalesced => "coalesced",
            Outcome::Error => "error",
        };
        metrics.facts.looked_up(kind, word, took);
    };
    FactStore::new(source, config.facts.ttl, config.facts.timeout, Box::new(observer))
}

fn pipeline(config: &Config, bundles: &Arc<BundleStore>, facts: &Arc<FactStore>, verifier: Verifier) -> Pipeline {
    let origins = config.cors.as_ref().map(|cors| cors.origins.clone()).unwrap_or_default();
    Pipeline {
        bundles: Arc::clone(bundles),
        facts: Arc::clone(facts),
        verifier,
        tenancy: config.tenancy.clone(),
        cookie: config.jwt.cookie.clone().map(|name| CookieRules { name, origins }),
    }
}

fn service(
    config: &Config,
    pipeline: Pipeline,
    ledger: Ledger,
    signer: Option<Arc<AssertionSigner>>,
    address: Arc<ArcSwapOption<SocketAddr>>,
) -> Service {
    let redirect = config.redirect.clone();
    Service {
        pipeline,
        ledger,
        forwarding: Forwarding { signer },
        cors: Cors { origins: config.cors.as_ref().map(|cors| cors.origins.clone()) },
        redirects: Redirects {
            unauthenticated: redirect.as_ref().and_then(|it| it.unauthenticated.clone()),
            outside_boundary: redirect.and_then(|it| it.outside_boundary),
        },
        rate: config.limits.requests_per_second.and_then(RateLimit::new),
        upstream: Upstream {
            address,
            connect_timeout: config.upstream.connect_timeout,
            read_timeout: config.upstream.read_timeout,
        },
        json_body: config.limits.json_body,
        body_timeout: config.upstream.read_timeout,
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        rules: Rules {
            header_count: config.limits.header_count,
            target_bytes: config.limits.target_bytes,
            trusted: config.trusted_proxies.clone(),
            forward_authorization: config.upstream.forward_authorization,
            cookie: config.jwt.cookie.clone(),
        },
        header_bytes: config.limits.header_bytes,
        header_timeout: config.limits.header_timeout,
    }
}

fn durability(configured: config::Durability) -> Durability {
    match configured {
        config::Durability::Process => Durability::Process,
        config::Durability::Disk => Durability::Disk,
        config::Durability::None => Durability::None,
    }
}

/// Keeps the upstream's address known. A name that cannot be looked up keeps its last address.
async fn keep_resolved(name: String, address: Arc<ArcSwapOption<SocketAddr>>) {
    loop {
        match lookup_host(&name).await.map(|mut found| found.next()) {
            Ok(Some(found)) => address.store(Some(Arc::new(found))),
            Ok(None) => tracing::warn!(upstream = %name, "the upstream's name has no address"),
            Err(error) => tracing::warn!(upstream = %name, %error, "the upstream's name cannot be looked up"),
        }
        if name.parse::<SocketAddr>().is_ok() {
            return;
        }
        tokio::time::sleep(RESOLVE_EVERY).await;
    }
}
