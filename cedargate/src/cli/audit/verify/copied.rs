//! The report about a database that is verified by itself.

use std::fmt::Write as _;
use std::time::Duration;

use audit::text::printable;
use audit::verify::Fault;
use audit::verify::table::Copied;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::{count, list, speed, value};

/// The report, as text and as JSON.
pub(super) struct Report<'a> {
    /// The name of the database, without secrets.
    pub(super) name: &'a str,
    pub(super) found: &'a [Copied],
    pub(super) took: Duration,
}

impl Report<'_> {
    /// Whether everything is verified, except what is not signed yet.
    pub(super) fn is_good(&self) -> bool {
        self.found.iter().all(Copied::is_good)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let faults: Vec<Fault> = self.found.iter().flat_map(|it| it.faults.clone()).collect();
        let name = printable(self.name, 500);
        // Writing to a string cannot fail.
        let _ = match faults.first() {
            Some(first) => writeln!(
                text,
                "NOT GOOD: {} in {name}; the first: {}",
                count(faults.len() as u64, "fault"),
                first.place()
            ),
            None if !self.is_good() => writeln!(
                text,
                "NOT ALL VERIFIED: nothing was found to be wrong in {name}, but not all of it can be verified"
            ),
            None => writeln!(text, "good: {name} has what the gates wrote, each record of it"),
        };
        for copied in self.found {
            text.push('\n');
            journal(copied, &mut text);
        }
        let records = self.found.iter().map(|it| it.records).sum();
        let (speed, millis) = (speed(records, self.took), self.took.as_millis());
        let _ = writeln!(text, "\n  speed        {speed} records a second ({millis} ms)");
        for copied in self.found {
            let journal = printable(&copied.instance, 64);
            for note in &copied.notes {
                let _ = writeln!(text, "note: journal {journal}: {}", printable(note, 500));
            }
            if copied.unsigned > 0 {
                let _ = writeln!(
                    text,
                    "note: journal {journal}: {} behind the last checkpoint: nobody vouches for their number yet",
                    count(copied.unsigned, "record")
                );
            }
        }
        list(&faults, &mut text);
        text
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "good": self.is_good(),
            "database": self.name,
            "journals": self.found.iter().map(value).collect::<Vec<_>>(),
            "milliseconds": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Appends the numbers of one journal.
fn journal(it: &Copied, text: &mut String) {
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    line("journal", printable(&it.instance, 64).into_owned());
    let range = format!("{}, from {} to {}", it.records, it.first, it.last);
    line("records", if it.records == 0 { "none".to_owned() } else { range });
    line("checkpoints", it.checkpoints.to_string());
    let verified = it.verified.map_or_else(
        || "nothing".to_owned(),
        |at| {
            let signed = at.time.format(&Rfc3339).unwrap_or_default();
            format!("to number {} by key {}, signed at {signed}", at.seq, at.key)
        },
    );
    let but = if it.faults.is_empty() { "" } else { ", except for what is wrong" };
    line("verified", verified + but);
}
