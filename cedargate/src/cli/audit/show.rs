//! `cedargate audit show`.

use std::fmt::Write as _;

use audit::past::{Found, locate};
use audit::text::printable;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::printing::print;
use super::super::{Done, Failure, Format};
use super::{Place, unreadable};

/// The maximum printed length of a value.
const LONGEST: usize = 2_000;

/// Show the records of a request: what was decided, and how it ended
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The id of the request: the header `x-request-id` of its response, `id` in its records
    #[arg(value_name = "ID")]
    id: Uuid,
    #[command(flatten)]
    place: Place,
    /// The output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Show {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let directory = self.place.directory()?;
        let found = locate(&directory, self.id).map_err(|error| unreadable(&directory, &error))?;
        if found.is_empty() {
            let place = directory.display();
            return Err(Failure::NotFine(format!("no record in `{place}` has the id {}", self.id)));
        }
        match self.format {
            Format::Text => print(text(&found).trim_end())?,
            Format::Json => {
                let all: Vec<_> = found.iter().map(value).collect();
                print(&serde_json::to_string_pretty(&all).unwrap_or_default())?;
            }
        }
        Ok(Done::Fine)
    }
}

fn value(found: &Found) -> Value {
    json!({
        "segment": found.segment,
        "line": found.line,
        "seq": found.seq,
        "seal_holds": found.holds,
        "record": found.record,
    })
}

/// One paragraph per record: its place, and every field that has a value.
fn text(found: &[Found]) -> String {
    let mut text = String::new();
    for found in found {
        let record = serde_json::to_value(&found.record).unwrap_or_default();
        let phase = record.get("phase").and_then(Value::as_str).unwrap_or_default();
        let seq = found.seq.map_or("without a number".to_owned(), |seq| format!("record {seq}"));
        let segment = printable(&found.segment, 200);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{phase}: {seq} ({segment}, line {})", found.line);
        let seal = if found.holds {
            "holds: it is what was written behind the line before it"
        } else {
            "DOES NOT HOLD: it, or the line before it, is not what was written; see audit verify"
        };
        let mut line = |name: &str, told: &str| {
            let _ = writeln!(text, "  {name:<16} {told}");
        };
        line("seal", seal);
        for (name, value) in record.as_object().into_iter().flatten() {
            if name != "phase" && says_something(value) {
                line(name, &plain(value));
            }
        }
        text.push('\n');
    }
    text
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(values) => !values.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// A value without JSON's quotation marks where it needs none.
fn plain(value: &Value) -> String {
    let told = match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    printable(&told, LONGEST).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::{Decision, Phase, Record};
    use time::macros::datetime;

    fn found(holds: bool) -> Found {
        let mut record = Record::new(Uuid::nil(), Phase::Denial, datetime!(2025-01-02 3:04:05 UTC));
        record.user_id = Some("ann\u{1b}[2J\nseal: holds".into());
        record.roles = vec!["reader".into(), "writer".into()];
        record.decision = Decision::Deny;
        record.details.insert("layer".into(), "role".into());
        Found { segment: "audit-1".into(), line: 8, seq: Some(7), holds, record }
    }

    #[test]
    fn a_record_is_told_in_aligned_lines_that_nobody_can_forge() {
        let expected = "\
denial: record 7 (audit-1, line 8)
  seal             holds: it is what was written behind the line before it
  id               00000000-0000-0000-0000-000000000000
  timestamp        2025-01-02T03:04:05.000000Z
  user_id          ann\\u{1b}[2J\\u{a}seal: holds
  roles            reader, writer
  decision         deny
";
        let told = text(&[found(true)]);
        assert!(told.starts_with(expected), "{told}");
        assert!(told.contains("  details          {\"layer\":\"role\"}\n"), "{told}");
        assert!(text(&[found(false)]).contains("DOES NOT HOLD"));
    }
}
