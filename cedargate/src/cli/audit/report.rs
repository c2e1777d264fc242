//! `cedargate audit report`.

mod access;
mod break_glass;
mod columns;
mod disclosures;
mod told;

use std::io::Write as _;

use serde_json::Value;

use super::super::printing::{finish, standard_output, written};
use super::super::{Done, Failure};
use super::output::{BOM, cell, csv, row, tame};
use super::source::{Source, ended};

use access::Access;
use columns::Column;

/// Account for accesses: who saw an object, and who broke the glass
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Report {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    Disclosures(disclosures::Disclosures),
    BreakGlass(break_glass::BreakGlass),
}

/// The output format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// For people, with summaries
    Text,
    /// For machines, with summaries
    Json,
    /// One row per access
    Csv,
}

/// The arguments about the output of a report.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Layout {
    /// The format of the report
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,
    /// Begin the CSV with a byte order mark, by which some spreadsheets detect UTF-8
    #[arg(long)]
    bom: bool,
}

/// A finished report.
struct Ready {
    text: String,
    json: Value,
    accesses: Vec<Access>,
    columns: Vec<Column>,
    /// The number of lines of the source that are not records.
    strange: u64,
}

impl Report {
    pub(super) fn run(self) -> Result<Done, Failure> {
        match self.subject {
            Subject::Disclosures(disclosures) => disclosures.run(),
            Subject::BreakGlass(break_glass) => break_glass.run(),
        }
    }
}

impl Ready {
    fn print(mut self, layout: Layout, source: &Source) -> Result<Done, Failure> {
        let vouch = source.vouch()?;
        let mut out = standard_output();
        let done = match layout.format {
            ReportFormat::Text => {
                write!(out, "{}\n{}\n", self.text, vouch.lines.join("\n"))
            }
            ReportFormat::Json => {
                if let Some(members) = self.json.as_object_mut() {
                    members.insert("verified".to_owned(), vouch.json.clone());
                }
                let text = serde_json::to_string_pretty(&self.json).unwrap_or_default();
                writeln!(out, "{}", tame(&text))
            }
            ReportFormat::Csv => {
                let begun = if layout.bom { out.write_all(BOM) } else { Ok(()) };
                begun.and_then(|()| self.csv(&mut out))
            }
        };
        written(done)?;
        finish(out)?;
        if layout.format != ReportFormat::Text {
            vouch.complain();
        }
        ended(source, self.strange, &vouch)
    }

    fn csv(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let mut rows = csv(out);
        row(&mut rows, self.columns.iter().map(|(name, _)| *name))?;
        for access in &self.accesses {
            row(&mut rows, self.columns.iter().map(|(_, value)| cell(&value(access))))?;
        }
        rows.flush()
    }
}
