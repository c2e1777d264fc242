//! The command line (`gate.md`, "Command line").
//!
//! Exit status: 0, success; 1, the command failed or found a problem; 2, wrong usage or unreadable input.

mod audit;
mod check;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod explain;
mod fmt;
mod migrate;
mod printing;
mod reference;
mod sarif;
mod serve;
mod test;
mod token;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base::chain;
use clap::{CommandFactory, Parser, Subcommand};
use proxy::config::{Config, ConfigError};

pub use reference::page;

/// A policy-engine sidecar and reverse proxy: Cedar policies before any HTTP upstream.
#[derive(Debug, Parser)]
#[command(name = "cedargate", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gate
    Serve(serve::Serve),
    /// Run a complete demo: the gate, a plain backend, demo users and data, on embedded SQLite
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Check configuration, keys, schema, policies and routes, and report each fault with its location
    Check(check::Check),
    /// Run the tests of the policies
    Test(test::Test),
    /// Explain a decision: each layer, the facts, the deciding policy, and what would change the decision
    Explain(explain::Explain),
    /// Verify and read the audit journal
    Audit(audit::Audit),
    /// Format the policies of a bundle
    ///
    /// Formats `*.cedar` with Cedar's own formatter, 100 columns wide. The schema stays unchanged: Cedar has no
    /// formatter for schemas.
    Fmt(fmt::Fmt),
    /// Create or update the schema of a database
    Migrate(migrate::Migrate),
    /// Help with the configuration
    Config(config::Config),
    /// Print a signed token for manual tests
    Token(token::Token),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// The argument that names the configuration file.
#[derive(Debug, clap::Args)]
struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = proxy::config::DEFAULT_FILE)]
    config: PathBuf,
}

impl ConfigArgs {
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(Some(&self.config), environment())
    }
}

/// The policy folder: the one on the command line, else the one that the configuration names.
fn bundle_directory(config: Option<&Path>, policies: Option<&Path>) -> Result<PathBuf, Failure> {
    let directory = if let Some(directory) = policies {
        directory.to_owned()
    } else {
        let file = config.unwrap_or(Path::new(proxy::config::DEFAULT_FILE));
        Config::load(Some(file), environment())?.policies.directory
    };
    if directory.is_dir() {
        Ok(directory)
    } else {
        Err(Failure::Usage(format!("`{}` is not a folder", directory.display())))
    }
}

/// The environment variables whose name and value are UTF-8; all others are ignored.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The output format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For machines
    Json,
}

/// The outcome of a command that ran.
enum Done {
    /// Success: exit status 0.
    Fine,
    /// The command found a problem and has printed it: exit status 1.
    NotFine,
}

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Wrong usage or unreadable input: exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The command failed or found a problem: exit status 1.
    #[error("{0}")]
    NotFine(String),
    /// The reader has closed standard output: exit status 1, without a message.
    #[error("nobody reads the answer")]
    Unread,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Unreadable { .. } => Self::Usage(chain(&error)),
            other => Self::NotFine(chain(&other)),
        }
    }
}

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(instead) => return told_instead(&instead),
    };
    let done = match command {
        Command::Serve(serve) => serve.run(),
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run(),
        Command::Check(check) => check.run(),
        Command::Test(test) => test.run(),
        Command::Explain(explain) => explain.run(),
        Command::Audit(audit) => audit.run(),
        Command::Fmt(fmt) => fmt.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Config(config) => config.run(),
        Command::Token(token) => token.run(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cedargate", &mut script);
            printing::print(String::from_utf8_lossy(&script).trim_end()).map(|()| Done::Fine)
        }
    };
    match done {
        Ok(Done::Fine) => ExitCode::SUCCESS,
        Ok(Done::NotFine) | Err(Failure::Unread) => ExitCode::from(1),
        Err(Failure::NotFine(problem)) => fail(&problem, 1),
        Err(Failure::Usage(problem)) => fail(&problem, 2),
    }
}

/// Prints what clap returns instead of a command: the requested help or version, or an error in the arguments.
fn told_instead(told: &clap::Error) -> ExitCode {
    let printed = told.print().and_then(|()| std::io::stdout().flush());
    if told.use_stderr() {
        return ExitCode::from(2);
    }
    match printing::written(printed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Unread) => ExitCode::from(1),
        Err(problem) => fail(&problem.to_string(), 1),
    }
}

fn fail(problem: &str, code: u8) -> ExitCode {
    printing::complain(format_args!("{problem}"));
    ExitCode::from(code)
}

/// A runtime with `workers` threads; with one thread per core if `workers` is `None`.
fn runtime(workers: Option<usize>) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    // These threads evaluate policies as deep as a bundle may hold, which needs a large stack.
    builder.thread_stack_size(policy_store::bundle::STACK);
    builder.enable_all().build().map_err(|error| Failure::NotFine(format!("no runtime: {error}")))
}
