//! The state of the gate, as the admin listener shows it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use audit::Journal;
use base::chain;
use base::supervise::Supervisor;
use policy_store::bundle::{Finding, Findings};
use policy_store::cache::FactStore;
use policy_store::watch::{BundleStore, Reload};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::Admit;
use crate::forward::assertion::AssertionSigner;
use crate::judge::keys::KeyStore;
use crate::operate::admin::{Check, Probe, ReloadOutcome};
use crate::operate::fitness::Fitness;

/// The parts of the gate whose state is shown.
pub(crate) struct Probes {
    pub(crate) bundles: Arc<BundleStore>,
    /// Which bundles are admitted.
    pub(crate) admit: Admit,
    pub(crate) facts: Arc<FactStore>,
    /// Whether the change notifications are down; `None`: the gate does not listen for any.
    pub(crate) unheard: Option<Arc<AtomicBool>>,
    pub(crate) fitness: Arc<Fitness>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) signer: Option<Arc<AssertionSigner>>,
    pub(crate) supervisor: Arc<Supervisor>,
}

impl Probes {
    /// The warning if the newest bundle was rejected and an older one is in force.
    fn stale(&self) -> Option<String> {
        self.bundles.rejected().map(|Findings(findings)| {
            format!("the newest bundle is rejected ({} findings): older policies are in force, see /status", findings.len())
        })
    }

    /// The warnings about the policies in force, if any.
    fn doubtful(&self) -> Option<String> {
        let remarks = self.bundles.remarks();
        let emergency = remarks
            .emergency
            .then(|| "an emergency reload has put these policies in force".to_owned());
        let tests = remarks.tests.filter(|it| it.failed > 0);
        let tests = tests.map(|it| format!("{} of {} of their tests fail", it.failed, it.run));
        let others = (emergency.is_none() && tests.is_none() && !remarks.warned.is_empty())
            .then(|| format!("there are {} warnings about these policies", remarks.warned.len()));
        let all: Vec<String> = [emergency, tests, others].into_iter().flatten().collect();
        (!all.is_empty()).then(|| format!("{}: see /status", all.join(", and ")))
    }

    /// All warnings about the policies, if any.
    fn policies(&self) -> Option<String> {
        let all: Vec<String> = [self.stale(), self.doubtful()].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// How the policies came into force, for `/status`.
    fn admission(&self) -> Value {
        let remarks = self.bundles.remarks();
        let told = |findings: &[Finding]| -> Vec<String> {
            findings.iter().map(ToString::to_string).collect()
        };
        json!({
            "mode": self.admit.word(),
            "tests": remarks.tests.map(|it| json!({ "run": it.run, "failed": it.failed })),
            "warnings": told(&remarks.warned),
            "emergency": remarks.emergency,
            "overridden": told(&remarks.overridden),
        })
    }

    /// The warning if change notifications are down.
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
            ("policies", Ok(self.policies())),
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
            "policy_admission": self.admission(),
            "policies": current.bundle.rules().count(),
            "routes": current.bundle.routes().routes().len(),
            "keys": match self.keys.ready() {
                Ok(None) => "ok".to_owned(),
                Ok(Some(said)) | Err(said) => said,
            },
            "draining": self.draining(),
            "audit": {
                "durability": self.journal.durability().word(),
                "written": counts.written,
                "failed": counts.failed,
                "summarized": counts.summarized,
            },
        })
    }

    async fn reload(&self, emergency: bool) -> Result<ReloadOutcome, String> {
        let bundles = Arc::clone(&self.bundles);
        // On a blocking thread, because reading and validating a bundle uses the CPU for a while.
        let reloaded = tokio::task::spawn_blocking(move || {
            let outcome = if emergency { bundles.reload_in_emergency() } else { bundles.reload() };
            (outcome, bundles.current(), bundles.remarks())
        });
        let (outcome, current, remarks) = reloaded.await.map_err(|error| error.to_string())?;
        let digest = current.bundle.digest().to_string();
        let generation = current.generation;
        let told = |findings: &[Finding]| findings.iter().map(|it| json!(it)).collect();
        let (warnings, overridden) = (told(&remarks.warned), told(&remarks.overridden));
        Ok(match outcome {
            Reload::Applied => ReloadOutcome::Applied { digest, generation, warnings, overridden },
            Reload::Unchanged => ReloadOutcome::Unchanged { digest, generation },
            Reload::Rejected(findings) => ReloadOutcome::Rejected { findings: told(&findings.0) },
        })
    }

    fn assertion_jwks(&self) -> Option<Value> {
        self.signer.as_ref().map(|signer| signer.jwks())
    }
}
