//! The gate's records, as they are on disk.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{sql::number, wait::eventually};

/// The directory of a gate's records.
#[derive(Clone, Debug)]
pub struct Journal {
    directory: PathBuf,
}

impl Journal {
    /// The records under `directory`.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Every record so far, in the order of the files' names, without the headers of segments. The
    /// end of a file that is being written may be half a line; any other line that is no JSON ends
    /// the test.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.lines().iter().map(|line| parse(line)).collect()
    }

    /// The lines of every file. The gate may rename, compress or remove a file between the listing and
    /// the reading: then the folder is listed again, or the lines of a whole segment would be missing.
    fn lines(&self) -> Vec<String> {
        loop {
            let read: Option<Vec<_>> = self.files().iter().map(|path| read(path)).collect();
            if let Some(lines) = read {
                let lines = lines.into_iter().flatten();
                return lines.filter(|line| !line.starts_with(r#"{"phase":"segment""#)).collect();
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let listed = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut files: Vec<_> = listed.map(|entry| entry.path()).collect();
        let ends = [".jsonl", ".jsonl.zst"];
        files.retain(|path| ends.iter().any(|end| path.display().to_string().ends_with(end)));
        files.sort();
        // Between two steps of compressing it, a segment is there twice.
        files.dedup_by(|later, path| {
            later.display().to_string() == format!("{}.zst", path.display())
        });
        files
    }

    /// The text of every file, for what must not be in it.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The records of a request, once it has as many as it gets: its denial, or its intent and
    /// its outcome.
    pub async fn of(&self, id: &str) -> Vec<Value> {
        assert!(!id.is_empty(), "an answer without a request id");
        eventually(&format!("the records of {id}"), || async {
            let mut lines = self.lines();
            lines.retain(|line| line.contains(id));
            let mut records: Vec<Value> = lines.iter().map(|line| parse(line)).collect();
            records.retain(|record| record["id"] == id);
            let ended =
                |record: &Value| ["denial", "outcome"].map(Value::from).contains(&record["phase"]);
            records.iter().any(ended).then_some(records)
        })
        .await
    }

    /// Waits until the last record is in the table `audit_logs` at `url`. A gate that is stopped gives the database a
    /// few seconds only.
    pub async fn is_delivered_to(&self, url: &str) {
        eventually("the records are in the database", || async {
            let last = self.records().pop()?;
            let instance = last["instance"].as_str().unwrap();
            let sql = format!(
                "select coalesce(max(seq), 0) from audit_logs where instance = '{instance}'"
            );
            (number(url, &sql).await == last["seq"].as_u64().unwrap()).then_some(())
        })
        .await;
    }

    /// The one decision of a request: its denial, or its intent.
    pub async fn decision(&self, id: &str) -> Value {
        let mut decisions = self.of(id).await;
        decisions.retain(is_decision);
        assert_eq!(decisions.len(), 1, "one request, one decision: {decisions:?}");
        decisions.remove(0)
    }

    /// The outcome of a request that was forwarded.
    pub async fn outcome(&self, id: &str) -> Value {
        let mut outcomes = self.of(id).await;
        outcomes.retain(|record| record["phase"] == "outcome");
        assert_eq!(outcomes.len(), 1, "one request, one outcome: {outcomes:?}");
        outcomes.remove(0)
    }
}

/// Whether a record is that of a decision.
#[must_use]
pub fn is_decision(record: &Value) -> bool {
    record["phase"] == "intent" || record["phase"] == "denial"
}

/// The lines of a file, without an unfinished one at the end. `None`: the file is gone.
fn read(path: &Path) -> Option<Vec<String>> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    if path.extension().is_some_and(|extension| extension == "zst") {
        bytes = zstd::decode_all(&bytes[..]).expect("a compressed segment is whole");
    }
    let text = String::from_utf8(bytes).expect("records are UTF-8");
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    Some(whole.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}"))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn no_record_is_missed_while_a_segment_is_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, compressed) =
            (folder.path().join("audit-1.jsonl"), folder.path().join("audit-1.jsonl.zst"));
        let line = b"{\"id\":\"1\"}\n";
        let packed = zstd::encode_all(&line[..], 1).unwrap();
        fs::write(&plain, line).unwrap();
        let (journal, stop) = (Journal::at(folder.path()), AtomicBool::new(false));
        let put = |bytes: &[u8], to: &Path| {
            let unfinished = folder.path().join("unfinished");
            fs::write(&unfinished, bytes).unwrap();
            fs::rename(unfinished, to).unwrap();
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    put(&packed, &compressed);
                    fs::remove_file(&plain).unwrap();
                    put(line, &plain);
                    fs::remove_file(&compressed).unwrap();
                }
            });
            let missed = (0..2_000).find(|_| journal.records().len() != 1);
            stop.store(true, Ordering::Relaxed);
            assert_eq!(missed, None);
        });
    }
}
