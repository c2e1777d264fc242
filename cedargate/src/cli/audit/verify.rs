//! `cedargate audit verify`.

mod copied;
mod journal;

use std::path::PathBuf;
use std::time::Instant;

use audit::PublicKey;
use audit::verify::ledger::{Comparison, compare};
use audit::verify::table::{Copied, verify_table};
use audit::verify::{Fault, FaultKind, Options, verify};
use base::chain;
use serde_json::{Value, json};

use super::super::printing::print;
use super::super::{Done, Failure, Format, runtime};
use super::source::{name_of, open, unusable};
use super::vouch::read_keys;
use super::{folder, unreadable};

/// The file with the public keys in a journal's directory.
const BESIDE: &str = "signing.pub";

/// Verify that a journal, or a database's copy of journals, is complete and unaltered, and report each fault with its
/// location
///
/// Of a journal (DIR), every record, checkpoint and signature is checked. Of a database (--database), the hash of
/// every record is computed from its columns; a missing number is a fault, unless a signed mark in a journal explains
/// it; every signed checkpoint is compared. With both, the database has to equal the journal, column by column. With
/// --database alone no journal is needed, but a key is (--key).
///
/// The command only reads, so gates may be running. Records that are newer than the last checkpoint or not delivered
/// yet are a note.
///
/// Exit status: 0, everything is verified; 1, something is wrong or cannot be verified; 2, the source cannot be read.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: six years of records, on another machine, with a key that was kept elsewhere

  cedargate audit verify --database postgres://auditor@db.example/gate --key audit.pub"
)]
pub(super) struct Verify {
    /// Trust the public keys in this file (PEM), kept where the gate's machine cannot change them
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Verify the tables `audit_logs` and `audit_checkpoints` of this database: sqlite:… or postgres://…
    #[arg(long, value_name = "URL", required_unless_present = "directory")]
    database: Option<String>,
    /// The format of the report
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The directory of the journal
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let keys = read_keys(&self.key)?;
        match (&self.directory, &self.database) {
            (Some(directory), database) => {
                let directory = folder(directory.clone())?;
                self.journal(&directory, database.as_deref(), keys)
            }
            (None, Some(url)) => self.table(url, &keys),
            (None, None) => Err(Failure::Usage("a journal or a database is needed".to_owned())),
        }
    }

    /// Verifies a journal, and the copy in a database if one is named.
    fn journal(
        &self,
        directory: &std::path::Path,
        database: Option<&str>,
        mut trusted: Vec<PublicKey>,
    ) -> Result<Done, Failure> {
        let kept = !trusted.is_empty();
        let beside = directory.join(BESIDE);
        if !kept && beside.exists() {
            let keys = PublicKey::read_all(&beside);
            trusted = keys.map_err(|error| Failure::Usage(chain(&error)))?;
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let begun = Instant::now();
        let found = verify(directory, &Options { trusted, threads, full: None });
        let mut found = found.map_err(|error| unreadable(directory, &error))?;
        if found.segments == 0 && found.is_good() {
            let problem = format!("`{}` holds no journal", directory.display());
            return Err(Failure::Usage(problem));
        }
        let took = begun.elapsed();
        let compared = match (database, &found.instance) {
            (Some(url), Some(instance)) => {
                let last = found.last.map_or(0, |it| it.seq);
                Some(copy(url, directory, instance, &found.trusted, last)?)
            }
            _ => None,
        };
        if let Some((comparison, copied)) = &compared {
            found.faults.extend(together(comparison, copied.as_ref()));
        }
        let compared = compared.as_ref();
        let report = journal::Report { directory, found: &found, compared, kept, took };
        match self.format {
            Format::Text => print(report.text().trim_end())?,
            Format::Json => print(&report.json().to_string())?,
        }
        Ok(if report.is_good() { Done::Fine } else { Done::NotFine })
    }

    /// Verifies the copies of all journals in a database.
    fn table(&self, url: &str, keys: &[PublicKey]) -> Result<Done, Failure> {
        if keys.is_empty() {
            let problem =
                "a database is verified with a public key that was kept elsewhere: --key FILE";
            return Err(Failure::Usage(problem.to_owned()));
        }
        let begun = Instant::now();
        let found = runtime(Some(1))?.block_on(async {
            let table = open(url, None).await?;
            verify_table(&table, keys, None).await.map_err(|error| unusable(&error))
        })?;
        let name = name_of(url);
        if found.is_empty() {
            return Err(Failure::Usage(format!("{name} has no sealed records")));
        }
        let report = copied::Report { name: &name, found: &found, took: begun.elapsed() };
        match self.format {
            Format::Text => print(report.text().trim_end())?,
            Format::Json => print(&report.json().to_string())?,
        }
        Ok(if report.is_good() { Done::Fine } else { Done::NotFine })
    }
}

