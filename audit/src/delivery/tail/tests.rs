use std::fs;
use std::path::Path;

use super::Tail;
use crate::seal::{Position, Sealer};
use crate::segments;

/// Lines of a journal: a header before each number in `begins`, and records up to `last`.
fn segment(directory: &Path, sealer: &mut Sealer, records: u64) -> String {
    let first = sealer.at.seq + 1;
    let stem = format!("audit-{first:020}-x");
    let mut lines = Vec::new();
    sealer.seal_header(br#"{"phase":"segment"}"#, &mut lines);
    for _ in 0..records {
        sealer.seal(br#"{"id":"a"}"#, &mut lines);
    }
    fs::write(segments::records(directory, &stem), lines).unwrap();
    stem
}

fn read(tail: &mut Tail, until: u64) -> Vec<u64> {
    tail.read(until, 3).unwrap().iter().map(|entry| entry.at.seq).collect()
}

#[test]
fn records_are_read_once_whole_and_in_order() {
    let place = tempfile::tempdir().unwrap();
    let mut sealer = Sealer::new("i", Position::default(), false);
    assert_eq!(read(&mut Tail::new(place.path(), 0), 9), Vec::<u64>::new());
    segment(place.path(), &mut sealer, 2);
    let mut tail = Tail::new(place.path(), 0);
    assert_eq!(read(&mut tail, 1), [1]);
    assert_eq!(read(&mut tail, 9), [2]);
    segment(place.path(), &mut sealer, 0);
    segment(place.path(), &mut sealer, 4);
    assert_eq!(read(&mut tail, 9), [3, 4, 5], "no more than three at once");
    assert_eq!(read(&mut tail, 9), [6]);
    assert_eq!(read(&mut tail, 9), Vec::<u64>::new());
    assert_eq!(read(&mut Tail::new(place.path(), 4), 9), [5, 6]);
}

#[test]
fn what_is_no_whole_line_is_not_read_and_may_be_taken_back() {
    let place = tempfile::tempdir().unwrap();
    let mut sealer = Sealer::new("i", Position::default(), false);
    let stem = segment(place.path(), &mut sealer, 1);
    let path = segments::records(place.path(), &stem);
    let mut text = fs::read(&path).unwrap();
    let mut tail = Tail::new(place.path(), 0);
    fs::write(&path, [&text[..], b"      "].concat()).unwrap();
    assert_eq!(read(&mut tail, 9), [1]);
    assert_eq!(read(&mut tail, 9), Vec::<u64>::new());
    sealer.seal(br#"{"id":"b"}"#, &mut text);
    fs::write(&path, &text).unwrap();
    assert_eq!(read(&mut tail, 9), [2]);
}

#[test]
fn a_segment_may_be_compressed_while_it_is_read() {
    let place = tempfile::tempdir().unwrap();
    let mut sealer = Sealer::new("i", Position::default(), false);
    let stem = segment(place.path(), &mut sealer, 5);
    let mut tail = Tail::new(place.path(), 0);
    assert_eq!(read(&mut tail, 9), [1, 2, 3]);
    let plain = segments::records(place.path(), &stem);
    let text = zstd::encode_all(&fs::read(&plain).unwrap()[..], 3).unwrap();
    fs::write(segments::compressed(&plain), text).unwrap();
    fs::remove_file(plain).unwrap();
    assert_eq!(read(&mut tail, 9), [4, 5]);
    segment(place.path(), &mut sealer, 1);
    assert_eq!(read(&mut tail, 9), [6]);
    assert_eq!(read(&mut Tail::new(place.path(), 2), 9), [3, 4, 5]);
}

#[test]
fn what_is_gone_is_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let mut sealer = Sealer::new("i", Position::default(), false);
    let stem = segment(place.path(), &mut sealer, 5);
    segment(place.path(), &mut sealer, 1);
    fs::remove_file(segments::records(place.path(), &stem)).unwrap();
    assert_eq!(read(&mut Tail::new(place.path(), 2), 9), [6]);
}
