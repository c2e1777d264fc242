//! The page of the reference about every command, written from the command line's own description of itself.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use super::Cli;

const HEAD: &str = "# Every command

<!-- Generated from the command line itself. A test compares this page with the code; `UPDATE_EXPECTED=1` writes it anew. -->

`cedargate COMMAND --help` prints the same. The exit status is 0 if all is well, 1 if what was asked about is not well, and 2 for wrong usage or unreadable input.
";

/// The text of the page.
#[must_use]
pub fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = HEAD.to_owned();
    for command in root.get_subcommands() {
        write_command(&mut page, command);
    }
    page
}

fn write_command(page: &mut String, command: &Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let name = command.get_bin_name().unwrap_or(command.get_name());
    // Writing to a string cannot fail.
    let _ok = write!(page, "\n## {name}\n\n{}\n\n```text\n{usage}\n```\n", as_prose(&about));
    let arguments: Vec<&Arg> = command.get_arguments().filter(|it| is_listed(it)).collect();
    if !arguments.is_empty() {
        page.push_str("\n| option | default | meaning |\n| --- | --- | --- |\n");
    }
    for argument in arguments {
        let (name, default, meaning) = (written(argument), default(argument), meaning(argument));
        let _ok = writeln!(page, "| {name} | {default} | {meaning} |");
    }
    for command in command.get_subcommands() {
        write_command(page, command);
    }
}

fn is_listed(argument: &Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

/// The paragraphs of a text, each with a full stop.
fn as_prose(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|it| it.trim().replace('\n', " "));
    let ended =
        paragraphs.map(|it| if it.ends_with(['.', ':', ')']) { it } else { format!("{it}.") });
    ended.collect::<Vec<_>>().join("\n\n")
}

/// How the argument is written: `--config FILE`, or `FILE` for one without a flag.
fn written(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default().join(" ");
    let takes = argument.get_action().takes_values();
    let written = match argument.get_long() {
        Some(long) if takes => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None => values,
    };
    format!("`{written}`")
}

fn default(argument: &Arg) -> String {
    let values = argument.get_default_values();
    if argument.is_required_set() {
        return "required".to_owned();
    }
    if values.is_empty() || !argument.get_action().takes_values() {
        return String::new();
    }
    let values: Vec<_> = values.iter().map(|it| format!("`{}`", it.to_string_lossy())).collect();
    values.join(" ")
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning = help.map(ToString::to_string).unwrap_or_default();
    if argument.get_action().takes_values() {
        for value in argument.get_possible_values().iter().filter(|it| !it.is_hide_set()) {
            let help = value.get_help().map(|it| format!(": {it}")).unwrap_or_default();
            let _ok = write!(meaning, "<br>`{}`{help}", value.get_name());
        }
    }
    meaning.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
