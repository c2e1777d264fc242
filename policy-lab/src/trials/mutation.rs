//! Mutation: the bundle is changed one step at a time, and the tests have to notice.

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

/// What became of the mutants.
#[derive(Debug)]
pub struct Mutation {
    /// How many there were.
    pub all: usize,
    /// How many no test noticed, and `check` does: they are never in force.
    pub refused: usize,
    /// Those that no test noticed, and that nobody has accepted.
    pub survivors: Vec<Mutant>,
    /// Those that no test noticed, with why none has to.
    pub accepted: Vec<(Mutant, Accepted)>,
    /// What is accepted and did not survive, or does not exist: the reason no longer holds.
    pub stale: Vec<Accepted>,
}

impl Mutation {
    /// Whether every change is noticed, or accepted for a reason that holds.
    pub fn is_fine(&self) -> bool {
        self.survivors.is_empty() && self.stale.is_empty()
    }

    /// For people: the survivors as diffs.
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

    /// For machines.
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

/// Runs the tests against each mutant, on all cores. `baseline` are the outcomes of the bundle itself,
/// all of which passed: they say which cases can notice which mutant.
///
/// # Errors
///
/// When the tests cannot be run at all.
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

/// What became of some mutants.
#[derive(Debug, Default)]
struct Hunted {
    /// The places of those that survived.
    survived: Vec<usize>,
    refused: usize,
}

/// Takes one mutant after the other.
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
        // One that cannot even be asked is noticed by whoever loads it.
        let Ok(bundle) = loader.unproven(mutant.sources()) else {
            hunted.refused += 1;
            continue;
        };
        let noticed = is_noticed(runner, bundle, &likely_first(mutant, baseline))?;
        // What would never be accepted cannot do harm: checks are tests too.
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

/// The cases that can notice a mutant, those first that looked at what was changed. A case about
/// another action is never asked what a policy says that cannot be about it.
fn likely_first(mutant: &Mutant, baseline: &[Outcome]) -> Vec<usize> {
    let (policy, actions): (Option<&Arc<str>>, Vec<&str>) = match &mutant.touches {
        Touched::Policy { id, actions } => (Some(id), actions.iter().map(|it| &**it).collect()),
        Touched::Route(action) => (None, vec![action]),
    };
    // Whether somebody may act in a tenant is asked along with any action.
    let any = actions.contains(&ACT_IN);
    let concerned = |outcome: &&Outcome| {
        any || outcome.action.as_deref().is_some_and(|action| actions.contains(&action))
    };
    let decided = |outcome: &Outcome| policy.is_some_and(|id| outcome.policies.contains(id));
    let mut cases: Vec<&Outcome> = baseline.iter().filter(concerned).collect();
    cases.sort_by_key(|outcome| !decided(outcome));
    cases.into_iter().map(|outcome| outcome.case).collect()
}
