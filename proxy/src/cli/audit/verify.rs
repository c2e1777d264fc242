//! `cedargate audit verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::super::printing::print;
use super::super::{Done, Failure, Format};
use super::ledger::compare_with;
use super::{folder, unreadable};
use crate::chain::chain;
use crate::record::text::printable;
use crate::record::verify::ledger::Comparison;
use crate::record::verify::{Fault, Options, Verification, verify};
use crate::record::{Position, PublicKey};

/// The keys beside a journal.
const BESIDE: &str = "signing.pub";
/// So many faults are told to a person.
const TOLD: usize = 20;

/// Verify that a journal is whole and what the gate wrote, and if not, say where it is not
///
/// Every record, every checkpoint and every signature is looked at. It reads only; the gate may be
/// running.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Trust the public keys in this file (PEM), kept where the gate's machine cannot change it
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Compare it with `audit_logs` in this database, too: sqlite:… or postgres://…
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// The directory of the journal
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// What is told.
struct Report<'a> {
    directory: &'a Path,
    found: &'a Verification,
    /// What the database has of it, if that was asked.
    compared: Option<&'a Comparison>,
    /// The keys were kept elsewhere.
    kept: bool,
    took: Duration,
}

impl Verify {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let directory = folder(self.directory)?;
        let kept = !self.key.is_empty();
        let mut trusted = Vec::new();
        for file in &self.key {
            let keys = PublicKey::read_all(file);
            trusted.extend(keys.map_err(|error| Failure::Usage(chain(&error)))?);
        }
        let beside = directory.join(BESIDE);
        if !kept && beside.exists() {
            let keys = PublicKey::read_all(&beside);
            trusted = keys.map_err(|error| Failure::Usage(chain(&error)))?;
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let begun = Instant::now();
        let found = verify(&directory, &Options { trusted, threads, full: None });
        let mut found = found.map_err(|error| unreadable(&directory, &error))?;
        if found.segments == 0 && found.is_good() {
            let problem = format!("`{}` holds no journal", directory.display());
            return Err(Failure::Usage(problem));
        }
        let took = begun.elapsed();
        let compared = match (&self.database, &found.instance) {
            (Some(url), Some(instance)) => Some(compare_with(url, &directory, instance)?),
            _ => None,
        };
        if let Some(compared) = &compared {
            found.faults.extend(compared.faults.iter().cloned());
        }
        let (found, compared) = (&found, compared.as_ref());
        let report = Report { directory: &directory, found, compared, kept, took };
        match self.format {
            Format::Text => print(report.text().trim_end())?,
            Format::Json => print(&report.json().to_string())?,
        }
        Ok(if found.is_good() && !report.is_unsigned() { Done::Fine } else { Done::NotFine })
    }
}

