//! Whether a start of the gate accepts a bundle: asked at a start, and at a reload before the bundle is in force.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use base::chain;
use policy_store::bundle::{Bundle, Finding, Kind};
use policy_store::source::{FactFaults, FactSource, Unfit};
use policy_store::watch::Published;
use tokio::runtime::Handle;

use crate::config::Jwt;

/// How long the database may take at a reload to say whether it fits: the bundle may be a revocation.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a start of the gate would not accept a bundle.
#[derive(Debug, thiserror::Error)]
pub enum Unstartable {
    /// An issuer must never stand for a role that does not exist, so the restriction restricts nothing.
    #[error(
        "`jwt.issuers`: `{issuer}` must never stand for the role `{role}`, which the policies' schema does not list"
    )]
    UnknownRole {
        /// The issuer, as the configuration names it.
        issuer: String,
        /// The role that the schema does not list.
        role: String,
    },
    /// Objects of this type cannot be looked up.
    #[error(
        "routes.yaml looks up objects of type `{0}`, for which the mapping of facts has no statement"
    )]
    Unmapped(Arc<str>),
    /// The facts are not those that the policies need.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

/// What a bundle has to fit.
pub(crate) struct Startable {
    /// Where facts come from.
    pub(crate) source: Arc<dyn FactSource>,
    /// The issuers, some of which must not stand for a role of the bundle.
    pub(crate) jwt: Jwt,
}

impl Startable {
    /// Asks whether a start accepts this bundle. Gives what there is to know about the facts, or nothing while the
    /// database does not answer.
    ///
    /// # Errors
    ///
    /// Why a start would not accept it.
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

    /// The same from a thread that is none of the runtime's.
    pub(crate) fn ask_from_thread(
        self: &Arc<Self>,
        runtime: &Handle,
        next: &Arc<Published>,
    ) -> Result<Option<Vec<String>>, Unstartable> {
        let (answer, answered) = channel();
        let (startable, next) = (Arc::clone(self), Arc::clone(next));
        runtime.spawn(async move {
            // Nobody waits any more only if the thread is gone.
            let _heard = answer.send(startable.ask(&next.bundle, PATIENCE).await);
        });
        // Without an answer the gate is about to end.
        answered.recv().unwrap_or(Ok(None))
    }
}

/// Asks a source whether it gives what a bundle needs.
pub(crate) async fn check(
    source: &dyn FactSource,
    bundle: &Bundle,
    patience: Duration,
) -> Result<Vec<String>, Unfit> {
    let asked = tokio::time::timeout(patience, source.check(bundle)).await;
    asked.unwrap_or_else(|_elapsed| Err(Unfit::Unavailable("it did not answer in time".to_owned())))
}

/// Why a start would not accept a bundle, as findings about it.
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
