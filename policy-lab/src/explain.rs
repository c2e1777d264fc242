//! Explains decisions: layer by layer what was asked, the facts that were used, the policy that
//! decided, and what would change it, and who may do that.
//!
//! Everything is judged by a [`Workbench`], which runs the pipeline that serves: an explanation
//! cannot say anything else than the gate does. What would change a decision is found by trying:
//! facts are changed one by one in a `Scene`, and the request is judged again.

mod candidates;
mod change;
mod clauses;
mod layers;
mod means;
mod past;
mod reach;
mod remedy;
pub(crate) mod report;
mod scene;
mod search;
mod shown;
mod sight;
mod statuses;
#[cfg(test)]
mod tests;
pub mod text;

use std::sync::Arc;
use std::time::Duration;

use policy_store::bundle::Bundle;
use policy_store::source::FactSource;
use policy_store::watch::{BundleStore, Published};
use proxy::config::Tenancy;
use proxy::judge::pipeline::Witness;
use proxy::judge::workbench::{self, Ask, Notebook, Verdict, Workbench, WorkbenchError};

pub use clauses::{allowlists, deciding};
pub use past::{PastError, archived};
pub use reach::{Reach, ReachError};
use scene::Scene;

/// Judges what is to be explained.
pub struct Explainer {
    bundles: Arc<BundleStore>,
    notebook: Arc<Notebook<dyn FactSource>>,
    tenancy: Tenancy,
    /// Judges by the facts as they are, and is overheard.
    live: Workbench,
    scene: Arc<Scene>,
    /// Judges by the facts of the scene, each time anew.
    trial: Workbench,
    /// The statuses that policies compare with.
    statuses: Vec<Arc<str>>,
}

impl std::fmt::Debug for Explainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Explainer").finish_non_exhaustive()
    }
}

impl Explainer {
    /// An explainer with these policies and facts. Has to be made in a runtime.
    ///
    /// # Errors
    ///
    /// When a part of the gate cannot be made.
    pub fn new(
        bundle: Bundle,
        facts: Arc<dyn FactSource>,
        tenancy: Tenancy,
    ) -> Result<Self, WorkbenchError> {
        let statuses = statuses::of(&bundle);
        let bundles = BundleStore::fixed(bundle);
        let notebook = Arc::new(Notebook::new(facts));
        let live = Workbench::over(
            Arc::clone(&bundles),
            Arc::<Notebook<dyn FactSource>>::clone(&notebook),
            tenancy.clone(),
            Some(Arc::new(Witness::default())),
            workbench::TTL,
        )?;
        let scene = Arc::new(Scene::new(Arc::clone(&notebook)));
        let trial = Workbench::over(
            Arc::clone(&bundles),
            Arc::<Scene>::clone(&scene),
            tenancy.clone(),
            None,
            Duration::ZERO,
        )?;
        Ok(Self { bundles, notebook, tenancy, live, scene, trial, statuses })
    }

    /// The policies.
    pub fn bundle(&self) -> Arc<Published> {
        self.bundles.current()
    }

    /// Explains a request.
    ///
    /// # Errors
    ///
    /// When what is described is no request.
    pub async fn request(&self, ask: &Ask) -> Result<report::Report, WorkbenchError> {
        let verdict = self.live.judge(ask).await?;
        // Now, before anything else takes time: a fact has an age.
        let facts = shown::facts(&self.notebook.notes(), &verdict);
        let published = self.bundle();
        let bundle = &published.bundle;
        let search = self.search(ask, &verdict).await?;
        let changes = self.remedies(ask, &verdict, search).await?;
        let layers = layers::of(bundle, &verdict);
        Ok(report::Report {
            request: shown::request(ask, &verdict),
            answer: shown::answer(&verdict),
            route: shown::route(bundle, &verdict),
            policy_digest: bundle.digest().to_string(),
            layers,
            decided_by: clauses::deciding(bundle, &verdict),
            allowlists: clauses::allowlists(bundle, &verdict),
            facts,
            changes,
        })
    }
}

/// The workflow that the path of a request names.
fn workflow(bundle: &Bundle, verdict: &Verdict) -> Option<Arc<str>> {
    let record = &verdict.record;
    let found = bundle.routes().find(record.method.as_deref()?, record.endpoint.as_deref()?);
    found?.workflow
}
