//! The tests of a bundle: `tests/*.yaml`, read and checked. They are run elsewhere.
//!
//! Facts are named once; then come tables of callers and requests with what is expected of each pair.
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

/// The caller who sends no token.
pub const NOBODY: &str = "nobody";
/// What is expected of a request that passes.
pub const ALLOW: &str = "allow";

/// All tests of a bundle.
#[derive(Debug, Default)]
pub struct Suite {
    /// The facts that they are about.
    pub facts: FixedFacts,
    /// How requests name tenants.
    pub tenancy: Tenancy,
    /// The cases, as written.
    pub cases: Vec<Case>,
    /// The mutants that may survive.
    pub accepted: Vec<Accepted>,
}

/// How requests name tenants, as `tenancy` of the configuration; what is not given is as by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenancy {
    /// The names of tenants' ids in query and body.
    pub names: Option<Vec<String>>,
    /// What follows the slug in a host.
    pub host_suffix: Option<String>,
    /// Slugs by host.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
}

/// One caller, one request, one expectation.
#[derive(Debug, Clone)]
pub struct Case {
    /// The file, below the bundle's folder.
    pub file: Arc<str>,
    /// The line of the expectation.
    pub line: usize,
    /// The name of its test.
    pub test: Arc<str>,
    /// Who asks; `None`: nobody, without a token.
    pub caller: Option<Arc<str>>,
    /// What is asked.
    pub request: Arc<Request>,
    /// What must come of it.
    pub expected: Expected,
}

/// A request of a test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Its name in the test.
    pub name: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The host, if it matters.
    pub host: Option<String>,
    /// `X-Tenant`
    pub tenant: Option<String>,
    /// `X-Break-Glass`
    pub break_glass: Option<String>,
    /// The body as it is sent.
    pub body: Option<String>,
    /// Its type; JSON when it is not given.
    pub content_type: Option<String>,
    /// The age of the token in seconds; `None`: it does not say when it was issued.
    pub token_age: Option<u32>,
}

impl Case {
    /// Whether it expects that the request is refused.
    pub fn is_denial(&self) -> bool {
        &*self.expected.reason != ALLOW
    }
}

/// What must come of a case.
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
    /// Its name, or how its name begins, with a `*` at the end.
    pub mutant: String,
    /// Why nobody could, or has to, notice it.
    pub reason: String,
    /// The file that says so.
    pub file: Arc<str>,
    /// The line there.
    pub line: usize,
}

impl Accepted {
    /// Whether this is about the mutant `name`.
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
    /// Everything that is wrong with them.
    pub fn read(files: &[File], vocabulary: &Vocabulary) -> Result<Self, Findings> {
        let (suite, findings) = Self::read_leniently(files, vocabulary);
        if findings.is_empty() { Ok(suite) } else { Err(Findings(findings)) }
    }

    /// Reads the tests in `files` that are written as they should be, and gives everything that is wrong
    /// with the others.
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
        // All facts before the first test: a table may be about people of another file.
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

    /// The indices of the cases, those first that expect a denial.
    pub fn denials_first(&self) -> Vec<usize> {
        let mut cases: Vec<usize> = (0..self.cases.len()).collect();
        let expects_allow = |index: usize| self.cases.get(index).is_some_and(|it| !it.is_denial());
        cases.sort_by_key(|index| expects_allow(*index));
        cases
    }

    /// The findings about policies that are named here and are not there.
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

/// A finding in a line of a file of tests, at what the message is about, if that stands there, else where
/// the line begins.
fn found(file: &File, line: usize, message: &str, remedy: &str) -> Finding {
    let named = message.split('`').nth(1).unwrap_or_default();
    let text = line.checked_sub(1).and_then(|index| file.text.lines().nth(index));
    let before = text.and_then(|text| text.split_once(named)).filter(|_| !named.is_empty());
    let blank = || text.map(|text| text.split_once(|it: char| !it.is_whitespace()))?;
    let column = before.or_else(blank).map_or(0, |(before, _)| before.chars().count() + 1);
    file.finding(line, column, message, remedy).of_kind(Kind::Test)
}

/// Reads what was written into a suite, and notes what is wrong.
struct Reader<'a> {
    vocabulary: &'a Vocabulary,
    suite: Suite,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn wrong(&mut self, file: &File, line: usize, message: &str, remedy: &str) {
        let finding = found(file, line, message, remedy);
        // A row of callers says it once for each of its cells.
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
