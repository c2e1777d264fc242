//! Statements as Cedar reads them, whatever they mean.

use cedar_policy::PolicySet;

use super::finding::{self, Finding, Findings, MOST};
use super::kind::Kind;
use super::read::File;
use super::statement::statements;

/// A policy may be this long: what Cedar makes of it takes hundreds of times as much.
const STATEMENT_BYTES: usize = 1 << 20;

impl File {
    /// Whether Cedar can read the policies of this file, whatever they mean. It goes deep: see
    /// [`with_room`](super::with_room).
    ///
    /// # Errors
    ///
    /// What it cannot read.
    pub fn syntax(&self) -> Result<(), Findings> {
        let faults = statements(&self.text).filter_map(|it| parsed(self, it.offset, it.text).err());
        Findings::none_of(faults.flatten().take(MOST).collect())
    }
}

/// What a statement holds, which begins at `offset` of the file.
pub(super) fn parsed(file: &File, offset: usize, text: &str) -> Result<PolicySet, Vec<Finding>> {
    if text.len() > STATEMENT_BYTES {
        let finding = file.at(offset, "a policy is longer than 1 MiB", "take it apart");
        return Err(vec![finding.of_kind(Kind::TooMuch)]);
    }
    text.parse().map_err(|errors| finding::of_file(file, offset, Kind::Syntax, &errors))
}
