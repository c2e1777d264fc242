//! Whether the facts fit the policies. The check runs before policies are in force (`startable.rs`), and from then on
//! whenever its result is unknown.
//!
//! A database that is down prevents neither a start nor a reload: the check is retried until it answers. A mapping that
//! does not fit then fails readiness and is logged as an error. A gate whose facts have fit once stays ready, with a
//! warning: it goes on serving. Only policies that fit count as the last good ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use policy_store::source::{FactSource, Unfit};
use policy_store::watch::{BundleStore, Published};

use crate::operate::admin::Check;
use crate::operate::startable::check;

/// The timeout of the check.
const PATIENCE: Duration = Duration::from_secs(5);
/// The interval between checks while the database does not answer, and between looks for new policies.
const SOON: Duration = Duration::from_secs(1);
/// The interval between checks while the mapping does not fit.
const LATER: Duration = Duration::from_secs(10);

/// The result of the checks so far.
#[derive(Debug, Default)]
pub(crate) struct Fitness {
    /// The reason why the mapping does not fit, if so.
    misfit: ArcSwapOption<String>,
    /// The generation of the policies that the facts are known to fit. 0: none.
    generation: AtomicU64,
    ever: AtomicBool,
}

impl Fitness {
    /// The result of the check at the start: the notes about the facts, or `None` if the database did not
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

    /// Repeats the check while its result is unknown. Never ends.
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
                    // Writes to the disk. If that fails, a restart serves the last bundle that was confirmed.
                    let confirm = move || bundles.confirm(generation);
                    let _confirmed = tokio::task::spawn_blocking(confirm).await;
                    self.fits(generation, &notes);
                }
                Err(Unfit::Unavailable(_)) => {}
                Err(faults) => self.does_not_fit(&faults),
            }
        }
    }

    /// The result for `/readyz`.
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
