//! The report about a journal, and about the copy in a database.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use audit::Position;
use audit::text::printable;
use audit::verify::Verification;
use audit::verify::ledger::Comparison;
use audit::verify::table::Copied;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::{BESIDE, count, fault, list, speed, value};

/// The report, as text and as JSON.
pub(super) struct Report<'a> {
    pub(super) directory: &'a Path,
    pub(super) found: &'a Verification,
    /// The comparison with the database and the verification of its copy, if a database was named.
    pub(super) compared: Option<&'a (Comparison, Option<Copied>)>,
    /// Whether the keys were named, instead of read from the journal's directory.
    pub(super) kept: bool,
    pub(super) took: Duration,
}

impl Report<'_> {
    /// Whether nothing is wrong and everything is vouched for: the journal, and the copy if a database was named.
    pub(super) fn is_good(&self) -> bool {
        let copied =
            self.compared.is_none_or(|(_, copied)| copied.as_ref().is_some_and(Copied::is_good));
        self.found.is_good() && !self.is_unsigned() && copied
    }

    /// Whether the journal has records but no checkpoint.
    fn is_unsigned(&self) -> bool {
        self.found.checkpoints == 0 && self.found.records > 0
    }

    pub(super) fn text(&self) -> String {
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
            None if !self.is_good() => writeln!(
                text,
                "NOT ALL VERIFIED: {directory} is whole, and what the gate wrote; what the database has of it cannot \
                 all be verified without it"
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
        list(&found.faults, &mut text);
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
        if let Some((compared, copied)) = self.compared {
            let Comparison { same, undelivered, missing, only_there, .. } = compared;
            let told = format!(
                "{same} records are the same there, column by column; {undelivered} are not delivered yet, {missing} \
                 are missing, {only_there} only there"
            );
            line("database", told);
            let verified = copied.as_ref().and_then(|it| it.verified).map_or_else(
                || "nothing: nothing that vouches for records was delivered".to_owned(),
                |it| format!("to number {} by key {}", it.seq, it.key),
            );
            line("verified", format!("there, {verified}"));
        }
        let (millis, speed) = (self.took.as_millis(), speed(found.records, self.took));
        line("speed", format!("{speed} records a second ({millis} ms)"));
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
        let copied = self.compared.and_then(|(_, copied)| copied.as_ref());
        if let Some(copied) = copied {
            // The journal contains the marks, too, and their notes are printed once.
            let own = copied.notes.iter().filter(|note| !self.found.notes.contains(note));
            notes.extend(own.map(|note| format!("database: {note}")));
        }
        notes
    }

    pub(super) fn json(&self) -> Value {
        let found = self.found;
        let place = |at: &Position| json!({ "seq": at.seq, "chain": at.head });
        json!({
            "good": self.is_good(),
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
            "database": self.compared.map(|(it, copied)| json!({
                "same": it.same, "undelivered": it.undelivered, "missing": it.missing,
                "only_there": it.only_there, "copy": copied.as_ref().map(value),
            })),
            "faults": found.faults.iter().map(fault).collect::<Vec<_>>(),
            "notes": self.notes(),
            "milliseconds": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "records_per_second": speed(found.records, self.took),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::verify::{Fault, FaultKind};

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
