//! A failed case as a finding about its line.

use policy_store::bundle::{File, Finding, Kind, printable};
use policy_store::cases::{Case, NOBODY};

use super::Outcome;

/// The maximum number of characters of the line that are shown.
const WIDTH: usize = 160;

/// A finding about a case that failed: the expected and the actual outcome.
pub fn told(kind: Kind, files: &[File], case: &Case, outcome: &Outcome) -> Finding {
    let by = outcome.policies.join("`, `");
    let by = if by.is_empty() { by } else { format!(" by `{by}`") };
    let request = &case.request;
    let message = format!(
        "{}: {}: {} {}: expected {}, got {}{by}",
        case.test,
        title(case),
        request.method,
        request.target,
        expected(case),
        outcome.reason
    );
    let file = files.iter().find(|file| *file.name == *case.file);
    let line = case.line.checked_sub(1).and_then(|index| file?.text.lines().nth(index));
    let source = line.map(|line| line.chars().take(WIDTH).collect::<String>());
    Finding {
        line: case.line,
        source: source.map(|line| printable(&line)).unwrap_or_default(),
        ..Finding::about(kind, &case.file, &message, "")
    }
}

/// The title of a case within its test.
pub fn title(case: &Case) -> String {
    let caller = case.caller.as_deref().unwrap_or(NOBODY);
    match case.request.name.as_str() {
        "" => caller.to_owned(),
        name => format!("{name}, {caller}"),
    }
}

/// The expected outcome, as written in the test.
pub fn expected(case: &Case) -> String {
    match &case.expected.policy {
        Some(policy) => format!("{} by {policy}", case.expected.reason),
        None => case.expected.reason.to_string(),
    }
}
