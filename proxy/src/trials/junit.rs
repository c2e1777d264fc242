//! The outcomes as `JUnit` XML, which every CI system reads.

use std::fmt::Write as _;

use policy_store::cases::Suite;

use super::report::{expected, failure, title};
use super::{Outcome, Runner};

/// The report: a suite a file, a case a case.
pub(crate) fn junit(runner: &Runner, outcomes: &[Outcome]) -> String {
    let suite = runner.suite();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail, here and below.
    let _ok = writeln!(
        xml,
        "<testsuites name=\"cedargate test\" tests=\"{}\" failures=\"{failed}\">",
        outcomes.len()
    );
    for part in outcomes.chunk_by(|one, other| file(suite, one) == file(suite, other)) {
        let name = part.first().map_or("", |outcome| file(suite, outcome));
        let failed = part.iter().filter(|outcome| !outcome.passed).count();
        let _ok = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\">",
            escaped(name),
            part.len()
        );
        for outcome in part {
            case(&mut xml, runner, outcome);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn file<'a>(suite: &'a Suite, outcome: &Outcome) -> &'a str {
    suite.cases.get(outcome.case).map_or("", |case| &case.file)
}

fn case(xml: &mut String, runner: &Runner, outcome: &Outcome) {
    let Some(case) = runner.suite().cases.get(outcome.case) else { return };
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
        escaped(&failure(runner, outcome))
    );
}

/// Text as XML 1.0 may hold it: what it may not hold at all is replaced.
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
