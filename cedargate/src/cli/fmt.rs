//! `cedargate fmt`.

use std::fs::{self, File as Opened};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cedar_policy_formatter::{Config as Style, policies_str_to_pretty};
use policy_store::bundle::{File, Findings, Sources, printable, with_room};
use serde_json::json;
use similar::TextDiff;

use super::check::located;
use super::printing::print;
use super::{Done, Failure, Format, bundle_directory};

const STYLE: Style = Style { line_width: 100, indent_width: 2 };

/// Format the policies of a bundle
#[derive(Debug, clap::Args)]
pub(super) struct Fmt {
    /// Change nothing: print the changes, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    /// The configuration file
    #[arg(long, value_name = "FILE", conflicts_with = "policies")]
    config: Option<PathBuf>,
    /// Format this policy bundle
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// The format of the report
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A file whose text is not formatted.
struct Change {
    path: PathBuf,
    before: String,
    after: String,
}

impl Fmt {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let directory = bundle_directory(self.config.as_deref(), self.policies.as_deref())?;
        let changes = with_room(|| changes(&directory))
            .ok_or_else(|| Failure::Usage("there is no memory for a thread".to_owned()))??;
        if !self.check {
            for change in &changes {
                write(change).map_err(|error| {
                    Failure::Usage(format!("`{}`: {error}", change.path.display()))
                })?;
            }
        }
        self.report(&changes)?;
        Ok(if self.check && !changes.is_empty() { Done::NotFine } else { Done::Fine })
    }

    fn report(&self, changes: &[Change]) -> Result<(), Failure> {
        match self.format {
            Format::Text => {
                for change in changes {
                    if self.check {
                        print(change.diff().trim_end())?;
                    } else {
                        print(&format!("formatted {}", change.name()))?;
                    }
                }
            }
            Format::Json => {
                let changes: Vec<_> = changes
                    .iter()
                    .map(|change| json!({ "file": change.name(), "diff": change.diff() }))
                    .collect();
                let ok = !self.check || changes.is_empty();
                print(&json!({ "ok": ok, "changes": changes }).to_string())?;
            }
        }
        Ok(())
    }
}

impl Change {
    fn name(&self) -> String {
        printable(&self.path.display().to_string()).replace('\n', "\\n")
    }

    fn diff(&self) -> String {
        let diff = TextDiff::from_lines(&self.before, &self.after);
        let (old, new) = (self.name(), format!("{} (formatted)", self.name()));
        printable(&diff.unified_diff().header(&old, &new).to_string())
    }
}

/// The changes to the files in `directory`. Fails if any policy file in it is invalid or cannot be read.
fn changes(directory: &Path) -> Result<Vec<Change>, Failure> {
    let wrong = |Findings(findings): Findings| {
        let located = findings.into_iter().map(|it| located(it, directory)).collect();
        Failure::Usage(Findings(located).to_string())
    };
    let files = Sources::read_policies(directory).map_err(wrong)?;
    let mut changes = Vec::new();
    for file in files {
        file.syntax().map_err(wrong)?;
        let path = directory.join(&file.name);
        let after = formatted(&file)
            .map_err(|error| Failure::Usage(format!("`{}`: {error}", path.display())))?;
        if *file.text != *after {
            changes.push(Change { path, before: file.text.to_string(), after });
        }
    }
    Ok(changes)
}

/// The formatted text. Cedar's formatter checks that the meaning is unchanged; this function checks that no comment
/// is lost.
fn formatted(file: &File) -> Result<String, String> {
    if comments(&file.text).next().is_none() && file.text.trim().is_empty() {
        return Ok(String::new());
    }
    let text = policies_str_to_pretty(&file.text, &STYLE).map_err(|error| error.to_string())?;
    let mut before: Vec<&str> = comments(&file.text).collect();
    let mut after: Vec<&str> = comments(&text).collect();
    before.sort_unstable();
    after.sort_unstable();
    if before == after { Ok(text) } else { Err("formatting it would lose a comment".to_owned()) }
}

/// The comments in a Cedar text.
fn comments(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(['"', '/'])?;
            let (_, found) = rest.split_at_checked(at)?;
            if found.starts_with("//") {
                let (comment, after) = found.split_once('\n').unwrap_or((found, ""));
                rest = after;
                return Some(comment.trim_end());
            }
            let skipped = if found.starts_with('"') { string(found) } else { 1 };
            rest = found.get(skipped..).unwrap_or_default();
        }
    })
}

/// The length of the string literal at the beginning of `text`.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, char)| {
        let ends = *char == '"' && !escaped;
        escaped = *char == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// Replaces the old text atomically, and keeps the permissions of the file.
fn write(change: &Change) -> io::Result<()> {
    // A symbolic link stays a link.
    let path = fs::canonicalize(&change.path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::metadata(&path).and_then(|old| {
        let mut file = Opened::options().write(true).create_new(true).open(&fresh)?;
        file.set_permissions(old.permissions())?;
        file.write_all(change.after.as_bytes())?;
        fs::rename(&fresh, &path)
    });
    if written.is_err() {
        // Removes the incomplete file, if it was created at all.
        let _gone = fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::comments;

    #[test]
    fn comments_are_told_from_strings() {
        let text = "// a \npermit // b\n@id(\"// c \\\" // d\") when { 1 / 2 }; // é";
        assert_eq!(comments(text).collect::<Vec<_>>(), ["// a", "// b", "// é"]);
        assert_eq!(comments("\"// a").next(), None);
    }
}
