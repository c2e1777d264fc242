//! Verification of what a command has read, printed at the end of its answer.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use audit::text::printable;
use audit::verify::table::Copied;
use audit::verify::{Fault, Options, head_signer, verify};
use audit::{PublicKey, Signer};
use base::chain;
use proxy::config::Config;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::super::Failure;
use super::super::printing::complain;
use super::unreadable;

/// The line that is printed if no key was named.
pub(super) const NO_KEY: &str = "NOTHING WAS VERIFIED: no key was given (--key FILE)";

/// Reads the public keys in these files.
///
/// # Errors
///
/// Fails if a file cannot be read or contains no key.
pub(super) fn read_keys(files: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    let mut all = Vec::new();
    for file in files {
        let keys = PublicKey::read_all(file);
        all.extend(keys.map_err(|error| Failure::Usage(chain(&error)))?);
    }
    Ok(all)
}

/// The public halves of the signing keys of a configuration, if they can be read.
pub(super) fn configured(config: &Config) -> Vec<PublicKey> {
    let signer = Signer::read(&config.audit.signing_keys);
    signer.map(|signer| signer.keys().collect()).unwrap_or_default()
}

/// The result of verifying a source.
#[derive(Debug)]
pub(super) struct Vouch {
    /// The result for people: one line per journal.
    pub(super) lines: Vec<String>,
    /// The result as JSON.
    pub(super) json: Value,
    /// Whether everything is verified, except what is not signed yet, or no key was named.
    pub(super) fine: bool,
}

impl Vouch {
    /// The result if no key was named.
    pub(super) fn none() -> Self {
        Self { lines: vec![NO_KEY.to_owned()], json: Value::Null, fine: true }
    }

    /// Prints the result on standard error, for answers that have no room for it.
    pub(super) fn complain(&self) {
        for line in self.lines.iter().filter(|_| !self.json.is_null()) {
            complain(format_args!("{line}"));
        }
    }

    /// Verifies the journal in `directory`.
    ///
    /// # Errors
    ///
    /// Fails if the journal cannot be read.
    pub(super) fn of_journal(directory: &Path, keys: &[PublicKey]) -> Result<Self, Failure> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Options { trusted: keys.to_vec(), threads, full: None };
        let found = verify(directory, &options).map_err(|error| unreadable(directory, &error))?;
        let last = found.last.map_or(0, |it| it.seq);
        let seq = last.saturating_sub(found.unvouched);
        let key = head_signer(directory, &found.trusted);
        let key = key.map_err(|error| unreadable(directory, &error))?;
        let signed = found.signed.and_then(|at| at.format(&Rfc3339).ok());
        let told = Told {
            instance: found.instance.as_deref().unwrap_or("unknown"),
            verified: key.filter(|_| found.is_good()).map(|key| (seq, key, signed)),
            last,
            fault: found.faults.first(),
            unverifiable: 0,
        };
        Ok(Self::of(&[told]))
    }

    /// The result for a database.
    pub(super) fn of_table(found: &[Copied]) -> Self {
        let all: Vec<_> = found.iter().map(Told::of).collect();
        Self::of(&all)
    }

    fn of(all: &[Told<'_>]) -> Self {
        let mut lines: Vec<String> = all.iter().map(Told::line).collect();
        if lines.is_empty() {
            lines.push("NOTHING WAS VERIFIED: there are no sealed records".to_owned());
        }
        Self {
            lines,
            json: all.iter().map(Told::json).collect(),
            fine: !all.is_empty() && all.iter().all(Told::is_fine),
        }
    }
}

/// The result for one journal.
struct Told<'a> {
    instance: &'a str,
    /// The last verified record, the key that signed it, and when.
    verified: Option<(u64, PublicKey, Option<String>)>,
    last: u64,
    fault: Option<&'a Fault>,
    unverifiable: u64,
}

impl<'a> Told<'a> {
    fn of(it: &'a Copied) -> Self {
        let vouched = it
            .verified
            .map(|vouched| (vouched.seq, vouched.key, vouched.time.format(&Rfc3339).ok()));
        Self {
            instance: &it.instance,
            // A journal with a fault is not called verified.
            verified: vouched.filter(|_| it.faults.is_empty()),
            last: it.last,
            fault: it.faults.first(),
            unverifiable: it.unverifiable,
        }
    }

    fn is_fine(&self) -> bool {
        self.verified.is_some() && self.fault.is_none() && self.unverifiable == 0
    }

    fn line(&self) -> String {
        let journal = printable(self.instance, 64);
        if let Some(fault) = self.fault {
            return format!("NOT VERIFIED: journal {journal}: {fault}");
        }
        let Some((seq, key, signed)) = &self.verified else {
            return format!(
                "NOT VERIFIED: journal {journal}: nothing that vouches for it is there"
            );
        };
        let mut line = format!("verified to number {seq} of journal {journal} by key {key}");
        // Writing to a string cannot fail.
        if let Some(signed) = signed {
            let _ = write!(line, ", signed at {signed}");
        }
        if self.last > *seq {
            let _ = write!(line, "; {} newer ones are not signed yet", self.last - seq);
        }
        if self.unverifiable > 0 {
            let _ = write!(line, "; NOT VERIFIED: {} older ones", self.unverifiable);
        }
        line
    }

    fn json(&self) -> Value {
        json!({
            "journal": self.instance,
            "good": self.is_fine(),
            "to": self.verified.as_ref().map(|(seq, ..)| seq),
            "key": self.verified.as_ref().map(|(_, key, _)| key),
            "signed": self.verified.as_ref().and_then(|(.., signed)| signed.clone()),
            "last": self.last,
            "unverifiable": self.unverifiable,
            "fault": self.fault.map(ToString::to_string),
        })
    }
}
