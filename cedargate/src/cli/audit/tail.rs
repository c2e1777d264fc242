//! `cedargate audit tail`.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use audit::reader::{Entry, Reader};
use audit::text::printable;
use audit::{Phase, Record, segments};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::super::printing::{finish, standard_output, written};
use super::super::{Done, Failure, Format, runtime};
use super::filter::Filter;
use super::{Place, unreadable};

/// The interval between two looks for new records: files do not announce that they have grown.
const PAUSE: Duration = Duration::from_millis(200);
/// The maximum printed length of a value.
const WORD: usize = 200;

const CLOCK: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Show the last records, one line each, and follow new ones
#[derive(Debug, clap::Args)]
pub(super) struct Tail {
    #[command(flatten)]
    place: Place,
    /// Show the last N records
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    lines: usize,
    /// Print new records until interrupted, across segments
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    filter: Filter,
    /// The format of the records; `json` prints them as they are in the journal
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Tail {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let directory = self.place.directory()?;
        let last = self.last(&directory).map_err(|error| unreadable(&directory, &error))?;
        let seen = last.seen;
        print_lines(&last.lines)?;
        if !self.follow {
            return Ok(Done::Fine);
        }
        runtime(Some(1))?.block_on(async {
            tokio::select! {
                followed = self.follow(&directory, seen) => followed?,
                _ = tokio::signal::ctrl_c() => {}
            }
            Ok(Done::Fine)
        })
    }

    /// The last matching records. Reads from the newest segment back, until there are enough.
    fn last(&self, directory: &Path) -> io::Result<Last> {
        let mut last = Last { lines: VecDeque::new(), seen: 0 };
        for segment in segments::list(directory)?.iter().rev() {
            let mut here = VecDeque::new();
            let room = self.lines.saturating_sub(last.lines.len());
            let mut reader = Reader::only(directory, segment);
            while let Some(entry) = reader.read()? {
                last.seen = last.seen.max(entry.seq().unwrap_or_default());
                let Some(line) = self.line(entry) else { continue };
                here.push_back(line);
                if here.len() > room {
                    here.pop_front();
                }
            }
            here.append(&mut last.lines);
            last.lines = here;
            if last.lines.len() >= self.lines {
                break;
            }
        }
        Ok(last)
    }

    async fn follow(&self, directory: &Path, seen: u64) -> Result<(), Failure> {
        let failed = |error: io::Error| unreadable(directory, &error);
        let mut reader = Reader::from(directory, seen.saturating_add(1)).map_err(failed)?;
        let mut ticks = tokio::time::interval(PAUSE);
        loop {
            ticks.tick().await;
            while let Some(entry) = reader.read().map_err(failed)? {
                if entry.seq().is_some_and(|seq| seq <= seen) {
                    continue;
                }
                if let Some(line) = self.line(entry) {
                    print_lines([&line])?;
                }
            }
        }
    }

    /// The record as it is printed, if it matches.
    fn line(&self, entry: Entry<'_>) -> Option<String> {
        let fits = |record: &Record| self.filter.fits(record, entry.behind);
        let record = entry.record().filter(fits)?;
        Some(match self.format {
            Format::Text => told(&record, entry.seq()),
            Format::Json => String::from_utf8_lossy(entry.text).into_owned(),
        })
    }
}

/// The last records, as printed.
struct Last {
    lines: VecDeque<String>,
    /// The highest record number that was read.
    seen: u64,
}

fn print_lines<'a>(lines: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    let mut out = standard_output();
    for line in lines {
        written(writeln!(out, "{line}"))?;
    }
    finish(out)
}

/// A record in one line: when, what was decided, who, what, and how it ended.
pub(super) fn told(record: &Record, seq: Option<u64>) -> String {
    let word = |text: Option<&str>| printable(text.unwrap_or("-"), WORD).into_owned();
    let at = record.timestamp.format(CLOCK).unwrap_or_default();
    let phase = match record.phase {
        Phase::Intent => "intent",
        Phase::Outcome => "outcome",
        Phase::Denial => "denial",
    };
    let seq = seq.map_or("-".to_owned(), |seq| seq.to_string());
    let mut parts = vec![
        format!("{seq:>8} {at} {phase:<7} {:<5}", record.decision.as_str()),
        word(record.user_id.as_deref()),
        word(record.action.as_deref()),
        word(record.method.as_deref()),
        word(record.endpoint.as_deref()),
    ];
    if let Some(tenant) = &record.tenant_id {
        parts.push(format!("tenant={}", word(Some(tenant))));
    }
    if !record.reason.is_empty() {
        parts.push(format!("reason={}", word(Some(&record.reason))));
    }
    if let Some(status) = record.status {
        parts.push(format!("status={status}"));
    }
    parts.push(record.id.to_string());
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::Decision;
    use time::macros::datetime;
    use uuid::Uuid;

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let at = datetime!(2025-01-02 3:04:05.678 UTC);
        let mut record = Record::new(Uuid::nil(), Phase::Outcome, at);
        record.decision = Decision::Allow;
        record.user_id = Some("ann".into());
        record.action = Some("notes.read".into());
        record.method = Some("GET".into());
        record.endpoint = Some("/notes/7\n\u{1b}]0;x\u{7}".into());
        record.reason = "allowed".into();
        record.status = Some(200);
        let expected = "       7 2025-01-02T03:04:05.678Z outcome allow ann notes.read GET \
            /notes/7\\u{a}\\u{1b}]0;x\\u{7} reason=allowed status=200 \
            00000000-0000-0000-0000-000000000000";
        assert_eq!(told(&record, Some(7)), expected);
    }
}
