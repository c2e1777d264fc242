//! What is found out about a bundle before it is put in force, and what is remembered of it afterwards.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{BundleStore, Published, Refused, Reload, Work};
use crate::bundle::{Finding, Findings, Kind, Loader};

/// Why a bundle may be put in force now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The gate starts, and the bundle was not in force when it ended.
    Start,
    /// The gate starts with a bundle that was in force before: its folder's last one, or one of the archive.
    Restart,
    /// The folder was read again.
    Reload,
    /// Somebody has asked for it whatever admission says.
    Emergency,
}

/// A bundle that can be asked, and may be put in force.
#[derive(Debug)]
pub struct Candidate {
    /// The bundle.
    pub next: Arc<Published>,
    /// The bundle that is in force; at a start, the one that was in force last, if it is known.
    pub before: Option<Arc<Published>>,
    /// What is wrong with the bundle and does not keep it from deciding: see
    /// [`Loader::load_leniently`](crate::bundle::Loader::load_leniently).
    pub doubts: Vec<Finding>,
    /// Why it may be put in force now.
    pub occasion: Occasion,
    /// What was found out about it when it was refused, if it was: its tests need not be run again.
    pub known: Option<Examined>,
}

impl Candidate {
    /// Whether anything that decides is otherwise than in the bundle before.
    pub fn is_new(&self) -> bool {
        let digest = self.next.bundle.digest();
        self.before.as_ref().is_none_or(|before| before.bundle.digest() != digest)
    }
}

/// How the tests of a bundle came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TestCounts {
    /// The number of cases that were run.
    pub run: usize,
    /// The number of those that failed.
    pub failed: usize,
}

/// What was found out about a candidate.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// Why a start would refuse the bundle. Nothing overrides that.
    pub unstartable: Vec<Finding>,
    /// Why admission refuses the bundle. An emergency overrides that.
    pub refused: Vec<Finding>,
    /// What is wrong with the bundle, and admitted.
    pub warned: Vec<Finding>,
    /// How its own tests came out, if they were run.
    pub tests: Option<TestCounts>,
    /// Whether it is known that a start accepts the bundle. Nobody knows while the database does not answer.
    pub startable: bool,
}

impl Examined {
    /// What is known where nobody examines bundles: only a bundle without doubts is admitted, or one that was
    /// in force before.
    pub(super) fn unasked(candidate: &Candidate) -> Self {
        let doubts = candidate.doubts.clone();
        let (refused, warned) = match candidate.occasion {
            Occasion::Restart => (Vec::new(), doubts),
            _ => (doubts, Vec::new()),
        };
        Self { refused, warned, startable: true, ..Self::default() }
    }

    /// Why the bundle must not be put in force at a start, if it must not.
    pub fn objections(&self) -> Option<Findings> {
        let all = || self.unstartable.iter().chain(&self.refused).cloned().collect();
        let none = self.unstartable.is_empty() && self.refused.is_empty();
        (!none).then(|| Findings(all()))
    }
}

/// What has to be known about the bundle in force.
#[derive(Debug, Clone, Default)]
pub struct Remarks {
    /// What is wrong with it, and was admitted.
    pub warned: Vec<Finding>,
    /// Whether it was put in force by an emergency reload.
    pub emergency: bool,
    /// What admission would have refused it for, had it been no emergency.
    pub overridden: Vec<Finding>,
    /// How its own tests came out, if they were run.
    pub tests: Option<TestCounts>,
}

/// A bundle that is about to be put in force whatever admission says.
#[derive(Debug)]
pub struct Emergency<'a> {
    /// The digest of the bundle that was in force.
    pub from: &'a Arc<str>,
    /// The digest of the bundle that will be.
    pub to: &'a Arc<str>,
    /// What admission would have refused it for.
    pub overridden: &'a [Finding],
}

/// Examines a bundle that may be put in force, on the thread that made it and with room for its policies to
/// be evaluated. In between it lets others go first, by [`breathe`](crate::bundle::breathe).
pub type Examiner = dyn Fn(&Candidate) -> Examined + Send + Sync;

/// Records an emergency before the bundle is in force, or says why it cannot.
pub type Recorder = dyn Fn(&Emergency<'_>) -> Result<(), String> + Send + Sync;

/// Hears how each attempt to reload ended, before what
/// [`BundleStore::rejected`](super::BundleStore::rejected) says of it is known.
pub type Listener = dyn Fn(&Reload, &Published, &Remarks) + Send + Sync;

/// The ids of the guards that `before` has and `next` lacks.
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
    /// What has to be known about a bundle that is put in force; or why it must not be.
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
            // How it came in force is as true as before.
            let Remarks { emergency, overridden, .. } = (*self.remarks()).clone();
            return Ok(Remarks { warned, emergency, overridden, tests });
        }
        if emergency && let Some(record) = self.recorder.get() {
            record(&Emergency { from, to, overridden: &refused }).map_err(unrecorded)?;
        }
        Ok(Remarks { warned, emergency, overridden: refused, tests })
    }

    /// From now on `examiner` examines each bundle that may be put in force. Only the first one is taken.
    pub fn examine_by(&self, examiner: Arc<Examiner>) {
        let _first = self.examiner.set(examiner);
    }

    /// From now on `recorder` records each emergency before the bundle is in force. Only the first one is taken.
    pub fn record_emergencies_by(&self, recorder: Arc<Recorder>) {
        let _first = self.recorder.set(recorder);
    }

    /// What is found out about a bundle. One that was refused is not judged anew when it is read again.
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

    /// A bundle that cannot be examined is refused.
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
