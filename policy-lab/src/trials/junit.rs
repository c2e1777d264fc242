//! The outcomes as `JUnit` XML, which every CI system can read.

use std::fmt::Write as _;

use policy_store::cases::Suite;
use proxy::judge::trials::{Outcome, expected, title};

use super::Report;
use super::report::{covered, failure};

/// Returns the report with one test suite for each file and one test case for each case. Coverage and mutants,
/// if requested, have a suite each, so that a run that fails always has a failed case.
pub fn junit(report: &Report<'_>) -> String {
    let (runner, outcomes) = (report.runner, report.outcomes);
    let suite = runner.suite();
    let mut suites = String::new();
    for part in outcomes.chunk_by(|one, other| file(suite, one) == file(suite, other)) {
        let name = part.first().map_or("", |outcome| file(suite, outcome));
        let failed = part.iter().filter(|outcome| !outcome.passed).count();
        let mut cases = String::new();
        for outcome in part {
            case(&mut cases, report, outcome);
        }
        suites += &whole(name, part.len(), failed, &cases);
    }
    let (mut all, mut failed) = (outcomes.len(), report.failed().count());
    for (name, fault) in of_the_bundle(report) {
        let cases = of_bundle(name, fault.as_ref());
        let fails = usize::from(fault.is_some());
        suites += &whole(name, 1, fails, &cases);
        all += 1;
        failed += fails;
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cedargate test\" tests=\"{all}\" failures=\"{failed}\">\n{suites}</testsuites>\n"
    )
}

fn whole(name: &str, tests: usize, failed: usize, cases: &str) -> String {
    let name = escaped(name);
    format!(
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\">\n{cases}  </testsuite>\n"
    )
}

/// Returns the checks of the bundle as a whole. A failed one comes with its fault: in one line, and in full.
fn of_the_bundle(report: &Report<'_>) -> Vec<(&'static str, Option<(String, String)>)> {
    let mut all = Vec::new();
    if let Some((coverage, least)) = &report.coverage {
        let fault = least.filter(|least| coverage.percent() < *least).map(|least| {
            let message = format!("{:.1} % are covered, less than {least} %", coverage.percent());
            (message, covered(coverage, Some(least)))
        });
        all.push(("coverage", fault));
    }
    if let Some(mutation) = &report.mutation {
        let fault = (!mutation.is_fine()).then(|| {
            let (survivors, stale) = (mutation.survivors.len(), mutation.stale.len());
            let message = format!("{survivors} mutants survived, {stale} acceptances are stale");
            (message, mutation.text())
        });
        all.push(("mutation", fault));
    }
    all
}

fn of_bundle(name: &str, fault: Option<&(String, String)>) -> String {
    let open = format!("    <testcase classname=\"policies\" name=\"{name}\"");
    let Some((message, whole)) = fault else { return open + "/>\n" };
    let (message, whole) = (escaped(message), escaped(whole));
    format!("{open}>\n      <failure message=\"{message}\">{whole}</failure>\n    </testcase>\n")
}

fn file<'a>(suite: &'a Suite, outcome: &Outcome) -> &'a str {
    suite.cases.get(outcome.case).map_or("", |case| &case.file)
}

fn case(xml: &mut String, report: &Report<'_>, outcome: &Outcome) {
    let Some(case) = report.runner.suite().cases.get(outcome.case) else { return };
    let _ok = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
        escaped(&case.test),
        escaped(&title(case)),
        escaped(&case.file),
        case.line
    );
    if outcome.passed {
        xml.push_str("/>\n");
        return;
    }
    let _ok = writeln!(
        xml,
        ">\n      <failure message=\"expected {}, got {}\">{}</failure>\n    </testcase>",
        escaped(&expected(case)),
        escaped(&outcome.reason),
        escaped(&failure(report, outcome))
    );
}

/// Escapes text for XML 1.0. Characters that XML cannot contain are replaced.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push('\n'),
            control if control.is_control() => safe.push('\u{FFFD}'),
            other => safe.push(other),
        }
    }
    safe
}
