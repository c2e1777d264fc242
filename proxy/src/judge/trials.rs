//! Runs the tests of a bundle: each case goes through the same pipeline as in a running gate, from its head to its
//! verdict, without sockets.

mod told;

use std::num::NonZero;
use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::cases::{ALLOW, Case, Suite};
use policy_store::watch::{BundleStore, Published};

use crate::config::Tenancy;
use crate::judge::pipeline::{Put, Witness};
use crate::judge::workbench::{Ask, TTL, Verdict, Workbench, WorkbenchError};

pub use told::{expected, title, told};

/// The outcome of a case.
#[derive(Debug)]
pub struct Outcome {
    /// The index of the case in the suite.
    pub case: usize,
    /// `allow`, or the reason of the denial.
    pub reason: Arc<str>,
    /// The status of the answer, if the request was refused.
    pub status: Option<u16>,
    /// The policies that decided.
    pub policies: Vec<Arc<str>>,
    /// The action of the request.
    pub action: Option<Arc<str>>,
    /// The cause of a refusal, as an operator would read it.
    pub cause: Option<String>,
    /// The questions put to the policies, if the runner is witnessed.
    pub questions: Vec<Put>,
    /// Whether the outcome is as expected.
    pub passed: bool,
}

/// Runs cases of one bundle.
#[derive(Debug)]
pub struct Runner {
    bundles: Arc<BundleStore>,
    suite: Arc<Suite>,
    witnessed: bool,
}

impl Runner {
    /// A runner for a bundle and the bundle's own tests.
    pub fn new(bundle: Bundle) -> Self {
        let suite = Arc::clone(bundle.suite());
        Self { bundles: BundleStore::fixed(bundle), suite, witnessed: false }
    }

    /// A runner for a shared bundle, and for tests that need not be the bundle's own.
    pub fn of(published: Arc<Published>, suite: Arc<Suite>) -> Self {
        Self { bundles: BundleStore::holding(published), suite, witnessed: false }
    }

    /// This runner with other tests.
    #[must_use]
    pub fn with_suite(self, suite: Arc<Suite>) -> Self {
        Self { suite, ..self }
    }

    /// This runner, which also records each question put to the policies.
    #[must_use]
    pub fn witnessed(self) -> Self {
        Self { witnessed: true, ..self }
    }

    /// The tests that the cases belong to.
    pub fn suite(&self) -> &Arc<Suite> {
        &self.suite
    }

    /// The store of the policies under test.
    pub fn bundles(&self) -> &Arc<BundleStore> {
        &self.bundles
    }

    /// Runs these cases on all cores. The outcomes are in the order of the cases.
    ///
    /// # Errors
    ///
    /// Fails if a case cannot be run at all.
    pub fn run(&self, cases: &[usize]) -> Result<Vec<Outcome>, WorkbenchError> {
        let share = cases.len().div_ceil(threads()).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = cases
                .chunks(share)
                .map(|part| scope.spawn(move || self.run_here(part, |_| true)))
                .collect();
            let mut all = Vec::with_capacity(cases.len());
            for worker in workers {
                let part = worker.join();
                let part = part.map_err(|_| WorkbenchError::Parts("a worker panicked".into()))?;
                all.extend(part?);
            }
            Ok(all)
        })
    }

    /// Runs these cases on this thread while `go_on` returns true.
    ///
    /// # Errors
    ///
    /// Fails if a case cannot be run at all.
    pub fn run_here(
        &self,
        cases: &[usize],
        go_on: impl Fn(&Outcome) -> bool,
    ) -> Result<Vec<Outcome>, WorkbenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| WorkbenchError::Parts(error.to_string()))?;
        runtime.block_on(async {
            let witness = self.witnessed.then(Arc::<Witness>::default);
            let (suite, tenancy) = (Arc::clone(&self.suite), tenancy(&self.suite));
            let facts = Arc::new(suite.facts.clone());
            let bench = Workbench::over(Arc::clone(&self.bundles), facts, tenancy, witness, TTL)?;
            let mut outcomes = Vec::with_capacity(cases.len());
            for &index in cases {
                let Some(case) = suite.cases.get(index) else { continue };
                let outcome = outcome(index, case, bench.judge(&ask(case)).await?);
                let stop = !go_on(&outcome);
                outcomes.push(outcome);
                if stop {
                    break;
                }
            }
            Ok(outcomes)
        })
    }
}

/// The number of threads that share the cases: one per core.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// How the requests of a suite name tenants.
pub fn tenancy(suite: &Suite) -> Tenancy {
    let given = &suite.tenancy;
    let usual = Tenancy::default();
    Tenancy {
        names: given.names.clone().unwrap_or(usual.names),
        host_suffix: given.host_suffix.as_deref().map(str::to_ascii_lowercase),
        hosts: given
            .hosts
            .iter()
            .map(|(host, slug)| (host.to_ascii_lowercase(), slug.clone()))
            .collect(),
    }
}

/// The request of a case, for the workbench.
pub fn ask(case: &Case) -> Ask {
    let request = &case.request;
    Ask {
        user: case.caller.clone(),
        method: request.method.clone(),
        target: request.target.clone(),
        host: request.host.clone(),
        tenant: request.tenant.clone(),
        break_glass: request.break_glass.clone(),
        body: request.body.clone(),
        content_type: request.content_type.clone(),
        token_age: request.token_age,
    }
}

fn outcome(index: usize, case: &Case, verdict: Verdict) -> Outcome {
    let reason: Arc<str> =
        if verdict.allowed() { Arc::from(ALLOW) } else { Arc::from(verdict.reason()) };
    let decided = |wanted: &Arc<str>| verdict.record.policies.contains(wanted);
    let passed =
        case.expected.reason == reason && case.expected.policy.as_ref().is_none_or(decided);
    Outcome {
        case: index,
        status: verdict.answer.as_ref().map(|answer| answer.status),
        action: verdict.record.action.clone(),
        cause: verdict.refusal.as_ref().map(ToString::to_string),
        policies: verdict.record.policies,
        questions: verdict.questions,
        reason,
        passed,
    }
}
