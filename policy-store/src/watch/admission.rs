//! The examination of a bundle before it is put in force, and the results that are remembered afterwards.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{BundleStore, Published, Refused, Reload, Work};
use crate::bundle::{Finding, Findings, Kind, Loader};

/// The occasion on which a bundle may be put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The gate starts with a bundle that was not in force when the gate ended.
    Start,
    /// The gate starts with a bundle that was in force before: the folder's last one, or one of the archive.
    Restart,
    /// The folder was read again.
    Reload,
    /// An emergency reload was requested, which overrides admission.
    Emergency,
}

/// A bundle that can decide requests, and may be put in force.
#[derive(Debug)]
pub struct Candidate {
    /// The bundle.
    pub next: Arc<Published>,
    /// The bundle that is in force; at a start, the one that was in force last, if it is known.
    pub before: Option<Arc<Published>>,
    /// What is wrong with the bundle without keeping it from deciding: see
    /// [`Loader::load_leniently`](crate::bundle::Loader::load_leniently).
    pub doubts: Vec<Finding>,
    /// The occasion.
    pub occasion: Occasion,
    /// The results of an earlier examination, if the bundle was refused then: its tests need not be run again.
    pub known: Option<Examined>,
}

impl Candidate {
    /// Whether any part that decides differs from the bundle before.
    pub fn is_new(&self) -> bool {
        let digest = self.next.bundle.digest();
        self.before.as_ref().is_none_or(|before| before.bundle.digest() != digest)
    }
}

/// The results of the tests of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TestCounts {
    /// The number of cases that were run.
    pub run: usize,
    /// The number of cases that failed.
    pub failed: usize,
}

/// The results of examining a candidate.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// Why a start would refuse the bundle. Nothing overrides that.
    pub unstartable: Vec<Finding>,
    /// Why admission refuses the bundle. An emergency overrides that.
    pub refused: Vec<Finding>,
    /// What is wrong with the bundle, but is admitted.
    pub warned: Vec<Finding>,
    /// The results of the bundle's own tests, if they were run.
    pub tests: Option<TestCounts>,
    /// Whether a start is known to accept the bundle. That is unknown while the database does not answer.
    pub startable: bool,
}

impl Examined {
    /// Returns the results where no examiner is set: a bundle is admitted only if it has no doubts, or was in
    /// force before.
    pub(super) fn unasked(candidate: &Candidate) -> Self {
        let doubts = candidate.doubts.clone();
        let (refused, warned) = match candidate.occasion {
            Occasion::Restart => (Vec::new(), doubts),
            _ => (doubts, Vec::new()),
        };
        Self { refused, warned, startable: true, ..Self::default() }
    }

    /// Returns why the bundle must not be put in force at a start, or `None` if it may be.
    pub fn objections(&self) -> Option<Findings> {
        let all = || self.unstartable.iter().chain(&self.refused).cloned().collect();
        let none = self.unstartable.is_empty() && self.refused.is_empty();
        (!none).then(|| Findings(all()))
    }
}

/// The remarks on the bundle in force.
#[derive(Debug, Clone, Default)]
pub struct Remarks {
    /// What is wrong with the bundle, but was admitted.
    pub warned: Vec<Finding>,
    /// Whether an emergency reload put the bundle in force.
    pub emergency: bool,
    /// Why admission would have refused the bundle without the emergency.
    pub overridden: Vec<Finding>,
    /// The results of the bundle's own tests, if they were run.
    pub tests: Option<TestCounts>,
}

/// A bundle that is about to be put in force in an emergency.
#[derive(Debug)]
pub struct Emergency<'a> {
    /// The digest of the bundle that was in force.
    pub from: &'a Arc<str>,
    /// The digest of the bundle that is about to be in force.
    pub to: &'a Arc<str>,
    /// Why admission would have refused the bundle.
    pub overridden: &'a [Finding],
}

/// A function that examines a bundle on the thread that made it, with enough stack to evaluate its policies. It
/// calls [`breathe`](crate::bundle::breathe) to let requests go first.
pub type Examiner = dyn Fn(&Candidate) -> Examined + Send + Sync;

