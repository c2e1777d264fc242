//! Whether the facts fit the policies: asked at the start, and from then on whenever nobody knows.
//!
//! A database that is down at the start does not stop the start. It is asked as soon as it answers;
//! a mapping that does not fit it then fails readiness, loudly. A gate that was fit once and is
//! given policies that ask for more stays ready, with a warning: what it served it serves on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use policy_store::bundle::Bundle;
use policy_store::source::{FactSource, Unfit};
use policy_store::watch::BundleStore;

use crate::admin::Check;

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
    /// Asks `source` for the first time.
    ///
    /// # Errors
    ///
    /// When it answers, and does not fit.
    pub(crate) async fn at_start(
        source: &dyn FactSource,
        bundles: &BundleStore,
    ) -> Result<Arc<Self>, Unfit> {
        let fitness = Self::default();
        let current = bundles.current();
        match ask(source, &current.bundle).await {
            Ok(notes) => fitness.fits(current.generation, &notes),
            Err(error @ Unfit::Unavailable(_)) => {
                tracing::warn!(%error, "it is asked again until it answers");
            }
            Err(faults) => return Err(faults),
        }
        Ok(Arc::new(fitness))
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
            if self.generation.load(Ordering::Relaxed) == current.generation {
                continue;
            }
            match ask(source.as_ref(), &current.bundle).await {
                Ok(notes) => self.fits(current.generation, &notes),
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

async fn ask(source: &dyn FactSource, bundle: &Bundle) -> Result<Vec<String>, Unfit> {
    let asked = tokio::time::timeout(PATIENCE, source.check(bundle)).await;
    asked.unwrap_or_else(|_elapsed| Err(Unfit::Unavailable("it did not answer in time".to_owned())))
}
