//! The tests of a bundle, `tests/*.yaml`, parsed and checked. Running them is the task of another crate.
//!
//! A file declares facts once. Tables of callers and requests follow, with an expectation for each pair.
//!
//! ```yaml
//! facts:
//!   organizations:
//!     org-a: { slug: a, features: [codes] }
//!   users:
//!     ann: { organization: org-a, roles: [DOCTOR] }
//!   objects:
//!     Patient:
//!       p-1: { owner: org-a }
//! tests:
//!   - name: who reads a patient
//!     requests:
//!       read: GET /api/patients/p-1
//!       read elsewhere: { send: GET /api/patients/p-1, tenant: b }
//!     expect:
//!       ann: { read: allow by clinic-staff, read elsewhere: cross_tenant }
//!       nobody: token_missing
//! ```

mod raw;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bundle::{File, Finding, Findings, Kind, Vocabulary};
use crate::source::FixedFacts;

/// The name of the caller who sends no token.
pub const NOBODY: &str = "nobody";
/// The expectation for a request that passes.
pub const ALLOW: &str = "allow";

/// All tests of a bundle.
#[derive(Debug, Default)]
pub struct Suite {
    /// The facts that the tests use.
    pub facts: FixedFacts,
    /// How requests name tenants.
    pub tenancy: Tenancy,
    /// The cases, as written.
    pub cases: Vec<Case>,
    /// The mutants that may survive.
    pub accepted: Vec<Accepted>,
}

/// How requests name tenants, like `tenancy` in the configuration. Missing values have their defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenancy {
    /// The names of the members that hold a tenant's id in query and body.
    pub names: Option<Vec<String>>,
    /// The part of a host after the slug.
    pub host_suffix: Option<String>,
    /// Slugs by host.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
}

/// A test case: one caller, one request, one expectation.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file, below the bundle's folder.
    pub file: Arc<str>,
    /// The line of the expectation.
    pub line: usize,
    /// The name of the test that the case belongs to.
    pub test: Arc<str>,
    /// The caller; `None` for one without a token.
    pub caller: Option<Arc<str>>,
    /// The request.
    pub request: Arc<Request>,
    /// The expected result.
    pub expected: Expected,
}

/// A request of a test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The name of the request in the test.
    pub name: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The host, if it matters to the test.
    pub host: Option<String>,
    /// `X-Tenant`
    pub tenant: Option<String>,
    /// `X-Break-Glass`
    pub break_glass: Option<String>,
    /// The body as it is sent.
    pub body: Option<String>,
    /// The content type of the body; JSON if it is not given.
    pub content_type: Option<String>,
    /// The age of the token in seconds; `None` for a token without a time of issue.
    pub token_age: Option<u32>,
}

impl Case {
    /// Whether the case expects a refusal.
    pub fn is_denial(&self) -> bool {
        &*self.expected.reason != ALLOW
    }
}

/// The expected result of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// `allow`, or the reason of a denial.
    pub reason: Arc<str>,
    /// The policy that must have decided.
    pub policy: Option<Arc<str>>,
}

/// A mutant that no test needs to notice, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The name of the mutant, or the beginning of the name followed by `*`.
    pub mutant: String,
    /// Why no test can notice the mutant, or needs to.
    pub reason: String,
    /// The file that accepts the mutant.
    pub file: Arc<str>,
    /// The line in the file.
    pub line: usize,
}

impl Accepted {
    /// Whether this accepts the mutant `name`.
    pub fn covers(&self, name: &str) -> bool {
        match self.mutant.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => self.mutant == name,
        }
    }
}

impl Suite {
    /// Reads the tests in `files`.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the tests.
    pub fn read(files: &[File], vocabulary: &Vocabulary) -> Result<Self, Findings> {
        let (suite, findings) = Self::read_leniently(files, vocabulary);
        if findings.is_empty() { Ok(suite) } else { Err(Findings(findings)) }
    }

    /// Reads the valid tests in `files`, and returns everything that is wrong with the others.
    pub fn read_leniently(files: &[File], vocabulary: &Vocabulary) -> (Self, Vec<Finding>) {
        let mut reader = Reader { vocabulary, suite: Self::default(), findings: Vec::new() };
        let parsed: Vec<(&File, raw::RawFile)> = files
            .iter()
            .filter_map(|file| match raw::parse(file) {
                Ok(raw) => Some((file, raw)),
                Err(finding) => {
                    reader.findings.push(*finding);
                    None
                }
            })
            .collect();
        // All facts are read before the first test: a table may use users from another file.
        for (file, raw) in &parsed {
            if let Some(facts) = &raw.facts {
                reader.facts(file, facts);
            }
        }
        reader.owners(&parsed);
        for (file, raw) in parsed {
            let name: Arc<str> = Arc::from(&*file.name);
            for test in raw.tests {
                reader.test(file, &name, test);
            }
            reader.accepted(file, &name, raw.accepted_mutants);
        }
        (reader.suite, reader.findings)
    }

    /// Returns the indices of the cases; those that expect a denial come first.
    pub fn denials_first(&self) -> Vec<usize> {
        let mut cases: Vec<usize> = (0..self.cases.len()).collect();
        let expects_allow = |index: usize| self.cases.get(index).is_some_and(|it| !it.is_denial());
        cases.sort_by_key(|index| expects_allow(*index));
        cases
    }

    /// Returns findings about policies that tests name and that do not exist.
    pub fn unknown_policies(&self, files: &[File], known: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for case in &self.cases {
            let Some(policy) = case.expected.policy.as_ref().filter(|it| !known(it)) else {
                continue;
            };
            let Some(file) = files.iter().find(|file| *file.name == *case.file) else { continue };
            let message = format!("there is no policy `{policy}`");
            let finding = found(file, case.line, &message, "name one by its @id");
            if findings.last() != Some(&finding) {
                findings.push(finding);
            }
        }
        findings
    }
}

/// Returns a finding in a line of a test file. It marks the name that the message is about if the line contains
/// it, and the beginning of the line otherwise.
fn found(file: &File, line: usize, message: &str, remedy: &str) -> Finding {
    let named = message.split('`').nth(1).unwrap_or_default();
    let text = line.checked_sub(1).and_then(|index| file.text.lines().nth(index));
    let before = text.and_then(|text| text.split_once(named)).filter(|_| !named.is_empty());
    let blank = || text.map(|text| text.split_once(|it: char| !it.is_whitespace()))?;
    let column = before.or_else(blank).map_or(0, |(before, _)| before.chars().count() + 1);
    file.finding(line, column, message, remedy).of_kind(Kind::Test)
}

/// Builds a suite from parsed files, and collects what is wrong with them.
struct Reader<'a> {
    vocabulary: &'a Vocabulary,
    suite: Suite,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn wrong(&mut self, file: &File, line: usize, message: &str, remedy: &str) {
        let finding = found(file, line, message, remedy);
        // Each cell of a row of callers produces the same finding; one is enough.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn accepted(
        &mut self,
        file: &File,
        name: &Arc<str>,
        accepted: Vec<raw::Lined<raw::RawAccepted>>,
    ) {
        for it in accepted {
            let line = raw::line(&it.referenced);
            if it.value.reason.trim().is_empty() {
                self.wrong(
                    file,
                    line,
                    "an accepted mutant needs its reason",
                    "say why no test can notice it",
                );
            }
            self.suite.accepted.push(Accepted {
                mutant: it.value.mutant,
                reason: it.value.reason,
                file: Arc::clone(name),
                line,
            });
        }
    }
}

#[cfg(test)]
mod tests;
