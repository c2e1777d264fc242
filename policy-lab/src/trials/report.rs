//! The report on a run of the tests, for people and machines.

use std::fmt::Write as _;

use proxy::judge::trials::{Outcome, Runner, expected, title};
use serde_json::{Value, json};

use super::{Mutation, Why, Whys};
use crate::anatomy::Report as Coverage;

/// The report on a run of the tests.
#[derive(Debug)]
pub struct Report<'a> {
    pub(super) runner: &'a Runner,
    pub(super) outcomes: &'a [Outcome],
    pub(super) whys: &'a Whys,
    pub(super) coverage: Option<(Coverage, Option<f64>)>,
    pub(super) mutation: Option<Mutation>,
}

impl<'a> Report<'a> {
    /// Returns a report on these outcomes, with the explanations in `whys`.
    pub fn new(runner: &'a Runner, outcomes: &'a [Outcome], whys: &'a Whys) -> Self {
        Self { runner, outcomes, whys, coverage: None, mutation: None }
    }

    /// Adds the coverage of the outcomes, and the minimum coverage in per cent.
    #[must_use]
    pub fn with_coverage(self, coverage: Coverage, least: Option<f64>) -> Self {
        Self { coverage: Some((coverage, least)), ..self }
    }

    /// Adds the results of mutation testing.
    #[must_use]
    pub fn with_mutation(self, mutation: Mutation) -> Self {
        Self { mutation: Some(mutation), ..self }
    }

    pub(super) fn failed(&self) -> impl Iterator<Item = &'a Outcome> {
        self.outcomes.iter().filter(|outcome| !outcome.passed)
    }

    /// Returns the report as text for people: each failure with what was expected, what happened, and why.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for outcome in self.failed() {
            text.push_str(&failure(self, outcome));
            text.push('\n');
        }
        let (all, failed) = (self.outcomes.len(), self.failed().count());
        // Writing to a string cannot fail.
        let _ok = write!(text, "{} passed, {failed} failed", all - failed);
        if let Some((coverage, least)) = &self.coverage {
            text.push_str(&covered(coverage, *least));
        }
        if let Some(mutation) = &self.mutation {
            text.push_str(&mutation.text());
        }
        text
    }

    /// Returns the report as JSON.
    pub fn json(&self) -> Value {
        let cases: Vec<Value> = self.outcomes.iter().map(|it| self.case(it)).collect();
        let failed = self.failed().count();
        let mut report =
            json!({ "passed": self.outcomes.len() - failed, "failed": failed, "cases": cases });
        if let (Some((coverage, least)), Some(report)) = (&self.coverage, report.as_object_mut()) {
            let told = json!({
                "covered": coverage.covered,
                "total": coverage.total,
                "percent": coverage.percent(),
                "least": least,
                "missing": coverage.missing,
            });
            report.insert("coverage".to_owned(), told);
        }
        if let (Some(mutation), Some(report)) = (&self.mutation, report.as_object_mut()) {
            report.insert("mutation".to_owned(), mutation.json());
        }
        report
    }

    fn case(&self, outcome: &Outcome) -> Value {
        let Some(case) = self.runner.suite().cases.get(outcome.case) else { return Value::Null };
        json!({
            "file": &*case.file,
            "line": case.line,
            "test": &*case.test,
            "request": case.request.name,
            "caller": case.caller.as_deref(),
            "method": case.request.method,
            "target": case.request.target,
            "expected": { "reason": &*case.expected.reason, "policy": case.expected.policy.as_deref() },
            "actual": {
                "reason": &*outcome.reason,
                "status": outcome.status,
                "action": outcome.action.as_deref(),
                "policies": outcome.policies.iter().map(|id| &**id).collect::<Vec<_>>(),
            },
            "passed": outcome.passed,
            "why": self.whys.get(&outcome.case),
        })
    }
}

/// Returns the items that were not exercised, and the share of those that were.
pub(super) fn covered(coverage: &Coverage, least: Option<f64>) -> String {
    let mut text = String::new();
    for item in &coverage.missing {
        let _ok = write!(text, "\nMISSED  {}:{}  {}", item.file, item.line, item.what);
    }
    let share = format!("{:.1} % ({} of {})", coverage.percent(), coverage.covered, coverage.total);
    let _ok = match least {
        Some(least) if coverage.percent() < least => {
            write!(text, "\ncoverage {share}, less than {least} %")
        }
        _ => write!(text, "\ncoverage {share}"),
    };
    text
}

/// Returns the full description of a failure.
pub(super) fn failure(report: &Report<'_>, outcome: &Outcome) -> String {
    let Some(case) = report.runner.suite().cases.get(outcome.case) else { return String::new() };
    let request = &case.request;
    let mut text = format!(
        "FAILED  {}:{}  {}: {}\n        {} {}",
        case.file,
        case.line,
        case.test,
        title(case),
        request.method,
        request.target
    );
    for (name, value) in
        [("tenant", &request.tenant), ("host", &request.host), ("body", &request.body)]
    {
        if let Some(value) = value {
            let _ok = write!(text, "  {name} {value}");
        }
    }
    let status = outcome.status.map(|status| format!(" ({status})")).unwrap_or_default();
    let _ok = write!(text, "\n        expected  {}", expected(case));
    let _ok = write!(text, "\n        actual    {}{status}", outcome.reason);
    for line in because(report, outcome) {
        let _ok = write!(text, "\n        {line}");
    }
    text
}

/// Returns why a case has its outcome: the policies that decided, each with its place and, if explanations were
/// requested, with the results of its clauses.
fn because(report: &Report<'_>, outcome: &Outcome) -> Vec<String> {
    let mut lines = report.whys.get(&outcome.case).map(Why::lines).unwrap_or_default();
    if lines.is_empty() {
        let published = report.runner.bundles().current();
        let rules = published.bundle.rules().filter(|rule| outcome.policies.contains(&rule.id));
        lines.extend(
            rules.map(|rule| format!("by        {} ({}:{})", rule.id, rule.file, rule.line)),
        );
        lines.sort_unstable();
    }
    if let (true, Some(cause)) = (lines.is_empty(), &outcome.cause) {
        lines.push(format!("because   {cause}"));
    }
    lines.extend(outcome.action.as_ref().map(|action| format!("action    {action}")));
    lines
}
