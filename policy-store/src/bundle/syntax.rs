//! The syntax of statements: whether Cedar can read them, whatever they mean.

use cedar_policy::PolicySet;

use super::finding::{self, Finding, Findings, MOST};
use super::kind::Kind;
use super::read::File;
use super::statement::statements;

/// The maximum length of a policy: Cedar needs hundreds of times as much memory for it.
const STATEMENT_BYTES: usize = 1 << 20;

impl File {
    /// Checks that Cedar can parse the policies of this file, whatever they mean. The parser recurses deeply:
    /// see [`with_room`](super::with_room).
    ///
    /// # Errors
    ///
    /// Returns a finding for each statement that Cedar cannot parse.
    pub fn syntax(&self) -> Result<(), Findings> {
        let faults = statements(&self.text).filter_map(|it| parsed(self, it.offset, it.text).err());
        Findings::none_of(faults.flatten().take(MOST).collect())
    }
}

/// Parses the statement that begins at `offset` of the file.
pub(super) fn parsed(file: &File, offset: usize, text: &str) -> Result<PolicySet, Vec<Finding>> {
    if text.len() > STATEMENT_BYTES {
        let finding = file.at(offset, "a policy is longer than 1 MiB", "take it apart");
        return Err(vec![finding.of_kind(Kind::TooMuch)]);
    }
    text.parse().map_err(|errors| finding::of_file(file, offset, Kind::Syntax, &errors))
}
