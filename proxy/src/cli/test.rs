//! `cedargate test`.

use std::path::PathBuf;

use policy_store::bundle::{Loader, Sources};

use super::serve::say;
use super::{Done, Failure, bundle_directory};
use crate::trials::{Report, Runner, junit};

/// Run the tests of the policies, in `tests/*.yaml` of their folder
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// The configuration that names the folder of the policies
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    config: Option<PathBuf>,
    /// The folder of the policies
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Run only the cases whose file, test, request, caller or target holds this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    format: TestFormat,
}

/// How the report of a run is printed.
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
        let bundle = Sources::read(&directory).and_then(|it| Loader::default().load(it));
        let bundle = bundle.map_err(|findings| {
            Failure::Usage(format!("the policies are not accepted:\n{findings}"))
        })?;
        let runner = Runner::new(bundle);
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
        let outcomes = runner.run(&cases).map_err(|error| Failure::Usage(error.to_string()))?;
        let report = Report::new(&runner, &outcomes);
        match self.format {
            TestFormat::Text => say(&report.text()),
            TestFormat::Json => say(&report.json().to_string()),
            TestFormat::Junit => say(&junit(&runner, &outcomes)),
        }
        let passed = outcomes.iter().all(|outcome| outcome.passed);
        Ok(if passed { Done::Fine } else { Done::NotFine })
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
