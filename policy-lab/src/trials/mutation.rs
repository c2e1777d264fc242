//! Mutation testing: the bundle is changed one step at a time, and the tests must notice each change.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use policy_store::bundle::{ACT_IN, Bundle, Loader};
use policy_store::cases::Accepted;
use proxy::judge::trials::{Outcome, Runner, threads};
use proxy::judge::workbench::WorkbenchError;
use serde_json::{Value, json};

use crate::mutants::{Mutant, Touched};

/// The results of mutation testing.
#[derive(Debug)]
pub struct Mutation {
    /// The number of mutants.
    pub all: usize,
    /// The number of mutants that no test notices but that `check` refuses: they could never be in force.
    pub refused: usize,
    /// The mutants that no test notices and no file accepts.
    pub survivors: Vec<Mutant>,
    /// The mutants that no test notices and that a file accepts, with the reason.
    pub accepted: Vec<(Mutant, Accepted)>,
    /// The acceptances whose mutant did not survive or does not exist: their reason no longer holds.
    pub stale: Vec<Accepted>,
}

impl Mutation {
    /// Whether every change is noticed, or accepted for a reason that holds.
    pub fn is_fine(&self) -> bool {
        self.survivors.is_empty() && self.stale.is_empty()
    }

    /// Returns the results as text for people, with the survivors as diffs.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for mutant in &self.survivors {
            // Writing to a string cannot fail, here and below.
            let _ok = write!(text, "\nSURVIVED  {}\n{}", mutant.id, mutant.diff().trim_end());
        }
        for stale in &self.stale {
            let _ok = write!(
                text,
                "\nSTALE  {}:{}  `{}` is accepted and does not survive, or is no mutant: remove it",
                stale.file, stale.line, stale.mutant
            );
        }
        let Self { all, refused, .. } = self;
        let (survived, accepted) = (self.survivors.len(), self.accepted.len());
        let noticed = all - refused - survived - accepted;
        let _ok = write!(
            text,
            "\n{all} mutants: {noticed} noticed, {refused} refused by `check` alone, {survived} survived, {accepted} accepted with a reason"
        );
        text
    }

    /// Returns the results as JSON.
    pub fn json(&self) -> Value {
        let one = |it: &Mutant| json!({ "mutant": it.id, "file": it.file, "line": it.line, "diff": it.diff() });
        let accepted = self
            .accepted
            .iter()
            .map(|(mutant, why)| json!({ "mutant": mutant.id, "reason": why.reason }));
        json!({
            "mutants": self.all,
            "refused": self.refused,
            "survived": self.survivors.iter().map(one).collect::<Vec<_>>(),
            "accepted": accepted.collect::<Vec<_>>(),
            "stale": self.stale.iter().map(|it| &it.mutant).collect::<Vec<_>>(),
        })
    }
}

/// Runs the tests against each mutant, on all cores. `baseline` are the outcomes of the bundle itself, all of
/// which passed: they tell which cases can notice which mutant.
///
/// # Errors
///
/// Fails if the tests cannot be run at all.
pub fn mutate(
    runner: &Runner,
    baseline: &[Outcome],
    mutants: Vec<Mutant>,
) -> Result<Mutation, WorkbenchError> {
    let next = AtomicUsize::new(0);
    let (survived, refused) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads())
            .map(|_| scope.spawn(|| hunt(runner, baseline, &mutants, &next)))
            .collect();
        let (mut survived, mut refused) = (HashSet::new(), 0);
        for worker in workers {
            let part = worker.join();
            let part = part.map_err(|_| WorkbenchError::Parts("a worker panicked".into()))??;
            survived.extend(part.survived);
            refused += part.refused;
        }
        Ok::<_, WorkbenchError>((survived, refused))
    })?;
    let all = mutants.len();
    let mut mutation =
        Mutation { all, refused, survivors: Vec::new(), accepted: Vec::new(), stale: Vec::new() };
    let mut used = HashSet::new();
    let known = &runner.suite().accepted;
    for (index, mutant) in mutants.into_iter().enumerate() {
        if !survived.contains(&index) {
            continue;
        }
        let covering = known.iter().enumerate().find(|(_, it)| it.covers(&mutant.id));
        match covering {
            Some((place, accepted)) => {
                used.insert(place);
                mutation.accepted.push((mutant, accepted.clone()));
            }
            None => mutation.survivors.push(mutant),
        }
    }
    let stale = known.iter().enumerate().filter(|(place, _)| !used.contains(place));
    mutation.stale = stale.map(|(_, accepted)| accepted.clone()).collect();
    Ok(mutation)
}

/// The results for some of the mutants.
#[derive(Debug, Default)]
struct Hunted {
    /// The indices of the mutants that survived.
    survived: Vec<usize>,
    refused: usize,
}

/// Tests one mutant after the other, until none is left.
fn hunt(
    runner: &Runner,
    baseline: &[Outcome],
    mutants: &[Mutant],
    next: &AtomicUsize,
) -> Result<Hunted, WorkbenchError> {
    let mut loader = Loader::default();
    let mut hunted = Hunted::default();
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(mutant) = mutants.get(index) else { return Ok(hunted) };
        // A mutant that cannot decide requests is refused when it is loaded.
        let Ok(bundle) = loader.unproven(mutant.sources()) else {
            hunted.refused += 1;
            continue;
        };
        let noticed = is_noticed(runner, bundle, &likely_first(mutant, baseline))?;
        // A mutant that would never be accepted does no harm: the checks of a bundle count as tests.
        if noticed {
            continue;
        }
        match loader.load(mutant.sources()) {
            Ok(_) => hunted.survived.push(index),
            Err(_) => hunted.refused += 1,
        }
    }
}

fn is_noticed(runner: &Runner, mutant: Bundle, cases: &[usize]) -> Result<bool, WorkbenchError> {
    let mutant = Runner::new(mutant).with_suite(Arc::clone(runner.suite()));
    let outcomes = mutant.run_here(cases, |outcome| outcome.passed)?;
    Ok(outcomes.last().is_some_and(|outcome| !outcome.passed))
}

/// Returns the cases that can notice a mutant. Cases that were decided by the changed policy come first. Cases
/// about other actions are left out, because the changed policy or route is not asked about them.
fn likely_first(mutant: &Mutant, baseline: &[Outcome]) -> Vec<usize> {
    let (policy, actions): (Option<&Arc<str>>, Vec<&str>) = match &mutant.touches {
        Touched::Policy { id, actions } => (Some(id), actions.iter().map(|it| &**it).collect()),
        Touched::Route(action) => (None, vec![action]),
    };
    // `act_in` is asked along with any action.
    let any = actions.contains(&ACT_IN);
    let concerned = |outcome: &&Outcome| {
        any || outcome.action.as_deref().is_some_and(|action| actions.contains(&action))
    };
    let decided = |outcome: &Outcome| policy.is_some_and(|id| outcome.policies.contains(id));
    let mut cases: Vec<&Outcome> = baseline.iter().filter(concerned).collect();
    cases.sort_by_key(|outcome| !decided(outcome));
    cases.into_iter().map(|outcome| outcome.case).collect()
}
