//! `cedargate config`.

use proxy::config;

use super::printing::print;
use super::{Done, Failure};

/// Help with the configuration
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the JSON Schema of the configuration, for editors
    ///
    /// An editor with a YAML language server completes and checks the keys of a file that begins with
    /// `# yaml-language-server: $schema=FILE`.
    Schema,
}

impl Config {
    pub(super) fn run(self) -> Result<Done, Failure> {
        match self.command {
            Command::Schema => print(&format!("{:#}", config::schema())).map(|()| Done::Fine),
        }
    }
}
