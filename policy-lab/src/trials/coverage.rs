//! Computes which parts of a bundle its tests exercise.

use policy_store::bundle::Rule;
use proxy::judge::pipeline::Moment;
use proxy::judge::trials::{Outcome, Runner, threads};
use proxy::judge::workbench::WorkbenchError;

use crate::anatomy::{Coverage, Report};

/// Returns what these outcomes have exercised of the runner's bundle. The runner must keep the questions that
/// were asked.
///
/// # Errors
///
/// Fails if a policy cannot be split into parts.
pub fn coverage(runner: &Runner, outcomes: &[Outcome]) -> Result<Report, WorkbenchError> {
    let failed = |error: &dyn std::error::Error| WorkbenchError::Parts(error.to_string());
    let published = runner.bundles().current();
    let nothing = Coverage::of(&published.bundle).map_err(|error| failed(&error))?;
    let mut all = nothing.clone();
    let share = outcomes.len().div_ceil(threads()).max(1);
    let parts = std::thread::scope(|scope| {
        let workers: Vec<_> = outcomes
            .chunks(share)
            .map(|part| scope.spawn(|| seen(nothing.clone(), part)))
            .collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    for part in parts {
        let part = part.map_err(|_| WorkbenchError::Parts("a worker panicked".to_owned()))?;
        all.merge(&part.map_err(|error| failed(&error))?);
    }
    Ok(all.report())
}

fn seen(
    mut coverage: Coverage,
    outcomes: &[Outcome],
) -> Result<Coverage, crate::anatomy::AnatomyError> {
    for outcome in outcomes {
        for put in &outcome.questions {
            let question = &put.question;
            let concerned = |rule: &Rule| match put.moment {
                Moment::Early => rule.layer.is_early(),
                Moment::Late => !rule.layer.is_early(),
                Moment::ActIn => true,
            };
            coverage.asked(&question.request, &question.entities, concerned)?;
        }
        if let Some(action) = &outcome.action {
            coverage.decided(action, &*outcome.reason == policy_store::cases::ALLOW);
        }
    }
    Ok(coverage)
}
