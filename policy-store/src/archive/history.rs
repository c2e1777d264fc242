//! The order in which the kept bundles were in force.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Archive, ArchiveError, is_digest, read};

/// The file that lists the bundles that a start accepts: one digest on each line, the newest last.
const HISTORY: &str = "history";
/// The maximum number of bundles that the history names.
const REMEMBERED: usize = 256;

impl Archive {
    /// Returns the digests of all kept bundles, the one that was in force last first. Bundles that the history
    /// does not list follow, newest file first: those kept by an older version of the gate, and those that were
    /// in force only while the database was down.
    pub fn newest_first(&self) -> Vec<Arc<str>> {
        let last = self.last_digest().ok().flatten();
        let history = self.history().into_iter().rev();
        let mut digests: Vec<Arc<str>> = Vec::new();
        for digest in last.into_iter().chain(history).chain(self.by_time()) {
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        digests
    }

    /// Makes `digest` the newest entry of the history.
    pub(super) fn add_to_history(&self, digest: &str) -> Result<(), ArchiveError> {
        let mut history = self.history();
        if history.last().is_some_and(|it| **it == *digest) {
            return Ok(());
        }
        history.retain(|it| **it != *digest);
        history.push(Arc::from(digest));
        let oldest = history.len().saturating_sub(REMEMBERED);
        self.write(&self.directory.join(HISTORY), |file| {
            history.iter().skip(oldest).try_for_each(|digest| writeln!(file, "{digest}"))
        })
    }

    /// Reads the history, the newest digest last. A line that is not a digest was edited by hand, and is
    /// skipped.
    fn history(&self) -> Vec<Arc<str>> {
        let text = read(&self.directory.join(HISTORY)).ok().flatten().unwrap_or_default();
        text.lines().filter(|line| is_digest(line)).map(Arc::from).collect()
    }

    /// Returns all kept bundles, the most recently written first.
    fn by_time(&self) -> Vec<Arc<str>> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut kept: Vec<(Option<SystemTime>, Arc<str>)> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let digest = name.strip_suffix(".json").filter(|it| is_digest(it))?;
                let modified = entry.metadata().and_then(|it| it.modified()).ok();
                Some((modified, Arc::from(digest)))
            })
            .collect();
        kept.sort_by(|one, other| other.cmp(one));
        kept.into_iter().map(|(_, digest)| digest).collect()
    }
}
