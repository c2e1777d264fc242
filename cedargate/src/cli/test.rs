//! `cedargate test`.

use std::path::{Path, PathBuf};

use base::chain;
use policy_lab::mutants::mutants;
use policy_lab::trials::{Report, compare, coverage, explain, junit, mutate};
use policy_store::archive::Archive;
use policy_store::bundle::{Bundle, Findings, Loader, Sources};
use proxy::judge::trials::Runner;

use super::printing::print;
use super::{Done, Failure, bundle_directory};

/// Run the tests of the policies, in `tests/*.yaml` of their folder
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// The configuration file that names the policy folder
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    config: Option<PathBuf>,
    /// The policy folder
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Run only the cases whose file, test, request, caller or target contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// List the parts of policies and routes that no test exercises
    #[arg(long)]
    coverage: bool,
    /// Fail if the coverage is below this percentage
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "filter")]
    min_coverage: Option<f64>,
    /// Change the policies one step at a time, and list the changes that no test detects
    #[arg(long, conflicts_with = "filter")]
    mutate: bool,
    /// Instead, list the requests that these older policies decide differently: a folder, or an archive that contains
    /// the last good bundle
    #[arg(long, value_name = "DIR", conflicts_with_all = ["filter", "coverage", "min_coverage", "mutate"])]
    against: Option<PathBuf>,
    /// The format of the report
    #[arg(long, value_enum, default_value = "text")]
    format: TestFormat,
}

fn percent(text: &str) -> Result<f64, String> {
    let fine = |it: &f64| (0.0..=100.0).contains(it);
    text.parse().ok().filter(fine).ok_or_else(|| "a number from 0 to 100".to_owned())
}

/// The output format of `test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum TestFormat {
    /// For people
    Text,
    /// For machines
    Json,
    /// For CI systems
    Junit,
}

impl Test {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let directory = bundle_directory(self.config.as_deref(), self.policies.as_deref())?;
        let bundle = accepted(Sources::read(&directory))?;
        if let Some(old) = &self.against {
            let comparison = compare(older(old)?, bundle)?;
            match self.format {
                TestFormat::Text => print(&comparison.text())?,
                TestFormat::Json => print(&comparison.json().to_string())?,
                TestFormat::Junit => {
                    return Err(Failure::Usage(
                        "a comparison is no test run: it has no JUnit report".to_owned(),
                    ));
                }
            }
            return Ok(Done::Fine);
        }
        let mut runner = Runner::new(bundle);
        if self.coverage || self.min_coverage.is_some() {
            runner = runner.witnessed();
        }
        let cases = self.chosen(&runner);
        if cases.is_empty() {
            let what = if self.filter.is_some() {
                "no test fits the filter"
            } else {
                "there are no tests"
            };
            return Err(Failure::NotFine(format!(
                "{what} in {}",
                directory.join("tests").display()
            )));
        }
        let outcomes = runner.run(&cases)?;
        let whys = explain(&runner, &outcomes)?;
        let mut fine = outcomes.iter().all(|outcome| outcome.passed);
        let mut report = Report::new(&runner, &outcomes, &whys);
        if self.coverage || self.min_coverage.is_some() {
            let coverage = coverage(&runner, &outcomes)?;
            fine &= self.min_coverage.is_none_or(|least| coverage.percent() >= least);
            report = report.with_coverage(coverage, self.min_coverage);
        }
        if self.mutate && outcomes.iter().all(|outcome| outcome.passed) {
            let mutants = mutants(&runner.bundles().current().bundle);
            let mutants = mutants.map_err(|error| Failure::Usage(chain(&error)))?;
            let mutation = mutate(&runner, &outcomes, mutants)?;
            fine &= mutation.is_fine();
            report = report.with_mutation(mutation);
        }
        match self.format {
            TestFormat::Text => print(&report.text())?,
            TestFormat::Json => print(&report.json().to_string())?,
            TestFormat::Junit => print(&junit(&report))?,
        }
        Ok(if fine { Done::Fine } else { Done::NotFine })
    }

    fn chosen(&self, runner: &Runner) -> Vec<usize> {
        let wanted = self.filter.as_deref().unwrap_or_default();
        let fits = |case: &policy_store::cases::Case| {
            let caller = case.caller.as_deref().unwrap_or(policy_store::cases::NOBODY);
            let texts =
                [&*case.file, &*case.test, &*case.request.name, caller, &*case.request.target];
            texts.iter().any(|text| text.contains(wanted))
        };
        let cases = runner.suite().cases.iter().enumerate();
        cases.filter(|(_, case)| fits(case)).map(|(index, _)| index).collect()
    }
}

fn accepted(sources: Result<Sources, Findings>) -> Result<Bundle, Failure> {
    sources.and_then(|it| Loader::default().load(it)).map_err(|it| unusable(&it))
}

/// The policies to compare with: a folder, or the last good bundle of an archive. They are only evaluated, so
/// policies that were accepted once and would be refused today are allowed.
fn older(directory: &Path) -> Result<Bundle, Failure> {
    let kept = Archive::new(directory.to_owned()).last_good();
    let sources = match kept.map_err(|error| Failure::Usage(chain(&error)))? {
        Some(sources) => Ok(sources),
        None => Sources::read(directory),
    };
    sources.and_then(|it| Loader::default().unproven(it)).map_err(|it| unusable(&it))
}

fn unusable(findings: &Findings) -> Failure {
    Failure::Usage(format!("the policies are not accepted:\n{findings}"))
}
