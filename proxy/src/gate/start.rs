//! Chooses the bundle to start with: the policy folder's, or the newest usable one in the archive.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::chain;
use policy_store::archive::Archive;
use policy_store::bundle::{Finding, Findings, Kind, with_room};
use policy_store::watch::{
    BundleStore, Candidate, Examined, Listener, Opening, Published, Reload, Remarks,
};

use super::StartError;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::operate::admission::judge;
use crate::operate::startable::{Startable, findings};

/// How long the database may take to answer whether it fits a bundle.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the policies and logs and counts their reloads. Also returns the notes about the facts, or `None` if the
/// database does not answer.
pub(super) async fn open_bundles(
    config: &Config,
    metrics: &Arc<Metrics>,
    startable: &Startable,
) -> Result<(Arc<BundleStore>, Option<Vec<String>>), StartError> {
    let archive = Archive::new(config.policy_archive());
    let mut opening = Opening::new(&config.policies.directory, archive);
    let mut refused = None;
    while let Some(candidate) = opening.next_candidate() {
        match examine(config, startable, &candidate).await {
            Ok((examined, notes)) => {
                let bundles = opening.take(candidate, examined, listener(metrics));
                let current = bundles.current();
                if current.archived {
                    tracing::error!(digest = %current.bundle.digest(), "the policies in the folder are bad: the last good ones are served from the archive");
                }
                tell(metrics, &current, &bundles.remarks());
                return Ok((bundles, notes));
            }
            Err(error) => {
                opening.refuse(&candidate, Findings(told(&error)));
                // The error about the folder's bundle is the one that the operator has to correct.
                if !candidate.next.archived {
                    refused = Some(error);
                }
            }
        }
    }
    let unread = opening.rejected().cloned().unwrap_or(Findings(Vec::new()));
    Err(refused.unwrap_or(StartError::Policies(unread)))
}

/// Examines a bundle, or returns the reason why the gate does not start with it.
async fn examine(
    config: &Config,
    startable: &Startable,
    candidate: &Candidate,
) -> Result<(Examined, Option<Vec<String>>), StartError> {
    let notes = startable.ask(&candidate.next.bundle, PATIENCE).await?;
    let judged = with_room(|| judge(config.policies.admit, candidate));
    let examined = judged.ok_or_else(|| io::Error::other("there is no thread for the tests"))?;
    match examined.objections() {
        Some(findings) => Err(findings.into()),
        None => Ok((examined, notes)),
    }
}

/// An error at start as findings about the bundle.
fn told(error: &StartError) -> Vec<Finding> {
    match error {
        StartError::Policies(findings) => findings.0.clone(),
        StartError::Unstartable(error) => findings(error),
        other => {
            vec![Finding::about(Kind::Unstartable, ".", &chain(other), "correct this, and reload")]
        }
    }
}

/// The listener that logs and counts each reload.
fn listener(metrics: &Arc<Metrics>) -> Box<Listener> {
    let metrics = Arc::clone(metrics);
    Box::new(move |outcome, current, remarks| {
        metrics.policies.reloaded(outcome.word());
        match outcome {
            Reload::Rejected(findings) => {
                tracing::error!(%findings, "the policies are not accepted; the last good ones stay");
                metrics.policies.in_force(current.bundle.digest(), current.generation);
            }
            Reload::Unchanged => {
                metrics.policies.in_force(current.bundle.digest(), current.generation);
                metrics.policies.tested(remarks.tests);
            }
            Reload::Applied => {
                tracing::info!(digest = %current.bundle.digest(), generation = current.generation, "policies reloaded");
                if remarks.emergency {
                    metrics.policies.applied_in_emergency();
                }
                tell(&metrics, current, remarks);
            }
        }
    })
}

/// Logs and counts the bundle that is in force from now on, with its warnings and overridden findings.
fn tell(metrics: &Metrics, current: &Published, remarks: &Remarks) {
    metrics.policies.in_force(current.bundle.digest(), current.generation);
    metrics.policies.tested(remarks.tests);
    metrics.policies.emergency(remarks.emergency);
    if remarks.emergency {
        tracing::error!(digest = %current.bundle.digest(), "these policies are in force by an emergency reload");
    }
    for finding in &remarks.overridden {
        tracing::error!("overridden by an emergency reload: {finding}");
    }
    for finding in &remarks.warned {
        tracing::warn!("the policies in force: {finding}");
    }
}
