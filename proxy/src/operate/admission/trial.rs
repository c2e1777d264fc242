//! Runs the tests of a bundle before it is in force, as `cedargate test` does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy_store::bundle::{Finding, Kind, breathe};
use policy_store::cases::{ALLOW, Case, Suite};
use policy_store::watch::{Candidate, Examined, Occasion, Published, TestCounts};

use super::{REMEDY, faults};
use crate::config::Admit;
use crate::judge::trials::{Outcome, Runner, told};

/// The maximum time for the tests of a bundle. In an emergency the tests only serve to report what was
/// overridden.
const PATIENCE: Duration = Duration::from_mins(1);
const PATIENCE_IN_EMERGENCY: Duration = Duration::from_secs(5);
/// The time for which tests yield to requests. After that the bundle goes first, since it may be a revocation.
const GIVING_WAY: Duration = Duration::from_secs(10);
/// The maximum number of failures of one kind that are listed individually.
const TOLD: usize = 20;

/// Runs the bundle's own tests, and adds the findings to `examined`.
pub(super) fn own(admit: Admit, candidate: &Candidate, examined: &mut Examined) {
    let suite = candidate.next.bundle.suite();
    if suite.cases.is_empty() {
        let had = candidate.before.as_ref().map_or(0, |it| it.bundle.suite().cases.len());
        if had > 0 || admit == Admit::Tests {
            faults(admit, examined).push(without_tests(had));
        }
        return;
    }
    let cases = suite.denials_first();
    let denials = suite.cases.iter().filter(|case| case.is_denial()).count();
    let (all, patience) = (cases.len(), patience(candidate.occasion));
    let outcomes = match run(&candidate.next, suite, &cases, patience) {
        Ok(outcomes) => outcomes,
        Err(finding) => return examined.refused.push(*finding),
    };
    let ran = outcomes.len();
    let (grants, failures): (Vec<_>, Vec<_>) =
        outcomes.iter().filter(|it| !it.passed).partition(|it| grants(suite, it));
    examined.tests = Some(TestCounts { run: ran, failed: grants.len() + failures.len() });
    let what = format!("{} of {all} own tests expect a denial of what is allowed", grants.len());
    examined.refused.extend(findings(Kind::TestGrants, &what, candidate, suite, &grants));
    let what = format!(
        "{} of {all} own tests fail: what they expect to be allowed is denied, or it is decided otherwise than they say",
        failures.len()
    );
    let failed = findings(Kind::TestFails, &what, candidate, suite, &failures);
    faults(admit, examined).extend(failed);
    if ran < all {
        let unfinished = unfinished(ran, all, patience);
        // Cases that expect a denial run first: if all of them were run, the bundle grants nothing by accident.
        let list = if ran < denials { &mut examined.refused } else { faults(admit, examined) };
        list.push(unfinished);
    }
}

/// Runs cases of a suite against a bundle on this thread. Returns the outcomes of the cases that ran in time.
pub(super) fn run(
    bundle: &Arc<Published>,
    suite: &Arc<Suite>,
    cases: &[usize],
    patience: Duration,
) -> Result<Vec<Outcome>, Box<Finding>> {
    let (runner, began) = (Runner::of(Arc::clone(bundle), Arc::clone(suite)), Instant::now());
    let go_on = |_: &Outcome| {
        if began.elapsed() < GIVING_WAY {
            breathe();
        }
        began.elapsed() < patience
    };
    runner.run_here(cases, go_on).map_err(|error| {
        let message = format!("the tests cannot be run: {error}");
        Box::new(Finding::about(Kind::TestFails, "tests", &message, REMEDY))
    })
}

/// The maximum time for the tests.
pub(super) fn patience(occasion: Occasion) -> Duration {
    if occasion == Occasion::Emergency { PATIENCE_IN_EMERGENCY } else { PATIENCE }
}

/// Whether a request is allowed whose case expects a denial.
pub(super) fn grants(suite: &Suite, outcome: &Outcome) -> bool {
    &*outcome.reason == ALLOW && suite.cases.get(outcome.case).is_some_and(Case::is_denial)
}

/// A summary finding, followed by the first failures one by one; empty if there are no failures.
pub(super) fn findings(
    kind: Kind,
    what: &str,
    candidate: &Candidate,
    suite: &Suite,
    failures: &[&Outcome],
) -> Vec<Finding> {
    if failures.is_empty() {
        return Vec::new();
    }
    let files = &candidate.next.bundle.sources().tests;
    let each = failures.iter().take(TOLD).filter_map(|outcome| {
        let case = suite.cases.get(outcome.case)?;
        Some(told(kind, files, case, outcome))
    });
    std::iter::once(Finding::about(kind, "tests", what, REMEDY)).chain(each).collect()
}

/// The finding for tests that did not finish in time.
pub(super) fn unfinished(ran: usize, all: usize, patience: Duration) -> Finding {
    let patience = humantime::format_duration(patience);
    let message = format!("only {ran} of {all} tests could be run in {patience}");
    Finding::about(Kind::TestFails, "tests", &message, REMEDY)
}

fn without_tests(before: usize) -> Finding {
    let message = match before {
        0 => "there are no tests".to_owned(),
        _ => format!("there are no tests any more; the bundle that is in force came with {before}"),
    };
    let remedy =
        "ship the folder `tests` with the policies: a ConfigMap needs a volume of its own for it";
    Finding::about(Kind::TestFails, "tests", &message, remedy)
}