/// Compares the database at `url` with the journal of `instance` in `directory`, and verifies the copy.
fn copy(
    url: &str,
    directory: &std::path::Path,
    instance: &str,
    trusted: &[PublicKey],
    last: u64,
) -> Result<(Comparison, Option<Copied>), Failure> {
    runtime(Some(1))?.block_on(async {
        let table = open(url, None).await?;
        let copied = verify_table(&table, trusted, Some(instance)).await;
        let copied = copied.map_err(|error| unusable(&error))?.into_iter().next();
        let compared = compare(directory, instance, &table, trusted, last).await;
        Ok((compared.map_err(|error| Failure::Usage(chain(&error)))?, copied))
    })
}

/// The faults of the comparison and of the copy. A row that the comparison reports is not reported twice.
fn together(compared: &Comparison, copied: Option<&Copied>) -> Vec<Fault> {
    let exact: Vec<_> = compared.faults.iter().filter_map(|it| it.seq).collect();
    let own = copied.into_iter().flat_map(|it| it.faults.iter()).filter(|fault| {
        let same = fault.seq.is_some_and(|seq| exact.contains(&seq));
        !(same
            && matches!(fault.kind, FaultKind::RowChanged { .. } | FaultKind::RowsMissing { .. }))
    });
    let mut all: Vec<Fault> = compared.faults.iter().chain(own).cloned().collect();
    all.sort_by_key(|fault| fault.seq);
    all
}

/// A fault as JSON.
fn fault(fault: &Fault) -> Value {
    let mut value = serde_json::to_value(fault).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("message".to_owned(), fault.to_string().into());
        members.insert("remedy".to_owned(), fault.kind.remedy().into());
    }
    value
}

/// Appends the faults as text: at most [`TOLD`].
fn list(faults: &[Fault], text: &mut String) {
    use std::fmt::Write as _;
    /// The maximum number of faults in a text report.
    const TOLD: usize = 20;
    if !faults.is_empty() {
        text.push_str("\nwhat is wrong:\n");
    }
    for fault in faults.iter().take(TOLD) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}\n    {}", fault.place(), fault.kind);
        let _ = writeln!(text, "    to do: {}", fault.kind.remedy());
    }
    let more = faults.len().saturating_sub(TOLD);
    if more > 0 {
        let _ = writeln!(text, "  … and {more} more (--format json has all)");
    }
}

/// The result for one journal in a database, as JSON.
fn value(it: &Copied) -> Value {
    use time::format_description::well_known::Rfc3339;
    json!({
        "good": it.is_good(),
        "instance": it.instance,
        "first": it.first,
        "last": it.last,
        "records": it.records,
        "checkpoints": it.checkpoints,
        "verified": it.verified.map(|at| json!({
            "seq": at.seq, "key": at.key, "time": at.time.format(&Rfc3339).ok(),
        })),
        "unverifiable": it.unverifiable,
        "unsigned": it.unsigned,
        "notes": it.notes,
        "faults": it.faults.iter().map(fault).collect::<Vec<_>>(),
    })
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The number of records verified per second.
fn speed(records: u64, took: std::time::Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    records.saturating_mul(1_000_000) / micros
}
