//! The whole gate: assembles its parts, runs its listeners, shuts down.

mod audit;
mod descriptors;
mod door;
mod emergency;
mod facts;
mod parts;
mod privacy;
mod start;
mod tasks;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ::audit::JournalError;
use base::supervise::Supervisor;
use database::DatabaseError;
use policy_store::bundle::Findings;
use policy_store::watch::{BundleStore, Reload};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use self::audit::Audit;
use crate::config::{self, Config};
use crate::forward::assertion::{AssertionError, AssertionSigner};
use crate::forward::relay::Pool;
use crate::judge::identify::Verifier;
use crate::judge::keys::KeysError;
use crate::judge::ledger::Ledger;
use crate::operate::probe::Probes;
use crate::operate::startable::Unstartable;

use door::listen;

/// The reason why the gate does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policies are invalid.
    #[error("the policies are not accepted:\n{0}")]
    Policies(#[from] Findings),
    /// The keys of an issuer are invalid.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database's URL is invalid.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The audit journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The assertion's key is invalid.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// The policies do not fit the configuration or the database.
    #[error(transparent)]
    Unstartable(#[from] Unstartable),
    /// The metrics cannot be registered, which is a bug in this program.
    #[error("the metrics cannot be registered: {0}")]
    Metrics(String),
    /// The gate cannot listen on a configured address.
    #[error("`{key}: {address}` cannot be listened on: {source}")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// The value of the key.
        address: SocketAddr,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The system refused a signal handler or a thread.
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
    audit: Audit,
    supervisor: Arc<Supervisor>,
    tasks: Vec<JoinHandle<()>>,
    shutdown: config::Shutdown,
}

impl Gate {
    /// Starts a gate as configured. A database, upstream or key provider that is down does not
    /// prevent the start: requests that need it are refused until it is back.
    ///
    /// # Errors
    ///
    /// Fails if the gate could never work as configured.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let bounds = parts::prepare(&config)?;
        let supervisor = Arc::<Supervisor>::default();
        let metrics = parts::metrics()?;
        metrics.tasks.watch(&supervisor);
        let (facts, bundles) = facts::open(&config, &metrics, &supervisor).await?;
        let keys = parts::keys(&config.jwt, &supervisor)?;
        let assertion = config.upstream.assertion.as_ref();
        let signer = assertion.map(AssertionSigner::open).transpose()?.map(Arc::new);
        let audit = Audit::open(&config, &metrics, &supervisor)?;
        let journal = Arc::clone(&audit.journal);
        bundles.keep_current(facts.fitness.is_fit(&bundles.current()));
        emergency::record_all(&bundles, &journal);
        let draining = Arc::<AtomicBool>::default();
        let probes = Probes {
            bundles: Arc::clone(&bundles),
            admit: config.policies.admit,
            facts: Arc::clone(&facts.store),
            unheard: facts.unheard,
            fitness: facts.fitness,
            journal: Arc::clone(&journal),
            keys: Arc::clone(&keys),
            draining: Arc::clone(&draining),
            signer: signer.clone(),
            supervisor: Arc::clone(&supervisor),
        };
        let state = parts::admin(&config, probes, &metrics);
        let upstream = parts::known_address(&config.upstream.address);
        let resolved = (config.upstream.address.clone(), Arc::clone(&upstream));
        let verifier = Verifier::new(keys, config.jwt.leeway, config.memory.tokens > 0, &metrics);
        let pipeline = parts::pipeline(&config, &bundles, facts.store, verifier, &metrics);
        let ledger = Ledger { journal, metrics: Arc::clone(&metrics) };
        let (memo, idle) = (Arc::clone(&pipeline.memo), Arc::<Pool>::default());
        let ends = (upstream, Arc::clone(&idle));
        let service = parts::service(&config, pipeline, ledger, signer, ends);
        let connections = Arc::new(AtomicUsize::new(0));
        let door = parts::door(&config, service, (&connections, bounds), metrics);
        let proxy = listen("listen.proxy", config.listen.proxy)?;
        let admin = listen("listen.admin", config.listen.admin)?;
        let (proxy_address, admin_address) = (proxy.local_addr()?, admin.local_addr()?);
        let (stop, stop_admin) = (watch::Sender::new(false), watch::Sender::new(false));
        let tasks = tasks::Tasks { resolved, idle, memo, door, state, facts: facts.tasks };
        let stops = (stop.subscribe(), stop_admin.subscribe());
        let tasks = tasks.start(&supervisor, (proxy, stops.0), (admin, stops.1))?;
        let gate = Self {
            proxy_address,
            admin_address,
            draining,
            connections,
            bundles: Arc::clone(&bundles),
            audit,
            shutdown: config.shutdown,
            tasks,
            stop,
            stop_admin,
            supervisor,
        };
        bundles.watch(&gate.supervisor)?;
        Ok(gate)
    }

    /// The address of the proxy listener, for clients.
    pub fn proxy_address(&self) -> SocketAddr {
        self.proxy_address
    }

    /// The address of the admin listener, for operators and probes.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Reads the policy folder again, on a blocking thread: the work is long, uses only the CPU, and may panic.
    ///
    /// # Errors
    ///
    /// Fails if the reload panics.
    pub async fn reload(&self) -> Result<Reload, JoinError> {
        let bundles = Arc::clone(&self.bundles);
        tokio::task::spawn_blocking(move || bundles.reload()).await
    }

    /// The supervisor of the gate's tasks.
    #[doc(hidden)]
    pub fn supervisor(&self) -> &Arc<Supervisor> {
        &self.supervisor
    }

    /// Fails readiness, so that load balancers send no more requests.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Waits for `shutdown.drain`, so that everyone who polls readiness has seen it fail.
    pub async fn drained(&self) {
        tokio::time::sleep(self.shutdown.drain).await;
    }

    /// Shuts down: accepts no more connections, gives requests in flight `shutdown.grace`, then closes the audit.
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
            // The task was aborted or has ended by itself; either result is fine.
            let _over = task.await;
        }
        self.audit.close().await;
    }
}
