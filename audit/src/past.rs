//! Finds the records of a request in the journal, even while a gate is writing there.

use std::io;
use std::path::Path;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::reader::Reader;
use super::segments::{self, SegmentFile};
use super::{Phase, Record};

/// The maximum by which clocks are assumed to be set back between a request and its record.
const SLACK: Duration = Duration::hours(1);

/// A record of a request, and its place.
#[derive(Debug, Clone)]
pub struct Found {
    /// The stem of the segment.
    pub segment: String,
    /// The line in the segment, counted from 1.
    pub line: u64,
    /// The number of the record, if it is sealed.
    pub seq: Option<u64>,
    /// Whether the record is what was written behind the line before it.
    pub holds: bool,
    /// The record.
    pub record: Record,
}

/// The records of the request `id`, in order; empty if there are none. Only reads, takes no lock, and skips an
/// unfinished last line.
///
/// # Errors
///
/// Fails if the directory or a segment cannot be read.
pub fn find(directory: &Path, id: Uuid) -> io::Result<Vec<Record>> {
    Ok(locate(directory, id)?.into_iter().map(|found| found.record).collect())
}

/// The records of the request `id`, in order, each with its place.
///
/// # Errors
///
/// Fails if the directory or a segment cannot be read.
pub fn locate(directory: &Path, id: Uuid) -> io::Result<Vec<Found>> {
    let list = segments::list(directory)?;
    let start = begins(id).map_or(0, |at| first_since(&list, at - SLACK));
    let (before, since) = list.split_at_checked(start).unwrap_or((&[], &list));
    let mut found = Vec::new();
    for segment in since {
        in_segment(directory, segment, id, &mut found)?;
        let ended = |it: &Found| matches!(it.record.phase, Phase::Denial | Phase::Outcome);
        // Nothing about a request is newer than its denial or its outcome.
        if found.iter().any(ended) {
            return Ok(found);
        }
    }
    if found.is_empty() {
        // The clock was set back by more than assumed.
        for segment in before {
            in_segment(directory, segment, id, &mut found)?;
        }
    }
    Ok(found)
}

/// The time of the request, as its id says.
fn begins(id: Uuid) -> Option<OffsetDateTime> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let at = OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    at.checked_add(Duration::nanoseconds(i64::from(nanos)))
}

/// The index of the first segment that can contain a record of that time: the one before the first that began later.
pub(super) fn first_since(list: &[SegmentFile], at: OffsetDateTime) -> usize {
    let later = list.iter().position(|it| segments::began(&it.stem).is_none_or(|began| began > at));
    later.unwrap_or(list.len()).saturating_sub(1)
}

fn in_segment(
    directory: &Path,
    segment: &SegmentFile,
    id: Uuid,
    found: &mut Vec<Found>,
) -> io::Result<()> {
    let wanted = id.hyphenated().to_string();
    let wanted = memchr::memmem::Finder::new(wanted.as_bytes());
    let mut reader = Reader::only(directory, segment);
    while let Some(entry) = reader.read()? {
        if wanted.find(entry.text).is_none() {
            continue;
        }
        let Some(record) = entry.record().filter(|record| record.id == id) else { continue };
        let (segment, line) = (entry.segment.to_owned(), entry.line);
        let (seq, holds) = (entry.seq(), entry.holds());
        found.push(Found { segment, line, seq, holds, record });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_request_are_found_across_segments() {
        let directory = tempfile::tempdir().unwrap();
        let id = Uuid::now_v7();
        let line = |phase: &str| {
            format!(
                "{{\"id\":\"{id}\",\"phase\":\"{phase}\",\"timestamp\":\"2025-01-02T03:04:05Z\"}}\n"
            )
        };
        let path = |name: &str| directory.path().join(name);
        let first = format!("{}not json {id}\n", line("intent"));
        let packed = zstd::encode_all(first.as_bytes(), 1).unwrap();
        std::fs::write(path("audit-1.jsonl.zst"), packed).unwrap();
        std::fs::write(path("audit-2.jsonl"), format!("{}{{\"id\":\"{id}\"", line("outcome")))
            .unwrap();
        std::fs::write(path("lock"), "1\n").unwrap();
        let found = find(directory.path(), id).unwrap();
        let phases: Vec<String> = found.iter().map(|it| format!("{:?}", it.phase)).collect();
        assert_eq!(phases, ["Intent", "Outcome"]);
        assert!(find(directory.path(), Uuid::now_v7()).unwrap().is_empty());
    }

    #[test]
    fn segments_that_ended_before_a_request_came_are_not_read_for_it() {
        let at = |hours: i64| OffsetDateTime::UNIX_EPOCH + Duration::hours(hours);
        let file = |first: u64, hours: i64| SegmentFile {
            stem: segments::stem(first, at(hours)),
            first,
            path: "x".into(),
            bytes: 0,
            compressed: false,
        };
        let list = [file(1, 0), file(2, 10), file(3, 20)];
        for (hours, expected) in [(-1, 0), (5, 0), (10, 1), (15, 1), (25, 2)] {
            assert_eq!(first_since(&list, at(hours)), expected, "{hours}");
        }
    }
}
