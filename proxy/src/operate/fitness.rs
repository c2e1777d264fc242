//! Whether the facts fit the policies: asked before policies are in force (`startable.rs`), and from then on
//! whenever nobody knows.
//!
//! A database that is down stops neither a start nor a reload. It is asked as soon as it answers;
//! a mapping that does not fit it then fails readiness, loudly. A gate that was fit once stays ready, with a
//! warning: what it served it serves on. Only policies that fit are called the last good ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use policy_store::source::{FactSource, Unfit};
use policy_store::watch::{BundleStore, Published};

use crate::operate::admin::Check;
use crate::operate::startable::check;

/// How long the database may take to say whether the mapping fits.
const PATIENCE: Duration = Duration::from_secs(5);
/// It is asked again so soon while it does not answer, and policies that are new are seen.
const SOON: Duration = Duration::from_secs(1);
/// It is asked again so soon while the mapping does not fit.
const LATER: Duration = Duration::from_secs(10);

/// What is known of it.
#[derive(Debug, Default)]
pub(crate) struct Fitness {
    /// What is wrong.
    misfit: ArcSwapOption<String>,
    /// The generation of policies that facts were found to fit; none has the number 0.
    generation: AtomicU64,
    ever: AtomicBool,
}

impl Fitness {
    /// What is known at the start: what there is to know about the facts, or nothing where the database did not
    /// answer.
    pub(crate) fn at_start(notes: Option<&[String]>, bundles: &BundleStore) -> Arc<Self> {
        let fitness = Self::default();
        if let Some(notes) = notes {
            fitness.fits(bundles.current().generation, notes);
        }
        Arc::new(fitness)
    }

    /// Whether the facts are known to fit these policies.
    pub(crate) fn is_fit(&self, published: &Published) -> bool {
        self.generation.load(Ordering::Relaxed) == published.generation
    }

    /// Asks again, for as long as the gate lives.
    pub(crate) async fn keep(
        self: Arc<Self>,
        source: Arc<dyn FactSource>,
        bundles: Arc<BundleStore>,
    ) {
        loop {
            let unfit = self.misfit.load().is_some();
            tokio::time::sleep(if unfit { LATER } else { SOON }).await;
            let current = bundles.current();
            if self.is_fit(&current) {
                continue;
            }
            match check(source.as_ref(), &current.bundle, PATIENCE).await {
                Ok(notes) => {
                    let (bundles, generation) = (Arc::clone(&bundles), current.generation);
                    // It writes to the disk. Should it fall, a restart serves the last bundle of which it is known.
                    let confirm = move || bundles.confirm(generation);
                    let _confirmed = tokio::task::spawn_blocking(confirm).await;
                    self.fits(generation, &notes);
                }
                Err(Unfit::Unavailable(_)) => {}
                Err(faults) => self.does_not_fit(&faults),
            }
        }
    }

    /// What `/readyz` says about it.
    pub(crate) fn check(&self) -> Check {
        match self.misfit.load_full() {
            None => Ok(None),
            Some(misfit) if self.ever.load(Ordering::Relaxed) => Ok(Some(misfit.to_string())),
            Some(misfit) => Err(misfit.to_string()),
        }
    }

    fn fits(&self, generation: u64, notes: &[String]) {
        for note in notes {
            tracing::info!("{note}");
        }
        tracing::info!(generation, "the mapping of facts fits the database and the policies");
        self.misfit.store(None);
        self.ever.store(true, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
    }

    fn does_not_fit(&self, faults: &Unfit) {
        let said = faults.to_string();
        if self.misfit.load().as_deref() != Some(&said) {
            tracing::error!("{said}");
            self.misfit.store(Some(Arc::new(said)));
        }
    }
}