/// A function that records an emergency before the bundle is in force, or returns why it cannot.
pub type Recorder = dyn Fn(&Emergency<'_>) -> Result<(), String> + Send + Sync;

/// A callback that receives the outcome of each reload, before
/// [`BundleStore::rejected`](super::BundleStore::rejected) returns that outcome.
pub type Listener = dyn Fn(&Reload, &Published, &Remarks) + Send + Sync;

/// Returns the ids of the guards that `before` has and `next` lacks.
pub(super) fn guards_gone(before: &Published, next: &Published) -> Vec<Arc<str>> {
    let guards = |it: &Published| -> HashSet<Arc<str>> {
        let guards = it.bundle.rules().filter(|rule| rule.forbids);
        guards.map(|rule| Arc::clone(&rule.id)).collect()
    };
    let left = guards(next);
    let mut gone: Vec<_> = guards(before).into_iter().filter(|id| !left.contains(id)).collect();
    gone.sort_unstable();
    gone
}

impl BundleStore {
    /// Returns the remarks on a bundle that is put in force, or why it must not be.
    pub(super) fn admit(
        &self,
        examined: Examined,
        next: &Published,
        current: &Published,
        emergency: bool,
    ) -> Result<Remarks, Findings> {
        let Examined { unstartable, refused, warned, tests, .. } = examined;
        if !unstartable.is_empty() {
            return Err(Findings(unstartable));
        }
        if !refused.is_empty() && !emergency {
            return Err(Findings(refused));
        }
        let (from, to) = (current.bundle.digest(), next.bundle.digest());
        if from == to {
            // The bundle stays in force, so the facts about how it came into force stay as well.
            let Remarks { emergency, overridden, .. } = (*self.remarks()).clone();
            return Ok(Remarks { warned, emergency, overridden, tests });
        }
        if emergency {
            let recorder = self.recorder.get();
            let record = recorder.ok_or_else(|| unrecorded("no recorder is set".to_owned()))?;
            record(&Emergency { from, to, overridden: &refused }).map_err(unrecorded)?;
        }
        Ok(Remarks { warned, emergency, overridden: refused, tests })
    }

    /// Sets the examiner of bundles that may be put in force. Only the first examiner that is set is used.
    pub fn examine_by(&self, examiner: Arc<Examiner>) {
        let _first = self.examiner.set(examiner);
    }

    /// Sets the recorder of emergencies, called before the bundle is in force. Only the first recorder that is
    /// set is used. Without a recorder every emergency reload is rejected.
    pub fn record_emergencies_by(&self, recorder: Arc<Recorder>) {
        let _first = self.recorder.set(recorder);
    }

    /// Examines a bundle. A bundle that was refused before is not examined again when it is read again.
    pub(super) fn examined(&self, mut candidate: Candidate, work: &mut Work) -> Examined {
        let before = candidate.before.as_ref().map_or(0, |it| it.generation);
        let next = Arc::clone(&candidate.next);
        let sources = next.bundle.sources();
        let refused = work.refused.take_if(|it| {
            it.before == before && it.sources == *sources && it.doubts == candidate.doubts
        });
        candidate.known = refused.map(|it| it.examined);
        let doubts = candidate.doubts.clone();
        let examined = self.examine(candidate, &mut work.loader);
        if !examined.refused.is_empty() {
            let (sources, examined) = (sources.clone(), examined.clone());
            work.refused = Some(Refused { sources, doubts, before, examined });
        }
        examined
    }

    /// Calls the examiner. A bundle that cannot be examined is refused.
    fn examine(&self, candidate: Candidate, loader: &mut Loader) -> Examined {
        let Some(examiner) = self.examiner.get() else { return Examined::unasked(&candidate) };
        let examiner = Arc::clone(examiner);
        let examine = AssertUnwindSafe(|| loader.run(move || examiner(&candidate)));
        catch_unwind(examine).ok().flatten().unwrap_or_else(|| {
            let message =
                "the bundle could not be examined: that has failed, or there is no thread for it";
            let finding = Finding::about(Kind::Invalid, ".", message, "reload again, or report it");
            Examined { refused: vec![finding], ..Examined::default() }
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn unrecorded(error: String) -> Findings {
    let message = format!("the emergency cannot be recorded: {error}");
    let remedy = "nothing is put in force in an emergency without a record: mend the journal first";
    Findings(vec![Finding::about(Kind::Invalid, ".", &message, remedy)])
}
