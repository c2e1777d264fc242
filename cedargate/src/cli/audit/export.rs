//! `cedargate audit export`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::printing::{complain, standard_output, written};
use super::super::{Done, Failure};
use super::filter::Filter;
use super::output::{BOM, cell, csv, row};
use super::source::{Found, Origin, Source, ended};

/// The columns of the CSV, in order: the members of a record and of its seal.
const COLUMNS: [&str; 32] = [
    "timestamp",
    "id",
    "phase",
    "event_type",
    "action",
    "operation",
    "user_id",
    "organization_id",
    "tenant_id",
    "roles",
    "resource_type",
    "resource_id",
    "method",
    "endpoint",
    "route",
    "decision",
    "reason",
    "policies",
    "policy_digest",
    "facts_age_ms",
    "break_glass",
    "ip_address",
    "user_agent",
    "status",
    "upstream_status",
    "success",
    "duration_ms",
    "details",
    "instance",
    "seq",
    "chain",
    "durability",
];

/// Export records as JSON Lines or CSV, oldest first
///
/// `jsonl` writes each record byte for byte as it is in the source, seal included.
///
/// `csv` (RFC 4180) has the columns `timestamp, id, phase, event_type, action, operation, user_id, organization_id,
/// tenant_id, roles, resource_type, resource_id, method, endpoint, route, decision, reason, policies, policy_digest,
/// facts_age_ms, break_glass, ip_address, user_agent, status, upstream_status, success, duration_ms, details,
/// instance, seq, chain, durability`. `details` is JSON. An unknown value is empty, lists are joined by `;`, control
/// characters are escaped like `\u{1b}`, a cell that contains `;` or `|` is quoted, and text that a spreadsheet would
/// read as a formula, also after such a separator, begins with `'`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: a year of one tenant, for a spreadsheet

  cedargate audit export --format csv --tenant org-7 --since 2025-01-01 --until 2026-01-01 \\
      --output org-7-2025.csv")]
pub(super) struct Export {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    origin: Origin,
    /// The output format
    #[arg(long, value_enum)]
    format: Written,
    /// Begin the CSV with a byte order mark, by which some spreadsheets detect UTF-8
    #[arg(long)]
    bom: bool,
    /// Write to this file (mode 0600), which must not exist yet, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The output format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Written {
    /// One record per line, as it is in the source
    Jsonl,
    /// One record per row
    Csv,
}

impl Export {
    pub(super) fn run(self) -> Result<Done, Failure> {
        if self.bom && matches!(self.format, Written::Jsonl) {
            return Err(Failure::Usage("`--bom` is for `--format csv`: JSON has none".to_owned()));
        }
        let source = self.origin.open()?;
        let vouch = source.vouch()?;
        let Some(path) = &self.output else {
            let (_, strange) = self.write(&source, standard_output())?;
            vouch.complain();
            return ended(&source, strange, &vouch);
        };
        let shown = path.display();
        let file = create(path)
            .map_err(|error| Failure::Usage(format!("`{shown}` cannot be made: {error}")))?;
        let kept = self.write(&source, BufWriter::new(&file)).and_then(|done| {
            let synced = file.sync_all();
            synced.map_err(|error| Failure::NotFine(format!("`{shown}` is not kept: {error}")))?;
            Ok(done)
        });
        let (records, strange) = kept.inspect_err(|_| {
            // An incomplete file looks like a complete one.
            let _gone = fs::remove_file(path);
        })?;
        complain(format_args!("{records} records are in `{shown}`"));
        vouch.complain();
        ended(&source, strange, &vouch)
    }

    /// Writes the matching records. Returns how many were written, and how many lines of the source are not records.
    fn write(&self, source: &Source, mut out: impl Write) -> Result<(u64, u64), Failure> {
        if self.bom {
            written(out.write_all(BOM))?;
        }
        let mut out = match self.format {
            Written::Jsonl => Out::Jsonl(out),
            Written::Csv => Out::Csv(Box::new(csv(out))),
        };
        written(out.begin())?;
        let mut records = 0_u64;
        let strange = source.each(&self.filter, |found| {
            records = records.saturating_add(1);
            written(out.put(&found)).map(ControlFlow::Continue)
        })?;
        written(out.end())?;
        Ok((records, strange))
    }
}

enum Out<W: Write> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Out<W> {
    fn begin(&mut self) -> io::Result<()> {
        match self {
            Self::Jsonl(_) => Ok(()),
            Self::Csv(out) => row(out, COLUMNS),
        }
    }

    fn put(&mut self, found: &Found) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => writeln!(out, "{}", found.line),
            Self::Csv(out) => {
                let value: Value = serde_json::from_str(&found.line)?;
                let cells = COLUMNS.iter().map(|column| value.get(column).map(cell));
                row(out, cells.map(Option::unwrap_or_default))
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => out.flush(),
            Self::Csv(out) => out.flush(),
        }
    }
}

/// Creates a new file that only its owner can read: records are about patients.
fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}
