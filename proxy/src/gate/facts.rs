//! Assembles the source of facts: the database, the circuit breaker before it, the cache before that, and the
//! tasks that keep them current.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::supervise::Supervisor;
use database::PasswordFile;
use policy_store::breaker::Breaker;
use policy_store::cache::{Event, FactStore, Lookup, Outcome, Settings};
use policy_store::sql::SqlFacts;
use policy_store::watch::BundleStore;
use tokio::runtime::Handle;

use super::{StartError, start};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::operate::admission::Admission;
use crate::operate::fitness::Fitness;
use crate::operate::startable::Startable;

/// Background work of the facts.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The facts, and the tasks that keep them current.
pub(super) struct Facts {
    pub(super) store: Arc<FactStore>,
    pub(super) fitness: Arc<Fitness>,
    /// Whether the change notifications are down; `None`: the gate does not listen for any.
    pub(super) unheard: Option<Arc<AtomicBool>>,
    pub(super) tasks: Vec<Task>,
}

/// Opens the facts and the policies together, because the policies must fit the database.
pub(super) async fn open(
    config: &Config,
    metrics: &Arc<Metrics>,
    supervisor: &Supervisor,
) -> Result<(Facts, Arc<BundleStore>), StartError> {
    let mut tasks: Vec<Task> = Vec::new();
    let url = config.facts.database.expose();
    let mapping = config.facts.mapping.clone();
    let database = Arc::new(SqlFacts::open(url, config.facts.timeout, mapping)?);
    if let Some(file) = &config.facts.password_file {
        tasks.push(Box::pin(database.sign_in_with(PasswordFile::new(file), supervisor)?));
    }
    let startable = Startable { source: database.clone(), jwt: config.jwt.clone() };
    let (bundles, notes) = start::open_bundles(config, metrics, &startable).await?;
    let fitness = Fitness::at_start(notes.as_deref(), &bundles);
    let admission = Admission {
        admit: config.policies.admit,
        startable: Arc::new(startable),
        runtime: Handle::current(),
    };
    bundles.examine_by(Arc::new(move |candidate| admission.examine(candidate)));
    let (asked, judged, by) = (Arc::clone(&fitness), database.clone(), Arc::clone(&bundles));
    tasks.push(Box::pin(
        supervisor
            .task("fitness", move || Arc::clone(&asked).keep(judged.clone(), Arc::clone(&by))),
    ));
    let store = Arc::new(store(config, Arc::clone(&database), metrics));
    let held = Arc::downgrade(&store);
    let held = move || held.upgrade().map_or(0, |store| store.held());
    metrics.memory.watch("facts", config.memory.facts, held);
    let push = database.push().filter(|_| config.facts.push);
    let unheard = push.map(|push| {
        let unheard = Arc::new(AtomicBool::new(true));
        let (told, store) = (Arc::clone(&unheard), Arc::clone(&store));
        let metrics = Arc::clone(metrics);
        tasks.push(Box::pin(supervisor.task("push", move || {
            let (push, store) = (push.clone(), Arc::clone(&store));
            let (heard, metrics) = (Arc::clone(&told), Arc::clone(&metrics));
            let told = move |up: bool| {
                heard.store(!up, Ordering::Relaxed);
                metrics.facts.listening(up);
            };
            async move { push.follow(&store, told).await }
        })));
        unheard
    });
    Ok((Facts { store, fitness, unheard, tasks }, bundles))
}

/// The cache, whose look-ups are counted in the metrics.
fn store(config: &Config, database: Arc<SqlFacts>, metrics: &Arc<Metrics>) -> FactStore {
    let hears = Arc::clone(metrics);
    let hears = Box::new(move |down| hears.facts.down(down));
    let source = Breaker::new(database, config.facts.timeout, hears);
    let settings = Settings {
        ttl: config.facts.ttl,
        timeout: config.facts.timeout,
        stale_for: config.facts.dangerous_stale_for,
        entries: config.facts.entries,
        memory: config.memory.facts,
    };
    let metrics = Arc::clone(metrics);
    let observer = move |event: Event| match event {
        Event::Lookup(lookup) => looked_up(&metrics, lookup),
        Event::Dropped(kind) => metrics.facts.invalidated(kind),
    };
    FactStore::new(source, settings, Box::new(observer))
}

fn looked_up(metrics: &Metrics, lookup: Lookup) {
    let outcome = match lookup.outcome {
        Outcome::Hit => "hit",
        Outcome::Miss => "miss",
        Outcome::Coalesced => "coalesced",
        Outcome::Stale => "stale",
        Outcome::Error => "error",
    };
    metrics.facts.looked_up(lookup.kind, outcome, lookup.load);
    if let Some(age) = lookup.age {
        metrics.facts.used(lookup.kind, age);
    }
}
