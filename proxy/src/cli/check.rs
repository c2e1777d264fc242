//! `cedargate check`.

use std::path::PathBuf;

use policy_store::bundle::{Bundle, Findings};
use serde_json::{Value, json};

use super::serve::say;
use super::{Done, Failure, Format, environment};
use crate::assertion::AssertionSigner;
use crate::chain::chain;
use crate::config::{Config, DEFAULT_FILE};
use crate::keys::KeyStore;

/// Check configuration, keys, schema, policies and routes, and say what is wrong and where
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    config: Option<PathBuf>,
    /// Check this policy bundle alone
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What is right and what is wrong.
#[derive(Default)]
struct Report {
    fine: Vec<String>,
    findings: Vec<Value>,
    texts: Vec<String>,
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
                Ok(config) => report.everything(&file, &config),
                Err(error @ crate::config::ConfigError::Unreadable { .. }) => {
                    return Err(error.into());
                }
                Err(error) => report.wrong("configuration", &chain(&error)),
            }
        }
        Ok(report.print(self.format))
    }
}

impl Report {
    fn everything(&mut self, file: &std::path::Path, config: &Config) {
        self.fine.push(format!("configuration {}", file.display()));
        match KeyStore::check(&config.jwt.issuers) {
            Ok(()) => self.fine.push(format!("keys of {} issuers", config.jwt.issuers.len())),
            Err(error) => self.wrong("keys", &chain(&error)),
        }
        if let Some(assertion) = &config.upstream.assertion {
            match AssertionSigner::open(assertion) {
                Ok(_) => self.fine.push("the assertion's key".to_owned()),
                Err(error) => self.wrong("assertion", &chain(&error)),
            }
        }
        self.policies(&config.policies.directory);
    }

    fn policies(&mut self, directory: &std::path::Path) {
        match Bundle::load(directory) {
            Ok(bundle) => self.fine.push(format!(
                "policies {}: {} policies, {} routes, digest {}",
                directory.display(),
                bundle.rules().count(),
                bundle.routes().routes().len(),
                bundle.digest()
            )),
            Err(Findings(findings)) => {
                for finding in findings {
                    let place = directory.join(&finding.file);
                    let text = finding.to_string().replacen(
                        &finding.file,
                        &place.display().to_string(),
                        1,
                    );
                    self.texts.push(text);
                    self.findings.push(json!(finding));
                }
            }
        }
    }

    fn wrong(&mut self, what: &str, message: &str) {
        self.texts.push(message.to_owned());
        self.findings.push(json!({ "file": what, "line": 0, "column": 0, "message": message }));
    }

    fn print(self, format: Format) -> Done {
        match format {
            Format::Json => say(&json!({ "ok": self.texts.is_empty(), "fine": self.fine, "findings": self.findings }).to_string()),
            Format::Text => {
                for fine in &self.fine {
                    say(&format!("ok      {fine}"));
                }
                for text in &self.texts {
                    say(&format!("wrong   {text}"));
                }
            }
        }
        if self.texts.is_empty() { Done::Fine } else { Done::NotFine }
    }
}