impl Report<'_> {
    /// Nothing vouches for any of it.
    fn is_unsigned(&self) -> bool {
        self.found.checkpoints == 0 && self.found.records > 0
    }

    fn text(&self) -> String {
        let (found, mut text) = (self.found, String::new());
        let directory = self.directory.display().to_string();
        let directory = printable(&directory, 500);
        // Writing to a string cannot fail.
        let _ = match found.faults.first() {
            None if self.is_unsigned() => writeln!(
                text,
                "NOT VOUCHED FOR: the chain of {directory} holds, but nothing in it is signed. A \
                 gate signs within a second or two; if this one has, it was taken away"
            ),
            None => writeln!(text, "good: {directory} is whole, and what the gate wrote"),
            Some(first) => writeln!(
                text,
                "NOT GOOD: {} in {directory}; the first: {}",
                count(found.faults.len() as u64, "fault"),
                first.place()
            ),
        };
        text.push('\n');
        self.numbers(&mut text);
        for note in self.notes() {
            let _ = writeln!(text, "note: {}", printable(&note, 500));
        }
        if !found.faults.is_empty() {
            text.push_str("\nwhat is wrong:\n");
        }
        for fault in found.faults.iter().take(TOLD) {
            let _ = writeln!(text, "  {}\n    {}", fault.place(), fault.kind);
            let _ = writeln!(text, "    to do: {}", fault.kind.remedy());
        }
        let more = found.faults.len().saturating_sub(TOLD);
        if more > 0 {
            let _ = writeln!(text, "  … and {more} more (--format json has all)");
        }
        text
    }

    fn numbers(&self, text: &mut String) {
        let found = self.found;
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<12} {value}");
        };
        line("journal", printable(found.instance.as_deref().unwrap_or("unknown"), 64).into_owned());
        let first = found.first.map(|it| it.seq.saturating_add(1));
        let range = match (first, found.last) {
            (Some(first), Some(last)) if last.seq >= first => {
                format!(", from {first} to {}", last.seq)
            }
            _ => String::new(),
        };
        line("records", format!("{}{range}", found.records));
        let size = bytesize::ByteSize(found.bytes);
        line("segments", format!("{} ({size} on disk)", found.segments));
        let signed = found.signed.and_then(|at| at.format(&Rfc3339).ok());
        let signed = signed.map(|at| format!(", the last at {at}")).unwrap_or_default();
        line("checkpoints", format!("{}{signed}", found.checkpoints));
        if let Some(last) = found.last {
            line("chain", last.head.to_string());
        }
        if let Some(compared) = self.compared {
            let Comparison { same, only_here, only_there, .. } = compared;
            let told = format!(
                "{same} records are the same there; {only_here} are not there, {only_there} only there"
            );
            line("database", told);
        }
        let millis = self.took.as_millis();
        line("speed", format!("{} records a second ({millis} ms)", self.speed()));
        text.push('\n');
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.kept {
            notes.push(format!(
                "the keys were those beside the journal ({BESIDE}): this proves only that nobody \
                 without access to the keys in this directory changed anything. A key that is kept \
                 elsewhere proves more: --key FILE"
            ));
        }
        if self.found.unvouched > 0 {
            notes.push(format!(
                "{} behind the last checkpoint: nobody vouches for their number yet",
                count(self.found.unvouched, "record")
            ));
        }
        notes.extend(self.found.notes.iter().cloned());
        notes
    }

    fn speed(&self) -> u64 {
        let micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX).max(1);
        self.found.records.saturating_mul(1_000_000) / micros
    }

    fn json(&self) -> Value {
        let found = self.found;
        let place = |at: &Position| json!({ "seq": at.seq, "chain": at.head });
        json!({
            "good": found.is_good() && !self.is_unsigned(),
            "directory": self.directory,
            "instance": found.instance,
            "segments": found.segments,
            "records": found.records,
            "checkpoints": found.checkpoints,
            "bytes": found.bytes,
            "first": found.first.map(|it| it.seq.saturating_add(1)),
            "last": found.last.as_ref().map(place),
            "signed": found.signed.and_then(|at| at.format(&Rfc3339).ok()),
            "unvouched": found.unvouched,
            "keys": if self.kept { "given" } else { "beside the journal" },
            "database": self.compared.map(|it| json!({
                "same": it.same, "only_here": it.only_here, "only_there": it.only_there,
            })),
            "faults": found.faults.iter().map(fault).collect::<Vec<_>>(),
            "notes": self.notes(),
            "milliseconds": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "records_per_second": self.speed(),
        })
    }
}

fn fault(fault: &Fault) -> Value {
    let mut value = serde_json::to_value(fault).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("message".to_owned(), fault.to_string().into());
        members.insert("remedy".to_owned(), fault.kind.remedy().into());
    }
    value
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::verify::FaultKind;

    fn report(found: &Verification, kept: bool) -> String {
        let took = Duration::from_millis(250);
        Report { directory: Path::new("var/audit"), found, compared: None, kept, took }.text()
    }

    fn found() -> Verification {
        Verification {
            instance: Some("gate-1".into()),
            segments: 2,
            records: 500,
            checkpoints: 3,
            bytes: 4096,
            first: Some(Position::default()),
            last: Some(Position { seq: 500, ..Position::default() }),
            unvouched: 1,
            ..Verification::default()
        }
    }

    #[test]
    fn a_good_journal_is_called_good_first() {
        let expected = format!(
            "good: var/audit is whole, and what the gate wrote

  journal      gate-1
  records      500, from 1 to 500
  segments     2 (4.0 KiB on disk)
  checkpoints  3
  chain        {}
  speed        2000 records a second (250 ms)

note: 1 record behind the last checkpoint: nobody vouches for their number yet
",
            "0".repeat(64)
        );
        assert_eq!(report(&found(), true), expected);
        let unsigned = Verification { checkpoints: 0, ..found() };
        assert!(report(&unsigned, true).starts_with("NOT VOUCHED FOR: "));
        assert!(report(&found(), false).contains("note: the keys were those beside the journal"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_drives_no_terminal() {
        let mut found = found();
        found.faults = vec![
            Fault {
                seq: Some(7),
                segment: "audit-1".into(),
                line: Some(8),
                kind: FaultKind::Missing { to: 9 },
            },
            Fault {
                seq: Some(12),
                segment: "audit-1\u{1b}[2J".into(),
                line: None,
                kind: FaultKind::OtherInstance { instance: "x\ngood: all".into() },
            },
        ];
        let text = report(&found, true);
        let start =
            "NOT GOOD: 2 faults in var/audit; the first: records 7 to 9 (audit-1.jsonl, line 8)\n";
        assert!(text.starts_with(start), "{text}");
        let told =
            "\nwhat is wrong:\n  records 7 to 9 (audit-1.jsonl, line 8)\n    gone: later records";
        assert!(text.contains(told), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("\ngood:"), "{text}");
    }
}
