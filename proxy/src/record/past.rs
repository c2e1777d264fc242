//! Finds the records of a request in the journal, whoever may be writing there.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::segments::is_segment;
use super::{Phase, Record};

/// The records of the request `id`, in their order; none if there is none. Reads only, takes no
/// lock, and passes over a last line that is not whole yet.
///
/// # Errors
///
/// When the directory or a segment cannot be read.
pub(crate) fn find(directory: &Path, id: Uuid) -> io::Result<Vec<Record>> {
    let mut found: Vec<Record> = Vec::new();
    // The newest first: what is asked about has usually just happened.
    for segment in segments(directory)?.iter().rev() {
        let mut here = in_segment(segment, id)?;
        here.append(&mut found);
        found = here;
        let ended = |record: &Record| matches!(record.phase, Phase::Denial | Phase::Intent);
        // Nothing about a request is older than its denial or its intent.
        if found.iter().any(ended) {
            break;
        }
    }
    Ok(found)
}

fn segments(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(is_segment).is_some() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn in_segment(path: &Path, id: Uuid) -> io::Result<Vec<Record>> {
    let file = match File::open(path) {
        // Somebody has just tidied up.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let wanted = id.hyphenated().to_string();
    let mut found = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line?;
        if memchr::memmem::find(&line, wanted.as_bytes()).is_none() {
            continue;
        }
        let record: Option<Record> = serde_json::from_slice(&line).ok();
        found.extend(record.filter(|record| record.id == id));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::find;
    use uuid::Uuid;

    #[test]
    fn the_records_of_a_request_are_found_across_segments() {
        let directory = tempfile::tempdir().unwrap();
        let id = Uuid::now_v7();
        let line = |phase: &str| {
            format!(
                "{{\"id\":\"{id}\",\"phase\":\"{phase}\",\"timestamp\":\"2025-01-02T03:04:05Z\"}}\n"
            )
        };
        let write =
            |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("audit-1.jsonl", &format!("{}not json {id}\n", line("intent")));
        write("audit-2.jsonl", &format!("{}{{\"id\":\"{id}\"", line("outcome")));
        write("lock", "1\n");
        let found = find(directory.path(), id).unwrap();
        let phases: Vec<String> = found.iter().map(|it| format!("{:?}", it.phase)).collect();
        assert_eq!(phases, ["Intent", "Outcome"]);
        assert!(find(directory.path(), Uuid::now_v7()).unwrap().is_empty());
    }
}
