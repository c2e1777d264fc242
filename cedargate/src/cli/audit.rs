//! `cedargate audit`: the commands that read a journal, or the database to which its records are delivered.

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
    /// Verify that a journal is complete and unaltered, and report each fault with its location
    Verify(verify::Verify),
    /// Show the records of a request
    Show(show::Show),
    /// Show the last records, and follow new ones
    Tail(tail::Tail),
    // The following variants have no doc comment: it would replace the one of their arguments.
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

/// The arguments that name the directory of the journal.
#[derive(Debug, clap::Args)]
struct Place {
    /// The directory of the journal
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    journal: Option<PathBuf>,
    /// The configuration file that names the directory of the journal
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

/// Returns `directory` if it is a directory.
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

/// The wall clock. Relative times, such as `7d`, count back from now.
#[expect(clippy::disallowed_methods, reason = "a command has no request")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
