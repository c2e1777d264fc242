//! `cedargate audit retain`.

use std::fmt::Write as _;

use audit::table::Retained;
use audit::text::printable;
use base::chain;
use database::DatabaseError;
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime};

use super::super::printing::print;
use super::super::{Done, Failure, Format, runtime};
use super::filter::moment;
use super::output::count;
use super::source::{open, unusable};

/// Remove records from a database that no longer have to be kept
///
/// Removes whole months from PostgreSQL, and single records from SQLite; either all of them or none. Records younger
/// than six years are never removed (45 CFR 164.316(b)(2)(i)): neither by this command, which then exits with 1, nor
/// by the database, which uses its own clock. The journal is not touched: see `audit.keep`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what would go that is older than seven years

  cedargate audit retain --database postgres://owner@db.example/gate --keep 7y --dry-run")]
pub(super) struct Retain {
    /// The database: sqlite:… or postgres://…
    #[arg(long, value_name = "URL")]
    database: String,
    /// Remove records older than this: a date (UTC) or RFC 3339
    #[arg(long, value_name = "DATE", value_parser = moment, conflicts_with = "keep")]
    before: Option<OffsetDateTime>,
    /// Keep records younger than this, such as `6y` (calendar years) or `2500d`
    #[arg(long, value_name = "TIME", default_value = "6y", value_parser = keep)]
    keep: OffsetDateTime,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// The output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Retain {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let cutoff = self.before.unwrap_or(self.keep);
        let gone = runtime(Some(1))?.block_on(async {
            let table = open(&self.database, None).await?;
            let gone =
                if self.dry_run { table.expired(cutoff).await } else { table.retain(cutoff).await };
            gone.map_err(|error| match error {
                refused @ (DatabaseError::Kept(_) | DatabaseError::Driver(_)) => {
                    Failure::NotFine(chain(&refused))
                }
                other => unusable(&other),
            })
        })?;
        match self.format {
            Format::Text => print(text(&gone, cutoff, self.dry_run).trim_end())?,
            Format::Json => print(&value(&gone, cutoff, self.dry_run).to_string())?,
        }
        Ok(Done::Fine)
    }
}

fn text(gone: &Retained, cutoff: OffsetDateTime, dry_run: bool) -> String {
    let before = cutoff.format(&Rfc3339).unwrap_or_default();
    let verb = if dry_run { "would be removed" } else { "were removed" };
    let records = usize::try_from(gone.records()).unwrap_or(usize::MAX);
    if gone.months.is_empty() {
        let verb = if dry_run { "would be removed" } else { "was removed" };
        return format!("nothing {verb}: no whole month is older than {before}\n");
    }
    let records = count(records, "record", "records");
    let months = count(gone.months.len(), "month", "months");
    let mut text = format!("before {before}, {records} of {months} {verb}:\n");
    for month in &gone.months {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<24} {:>12}", printable(&month.name, 100), month.records);
    }
    text
}

fn value(gone: &Retained, cutoff: OffsetDateTime, dry_run: bool) -> serde_json::Value {
    let month =
        |month: &audit::table::Month| json!({ "name": month.name, "records": month.records });
    json!({
        "before": cutoff.format(&Rfc3339).ok(),
        "dry_run": dry_run,
        "records": gone.records(),
        "months": gone.months.iter().map(month).collect::<Vec<_>>(),
    })
}

/// Parses how long records are kept. Returns the time before which they are removed.
fn keep(text: &str) -> Result<OffsetDateTime, String> {
    keep_from(text, super::now())
}

fn keep_from(text: &str, now: OffsetDateTime) -> Result<OffsetDateTime, String> {
    let wrong = || "so long is `6y` or `2500d`".to_owned();
    let years = text.strip_suffix('y').and_then(|years| years.trim().parse::<i32>().ok());
    let Some(years) = years else {
        let back = humantime::parse_duration(text).ok().and_then(|it| Duration::try_from(it).ok());
        return back.and_then(|back| now.checked_sub(back)).ok_or_else(wrong);
    };
    // Calendar years, as laws and databases count them; 29 February becomes 28 February.
    let (year, month, day) = (now.year().checked_sub(years), now.month(), now.day());
    let year = year.filter(|_| years > 0).ok_or_else(wrong)?;
    let date = Date::from_calendar_date(year, month, day);
    let date = date.or_else(|_| Date::from_calendar_date(year, month, day.saturating_sub(1)));
    // Rounded down to midnight: the database's clock may be a little behind ours.
    date.map(|date| date.midnight().assume_utc()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::table::Month;
    use time::macros::datetime;

    #[test]
    fn years_are_those_of_the_calendar() {
        let now = datetime!(2028-02-29 12:34 UTC);
        let check =
            |text: &str, expected| assert_eq!(keep_from(text, now).ok(), expected, "{text}");
        check("6y", Some(datetime!(2022-02-28 0:00 UTC)));
        check("8y", Some(datetime!(2020-02-29 0:00 UTC)));
        check("1d", Some(datetime!(2028-02-28 12:34 UTC)));
        for wrong in ["", "y", "0y", "-6y", "six", "99999999y", "9999999999d"] {
            check(wrong, None);
        }
    }

    #[test]
    fn months_are_told_with_their_records() {
        let cutoff = datetime!(2019-01-01 0:00 UTC);
        let month = |name: &str, records| Month { name: name.to_owned(), records };
        let gone = Retained { months: vec![month("audit_logs_2018_11", 7), month("x\u{1b}", 3)] };
        let expected = "before 2019-01-01T00:00:00Z, 10 records of 2 months were removed:\n  \
            audit_logs_2018_11                  7\n  x\\u{1b}                             3\n";
        assert_eq!(text(&gone, cutoff, false), expected);
        assert!(text(&Retained::default(), cutoff, true).starts_with("nothing would be removed"));
    }
}
