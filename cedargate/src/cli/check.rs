//! `cedargate check`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::chain;
use policy_store::bundle::{Bundle, Finding, Findings};
use policy_store::source::{FactFaults, FactSource as _, Unfit};
use policy_store::sql::SqlFacts;
use proxy::config::{Config, ConfigError, DEFAULT_FILE};
use proxy::forward::assertion::AssertionSigner;
use proxy::judge::keys::KeyStore;
use serde::Serialize;
use serde_json::json;

use super::printing::print;
use super::{Done, Failure, environment, runtime, sarif};

/// The timeout of one statement of the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rules for faults outside the bundle, with their titles.
const OTHERS: [(&str, &str); 4] = [
    ("configuration", "The configuration cannot be used"),
    ("keys", "The keys of an issuer cannot be used"),
    ("assertion", "The key of the assertion cannot be used"),
    ("facts", "The mapping of facts does not fit the database and the schema"),
];

/// Check configuration, keys, schema, policies and routes, and report each fault with its location
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The configuration file
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    config: Option<PathBuf>,
    /// Check only this policy bundle
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Also ask the facts database whether the mapping of facts fits the database and the schema
    #[arg(long, conflicts_with = "policies")]
    facts: bool,
    /// The format of the report
    #[arg(long, value_enum, default_value = "text")]
    format: CheckFormat,
}

/// The output format of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum CheckFormat {
    /// For people
    Text,
    /// For machines
    Json,
    /// SARIF 2.1.0, for code forges and editors
    Sarif,
}

/// One fault, in the bundle or elsewhere.
#[derive(Debug, Serialize)]
pub(super) struct Wrong {
    pub(super) rule: &'static str,
    /// The path of the file, beginning with the folder as the command line names it.
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
    pub(super) remedy: String,
    pub(super) source: String,
    /// The whole fault as text.
    #[serde(skip)]
    text: String,
}

impl Wrong {
    /// A finding about the bundle in `directory`.
    fn of(finding: Finding, directory: &Path) -> Self {
        let finding = located(finding, directory);
        let text = finding.to_string();
        let Finding { kind, file, line, column, message, remedy, source, .. } = finding;
        Self { rule: kind.name(), file, line, column, message, remedy, source, text }
    }
}

/// The finding, with `directory` before the name of its file.
pub(super) fn located(finding: Finding, directory: &Path) -> Finding {
    let whole = finding.file == ".";
    let path = if whole { directory.to_owned() } else { directory.join(&finding.file) };
    Finding { file: path.display().to_string(), ..finding }
}

/// The results of all checks.
#[derive(Default)]
struct Report {
    fine: Vec<String>,
    /// Things that are accepted but deserve a second look.
    warnings: Vec<String>,
    wrong: Vec<Wrong>,
}

impl Check {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let mut report = Report::default();
        if let Some(directory) = &self.policies {
            if !directory.is_dir() {
                return Err(Failure::Usage(format!("`{}` is not a folder", directory.display())));
            }
            report.policies(directory);
        } else {
            let file = self.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
            match Config::load(Some(&file), environment()) {
                Ok(config) => report.everything(&file, &config, self.facts)?,
                Err(error @ ConfigError::Unreadable { .. }) => return Err(error.into()),
                Err(error) => report.wrong("configuration", &file, &chain(&error)),
            }
        }
        report.print(self.format)
    }
}

impl Report {
    fn everything(&mut self, file: &Path, config: &Config, facts: bool) -> Result<(), Failure> {
        self.fine.push(format!("configuration {}", file.display()));
        match KeyStore::check(&config.jwt.issuers) {
            Ok(notes) => {
                self.fine.push(format!("keys of {} issuers", config.jwt.issuers.len()));
                self.warnings.extend(notes);
            }
            Err(error) => self.wrong("keys", file, &chain(&error)),
        }
        self.warnings.extend(config.jwt.doubts());
        if let Some(assertion) = &config.upstream.assertion {
            match AssertionSigner::open(assertion) {
                Ok(_) => self.fine.push("the assertion's key".to_owned()),
                Err(error) => self.wrong("assertion", file, &chain(&error)),
            }
        }
        let bundle = self.policies(&config.policies.directory);
        if let Some(bundle) = &bundle
            && let Some((issuer, role)) =
                config.jwt.unknown_role(|role| bundle.vocabulary().has_role(role))
        {
            let what = format!(
                "`{issuer}` must never stand for the role `{role}`, which the policies' schema does not list"
            );
            self.wrong("configuration", file, &what);
        }
        match bundle.filter(|_| facts) {
            Some(bundle) => self.facts(file, config, &bundle),
            None => Ok(()),
        }
    }

    /// Prepares the statements of the mapping, and compares their columns with the schema.
    fn facts(&mut self, file: &Path, config: &Config, bundle: &Bundle) -> Result<(), Failure> {
        let mapping = config.facts.mapping.clone();
        let asked = runtime(Some(1))?.block_on(async {
            let facts = SqlFacts::open(config.facts.database.expose(), PATIENCE, mapping);
            let facts = facts.map_err(|error| Failure::Usage(chain(&error)))?;
            Ok::<_, Failure>(facts.check(bundle).await)
        });
        match asked? {
            Ok(notes) => {
                self.fine.push("the mapping of facts fits the database and the schema".to_owned());
                self.fine.extend(notes);
            }
            Err(Unfit::Faults(FactFaults(faults))) => {
                for fault in faults {
                    let text = fault.to_string();
                    let message = format!("{}: {}", fault.place, fault.message);
                    self.wrong("facts", file, &message);
                    if let Some(wrong) = self.wrong.last_mut() {
                        wrong.remedy = fault.remedy;
                        wrong.text = text;
                    }
                }
            }
            Err(error @ Unfit::Unavailable(_)) => self.wrong("facts", file, &error.to_string()),
        }
        Ok(())
    }

    fn policies(&mut self, directory: &Path) -> Option<Bundle> {
        match Bundle::load(directory) {
            Ok(bundle) => {
                self.fine.push(format!(
                    "policies {}: {} policies, {} routes, digest {}",
                    directory.display(),
                    bundle.rules().count(),
                    bundle.routes().routes().len(),
                    bundle.digest()
                ));
                Some(bundle)
            }
            Err(Findings(findings)) => {
                self.wrong.extend(findings.into_iter().map(|it| Wrong::of(it, directory)));
                None
            }
        }
    }

    fn wrong(&mut self, rule: &'static str, file: &Path, message: &str) {
        self.wrong.push(Wrong {
            rule,
            file: file.display().to_string(),
            line: 0,
            column: 0,
            message: message.to_owned(),
            remedy: String::new(),
            source: String::new(),
            text: message.to_owned(),
        });
    }

    fn print(self, format: CheckFormat) -> Result<Done, Failure> {
        let ok = self.wrong.is_empty();
        match format {
            CheckFormat::Json => {
                let report = json!({
                    "ok": ok,
                    "fine": self.fine,
                    "warnings": self.warnings,
                    "findings": self.wrong,
                });
                print(&report.to_string())?;
            }
            CheckFormat::Sarif => print(&sarif::log(&self.wrong, &OTHERS).to_string())?,
            CheckFormat::Text => {
                let fine = self.fine.iter().map(|fine| format!("ok      {fine}"));
                let warnings = self.warnings.iter().map(|warning| format!("warning {warning}"));
                let wrong = self.wrong.into_iter().map(|it| it.text);
                let lines: Vec<_> = fine.chain(warnings).chain(wrong).collect();
                print(&lines.join("\n"))?;
            }
        }
        Ok(if ok { Done::Fine } else { Done::NotFine })
    }
}
