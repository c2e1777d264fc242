//! What the admin listener may know of the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use policy_store::bundle::Findings;
use policy_store::cache::FactStore;
use policy_store::supervise::Supervisor;
use policy_store::watch::{BundleStore, Reload};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::admin::{Check, Probe, ReloadOutcome};
use crate::assertion::AssertionSigner;
use crate::chain::chain;
use crate::fitness::Fitness;
use crate::keys::KeyStore;
use crate::record::Journal;

/// The parts that can say how they are.
pub(crate) struct Probes {
    pub(crate) bundles: Arc<BundleStore>,
    pub(crate) facts: Arc<FactStore>,
    /// Whether changes of facts are not heard; `None`: nobody listens.
    pub(crate) unheard: Option<Arc<AtomicBool>>,
    pub(crate) fitness: Arc<Fitness>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) signer: Option<Arc<AssertionSigner>>,
    pub(crate) supervisor: Arc<Supervisor>,
}

impl Probes {
    /// What has to be known about policies that are served though they are not the newest.
    fn stale(&self) -> Option<String> {
        self.bundles.rejected().map(|Findings(findings)| {
            format!("the newest bundle is rejected ({} findings): older policies are in force, see /status", findings.len())
        })
    }

    /// What has to be known about restrictions of issuers that a reload of policies has made moot.
    fn moot(&self) -> Option<String> {
        let current = self.bundles.current();
        self.keys.moot(|role| current.bundle.vocabulary().has_role(role))
    }

    /// What has to be known about changes of facts.
    fn unheard(&self) -> Option<String> {
        let unheard = self.unheard.as_ref().is_some_and(|it| it.load(Ordering::Relaxed));
        unheard.then(|| {
            "changes in the database are not heard: they hold after `facts.ttl`".to_owned()
        })
    }
}

#[async_trait]
impl Probe for Probes {
    async fn ready(&self) -> Vec<(&'static str, Check)> {
        let facts = self.facts.source().ping().await.map_err(|error| chain(&error));
        let audit = self.journal.check().map_err(|error| chain(&error));
        vec![
            ("policies", Ok(self.stale().or_else(|| self.moot()))),
            (
                "facts",
                facts.and_then(|()| self.fitness.check()).map(|said| said.or(self.unheard())),
            ),
            ("audit", audit),
            ("keys", self.keys.ready()),
            ("tasks", Ok(self.supervisor.warning())),
        ]
    }

    fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn status(&self) -> Value {
        let current = self.bundles.current();
        let loaded_at = OffsetDateTime::from(current.loaded_at).format(&Rfc3339);
        let counts = self.journal.counts();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "policy_digest": &**current.bundle.digest(),
            "policy_generation": current.generation,
            "policy_loaded_at": loaded_at.ok(),
            "policy_source": if current.archived { "archive" } else { "directory" },
            "policy_error": self.bundles.rejected().map(|findings| findings.to_string()),
            "policies": current.bundle.rules().count(),
            "routes": current.bundle.routes().routes().len(),
            "keys": match self.keys.ready() {
                Ok(None) => "ok".to_owned(),
                Ok(Some(said)) | Err(said) => said,
            },
            "draining": self.draining(),
            "audit": {
                "durability": format!("{:?}", self.journal.durability()).to_lowercase(),
                "written": counts.written,
                "failed": counts.failed,
                "summarized": counts.summarized,
            },
        })
    }

    async fn reload(&self) -> Result<ReloadOutcome, String> {
        let bundles = Arc::clone(&self.bundles);
        // Reading and validating a bundle takes a while of pure work.
        let reloaded = tokio::task::spawn_blocking(move || (bundles.reload(), bundles.current()));
        let (outcome, current) = reloaded.await.map_err(|error| error.to_string())?;
        let digest = current.bundle.digest().to_string();
        let generation = current.generation;
        Ok(match outcome {
            Reload::Applied => ReloadOutcome::Applied { digest, generation },
            Reload::Unchanged => ReloadOutcome::Unchanged { digest, generation },
            Reload::Rejected(findings) => {
                let findings = findings.0.iter().map(|it| json!(it)).collect();
                ReloadOutcome::Rejected { findings }
            }
        })
    }

    fn assertion_jwks(&self) -> Option<Value> {
        self.signer.as_ref().map(|signer| signer.jwks())
    }
}
