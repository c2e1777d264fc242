//! Explains decisions: what each layer asked, the facts that were used, the policy that decided, what would
//! change the decision, and who may make that change.
//!
//! A [`Workbench`] judges every request with the gate's own pipeline, so an explanation cannot differ from what
//! the gate does. What would change a decision is found by trial: a `Scene` changes facts one by one, and the
//! request is judged again.

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

/// Judges the requests that are to be explained.
pub struct Explainer {
    bundles: Arc<BundleStore>,
    notebook: Arc<Notebook<dyn FactSource>>,
    tenancy: Tenancy,
    /// The workbench that judges by the current facts and keeps the questions that it asked.
    live: Workbench,
    scene: Arc<Scene>,
    /// The workbench that judges by the facts of the scene, without caching them.
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
    /// Returns an explainer with these policies and facts. The caller must be in an async runtime.
    ///
    /// # Errors
    ///
    /// Fails if a part of the gate cannot be built.
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

    /// Returns the policies in use.
    pub fn bundle(&self) -> Arc<Published> {
        self.bundles.current()
    }

    /// Explains a request.
    ///
    /// # Errors
    ///
    /// Fails if the description is not a valid request.
    pub async fn request(&self, ask: &Ask) -> Result<report::Report, WorkbenchError> {
        let verdict = self.live.judge(ask).await?;
        // This comes before anything that takes time, because the report shows the age of each fact.
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

/// Returns the workflow in the path of a request.
fn workflow(bundle: &Bundle, verdict: &Verdict) -> Option<Arc<str>> {
    let record = &verdict.record;
    let found = bundle.routes().find(record.method.as_deref()?, record.endpoint.as_deref()?);
    found?.workflow
}
