//! `cedargate audit`: what an auditor asks a journal, or the database that has its records.

mod export;
mod filter;
mod order;
mod output;
mod query;
mod report;
mod retain;
mod show;
mod source;
mod tail;
mod verify;
mod vouch;

use std::path::{Path, PathBuf};

use proxy::config::{Config, DEFAULT_FILE};
use time::OffsetDateTime;

use super::{Done, Failure, environment};

/// Verify and read the audit journal
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Verify that a journal is whole and what the gate wrote, and if not, say where it is not
    Verify(verify::Verify),
    /// Show the records of a request
    Show(show::Show),
    /// Show the last records, and follow what comes
    Tail(tail::Tail),
    // What is said of these stands at their arguments: a line here would take its place.
    Query(query::Query),
    Export(export::Export),
    Report(report::Report),
    Retain(retain::Retain),
}

impl Audit {
    pub(super) fn run(self) -> Result<Done, Failure> {
        match self.command {
            Command::Verify(verify) => verify.run(),
            Command::Show(show) => show.run(),
            Command::Tail(tail) => tail.run(),
            Command::Query(query) => query.run(),
            Command::Export(export) => export.run(),
            Command::Report(report) => report.run(),
            Command::Retain(retain) => retain.run(),
        }
    }
}

/// Where the journal is.
#[derive(Debug, clap::Args)]
struct Place {
    /// The directory of the journal
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    journal: Option<PathBuf>,
    /// The configuration that names it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn directory(&self) -> Result<PathBuf, Failure> {
        let directory = if let Some(directory) = &self.journal {
            directory.clone()
        } else {
            let file = self.config.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
            Config::load(Some(file), environment())?.audit.directory
        };
        folder(directory)
    }
}

/// A directory that is one.
fn folder(directory: PathBuf) -> Result<PathBuf, Failure> {
    if directory.is_dir() {
        Ok(directory)
    } else {
        Err(Failure::Usage(format!("`{}` is not a directory", directory.display())))
    }
}

fn unreadable(directory: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("`{}` cannot be read: {error}", directory.display()))
}

/// The wall clock: what people say of times is counted back from now.
#[expect(clippy::disallowed_methods, reason = "a command has no request")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
