//! Whether the gate could start with a bundle. Checked at a start, and at a reload before the bundle is in force.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use base::chain;
use policy_store::bundle::{Bundle, Finding, Kind};
use policy_store::source::{FactFaults, FactSource, Unfit};
use policy_store::watch::Published;
use tokio::runtime::Handle;

use crate::config::Jwt;

/// The timeout of the database check at a reload. Short, because the bundle may be a revocation.
const PATIENCE: Duration = Duration::from_secs(2);

/// The reason why the gate could not start with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum Unstartable {
    /// `never_roles` of an issuer names a role that does not exist, so the restriction has no effect.
    #[error(
        "`jwt.issuers`: `{issuer}` must never stand for the role `{role}`, which the policies' schema does not list"
    )]
    UnknownRole {
        /// The issuer, as the configuration names it.
        issuer: String,
        /// The role that the schema does not list.
        role: String,
    },
    /// A route looks up objects of a type that the mapping of facts does not have.
    #[error(
        "routes.yaml looks up objects of type `{0}`, for which the mapping of facts has no statement"
    )]
    Unmapped(Arc<str>),
    /// The database does not provide the facts that the policies need.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

/// The parts that a bundle must fit.
pub(crate) struct Startable {
    /// The source of the facts.
    pub(crate) source: Arc<dyn FactSource>,
    /// The issuers, whose `never_roles` must be roles of the bundle.
    pub(crate) jwt: Jwt,
}

impl Startable {
    /// Checks whether the gate could start with this bundle. Returns the notes about the facts, or `None` if the
    /// database does not answer.
    ///
    /// # Errors
    ///
    /// Fails with the reason why the gate could not start.
    pub(crate) async fn ask(
        &self,
        bundle: &Bundle,
        patience: Duration,
    ) -> Result<Option<Vec<String>>, Unstartable> {
        let mut looked_up = bundle.routes().routes().iter().filter(|route| route.scope.looks_up());
        if let Some(route) = looked_up.find(|route| !self.source.knows(&route.resource)) {
            return Err(Unstartable::Unmapped(Arc::clone(&route.resource)));
        }
        let unknown = self.jwt.unknown_role(|role| bundle.vocabulary().has_role(role));
        if let Some((issuer, role)) = unknown {
            let (issuer, role) = (issuer.to_owned(), role.to_owned());
            return Err(Unstartable::UnknownRole { issuer, role });
        }
        match check(&*self.source, bundle, patience).await {
            Ok(notes) => Ok(Some(notes)),
            Err(error @ Unfit::Unavailable(_)) => {
                tracing::warn!(%error, "whether the facts fit the policies is asked again until the database answers");
                Ok(None)
            }
            Err(faults) => Err(faults.into()),
        }
    }

    /// Like [`ask`](Self::ask), called from a thread outside the runtime.
    pub(crate) fn ask_from_thread(
        self: &Arc<Self>,
        runtime: &Handle,
        next: &Arc<Published>,
    ) -> Result<Option<Vec<String>>, Unstartable> {
        let (answer, answered) = channel();
        let (startable, next) = (Arc::clone(self), Arc::clone(next));
        runtime.spawn(async move {
            // Sending fails only if the thread that waits has ended.
            let _heard = answer.send(startable.ask(&next.bundle, PATIENCE).await);
        });
        // The task was dropped without an answer, so the gate is shutting down.
        answered.recv().unwrap_or(Ok(None))
    }
}

/// Checks whether a source provides what a bundle needs. A timeout counts as an unavailable source.
pub(crate) async fn check(
    source: &dyn FactSource,
    bundle: &Bundle,
    patience: Duration,
) -> Result<Vec<String>, Unfit> {
    let asked = tokio::time::timeout(patience, source.check(bundle)).await;
    asked.unwrap_or_else(|_elapsed| Err(Unfit::Unavailable("it did not answer in time".to_owned())))
}

/// The reason why the gate could not start with a bundle, as findings about the bundle.
pub(crate) fn findings(error: &Unstartable) -> Vec<Finding> {
    let finding = |file: &str, message: &str, remedy: &str| {
        Finding::about(Kind::Unstartable, file, message, remedy)
    };
    match error {
        Unstartable::Unfit(Unfit::Faults(FactFaults(faults))) => {
            let each = faults.iter().map(|fault| {
                let message = format!("{}: {}", fault.place, fault.message);
                finding("schema.cedarschema", &message, &fault.remedy)
            });
            each.collect()
        }
        Unstartable::Unfit(Unfit::Unavailable(_)) => {
            vec![finding("schema.cedarschema", &chain(error), "wait for the database, and reload")]
        }
        Unstartable::Unmapped(_) => {
            let remedy = "write a statement under `facts.mapping.objects` in the configuration and restart, or remove the route";
            vec![finding("routes.yaml", &chain(error), remedy)]
        }
        Unstartable::UnknownRole { .. } => {
            let remedy = "list the role in the schema, or take it out of `never_roles` in the configuration and restart";
            vec![finding("schema.cedarschema", &chain(error), remedy)]
        }
    }
}
