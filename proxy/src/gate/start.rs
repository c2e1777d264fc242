//! Which bundle the gate starts with: the folder's, or the newest one of the archive that can be used.

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

/// How long the database may take to say whether it fits a bundle.
const PATIENCE: Duration = Duration::from_secs(5);

/// The policies, what counts their reloads, and what there is to know about the facts, unless the database does not
/// answer.
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
                // What is wrong with the folder's is what has to be corrected.
                if !candidate.next.archived {
                    refused = Some(error);
                }
            }
        }
    }
    let unread = opening.rejected().cloned().unwrap_or(Findings(Vec::new()));
    Err(refused.unwrap_or(StartError::Policies(unread)))
}

/// What is found out about a bundle; or why the gate does not start with it.
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

/// Why the gate does not start with a bundle, as findings about the bundle.
fn told(error: &StartError) -> Vec<Finding> {
    match error {
        StartError::Policies(findings) => findings.0.clone(),
        StartError::Unstartable(error) => findings(error),
        other => {
            vec![Finding::about(Kind::Unstartable, ".", &chain(other), "correct this, and reload")]
        }
    }
}

/// What hears of each reload.
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

/// Tells the log and the metrics which bundle is in force from now on, and what is wrong with it all the same.
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
