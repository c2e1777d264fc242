//! Starts of a journal, with different contents of the directory.

use super::*;
use crate::checkpoint::SignedCheckpoint;

/// The one segment.
fn segment(directory: &Path) -> PathBuf {
    let found = segments(directory);
    assert_eq!(found.len(), 1);
    found[0].clone()
}

fn add(path: &Path, text: &[u8]) {
    let before = fs::read(path).unwrap();
    fs::write(path, [&before[..], text].concat()).unwrap();
}

fn checkpoints(directory: &Path) -> Vec<SignedCheckpoint> {
    let segments = segments::list(directory).unwrap();
    let texts = segments.iter().map(|segment| segment.checkpoints().unwrap());
    let lines: Vec<u8> = texts.flatten().collect();
    let parse = |line: &[u8]| SignedCheckpoint::parse(line).unwrap();
    lines.split_inclusive(|byte| *byte == b'\n').map(parse).collect()
}

#[test]
fn a_restart_goes_on_in_the_segment() {
    let place = TempDir::new().unwrap();
    let instance = {
        let (journal, _) = open(place.path());
        journal.append(&record(Phase::Denial, "first")).unwrap();
        Arc::clone(journal.instance())
    };
    let (journal, recovered) = open(place.path());
    assert_eq!((recovered.segments, recovered.records), (1, 1));
    assert_eq!(journal.instance(), &instance);
    journal.append(&record(Phase::Denial, "second")).unwrap();
    let lines = lines(place.path());
    assert_eq!((&lines[0]["seq"], &lines[1]["seq"]), (&1.into(), &2.into()));
    assert_eq!(lines[1]["instance"], *instance);
    segment(place.path());
}

#[test]
fn a_torn_line_is_cut_back_and_said() {
    let place = TempDir::new().unwrap();
    open(place.path()).0.append(&record(Phase::Denial, "first")).unwrap();
    let path = segment(place.path());
    let whole = fs::read(&path).unwrap();
    add(&path, br#"{"id":"0199"#);
    let (journal, recovered) = open(place.path());
    assert_eq!(recovered.torn, Some(Tear { segment: path.clone(), bytes: 11 }));
    assert_eq!(fs::read(&path).unwrap(), whole);
    journal.append(&record(Phase::Denial, "second")).unwrap();
    drop(journal);
    assert_eq!(open(place.path()).1.torn, None);
    assert_eq!(reasons(place.path()), ["first", "second"]);
}

#[test]
fn a_hole_behind_what_was_signed_is_cut_and_kept() {
    let place = TempDir::new().unwrap();
    {
        let (journal, _) = open(place.path());
        journal.append(&record(Phase::Denial, "first")).unwrap();
    }
    let path = segment(place.path());
    let hole = [&[0; 300][..], b"\n{\"id\":\"later\"}\n"].concat();
    add(&path, &hole);
    let (journal, recovered) = open(place.path());
    assert_eq!(recovered.torn.unwrap().bytes, hole.len() as u64);
    assert_eq!(fs::read(path.with_extension("torn")).unwrap(), hole);
    journal.append(&record(Phase::Denial, "second")).unwrap();
    assert_eq!(reasons(place.path()), ["first", "second"]);
}

#[test]
fn a_segment_of_which_only_part_of_the_header_was_written_goes() {
    let place = TempDir::new().unwrap();
    open(place.path()).0.append(&record(Phase::Denial, "first")).unwrap();
    let torn = segments::records(place.path(), "audit-00000000000000000002-x");
    fs::write(&torn, "{\"phase\":\"segm").unwrap();
    let (journal, _) = open(place.path());
    journal.append(&record(Phase::Denial, "second")).unwrap();
    assert_eq!(reasons(place.path()), ["first", "second"]);
    assert!(!torn.exists());
}

#[test]
fn an_open_intent_is_closed_once() {
    let place = TempDir::new().unwrap();
    let (mut open_one, mut done) =
        (record(Phase::Intent, "allowed"), record(Phase::Intent, "allowed"));
    open_one.decision = crate::Decision::Allow;
    open_one.action = Some("patients.read".into());
    open_one.details.insert("client_request_id".into(), "mine".into());
    {
        let (journal, _) = open(place.path());
        journal.append(&done).unwrap();
        journal.append(&open_one).unwrap();
        done.phase = Phase::Outcome;
        journal.append_outcome(&done);
    }
    let (journal, recovered) = open(place.path());
    assert_eq!((recovered.closed, recovered.records), (1, 3));
    let closed = lines(place.path()).pop().unwrap();
    assert_eq!(closed["id"], open_one.id.to_string());
    assert_eq!(closed["phase"], "outcome");
    assert_eq!(closed["action"], "patients.read");
    assert_eq!(closed["decision"], "allow");
    assert_eq!((&closed["success"], &closed["status"]), (&Value::Null, &Value::Null));
    assert_eq!(closed["details"]["closed_at_start"], true);
    assert_eq!(closed["details"]["client_request_id"], "mine");
    drop(journal);
    assert_eq!(checkpoints(place.path()).last().unwrap().checkpoint.settled, 4);
    assert_eq!(open(place.path()).1.closed, 0);
}

#[test]
fn an_intent_that_became_a_denial_is_closed_already() {
    let place = TempDir::new().unwrap();
    {
        let (journal, _) = open(place.path());
        let mut request = record(Phase::Intent, "allowed");
        journal.append(&request).unwrap();
        request.phase = Phase::Denial;
        journal.append(&request).unwrap();
    }
    assert_eq!(open(place.path()).1.closed, 0);
}

#[test]
fn segments_follow_each_other_and_are_compressed() {
    let place = TempDir::new().unwrap();
    let small = JournalConfig { segment_size: 4096, ..config(place.path()) };
    {
        let (journal, _) = Journal::open(small.clone()).unwrap();
        for _ in 0..50 {
            journal.append(&record(Phase::Denial, "token_missing")).unwrap();
        }
        eventually(|| {
            let found = segments::list(place.path()).unwrap();
            found.iter().filter(|it| it.compressed).count() == found.len() - 1
        });
    }
    let found = segments::list(place.path()).unwrap();
    assert!(found.len() > 3, "{}", found.len());
    assert_eq!(lines(place.path()).len(), 50);
    let signed = checkpoints(place.path());
    let closed = signed.iter().filter(|it| it.checkpoint.closed).count();
    assert_eq!(closed, found.len() - 1);
    assert_eq!(signed.last().unwrap().checkpoint.seq, 50);
    assert_eq!(Journal::open(small).unwrap().1.records, 50);
}

#[test]
fn segments_that_every_sink_has_go_when_they_are_old_enough() {
    let place = TempDir::new().unwrap();
    let mut delivered = Delivered::default();
    let sink = delivered.sink();
    let keep = Some(Duration::ZERO);
    let small = JournalConfig { segment_size: 4096, keep, delivered, ..config(place.path()) };
    let (journal, _) = Journal::open(small).unwrap();
    for _ in 0..50 {
        journal.append(&record(Phase::Denial, "token_missing")).unwrap();
    }
    let first = || segments::list(place.path()).unwrap()[0].first;
    let compressed = || segments::list(place.path()).unwrap()[0].compressed;
    eventually(compressed);
    assert_eq!(first(), 1);
    sink.records.store(30, std::sync::atomic::Ordering::Relaxed);
    eventually(|| first() > 10);
    assert!(first() <= 31);
    let pruned = fs::read(place.path().join(segments::PRUNED)).unwrap();
    let pruned = SignedCheckpoint::parse(&pruned).unwrap().checkpoint;
    assert_eq!((pruned.seq + 1, pruned.pruned), (first(), true));
}

#[test]
fn a_second_gate_is_refused() {
    let place = TempDir::new().unwrap();
    let (first, _) = open(place.path());
    let refused = Journal::open(config(place.path())).unwrap_err().to_string();
    let me = std::process::id();
    assert!(refused.contains(&format!("in use by another gate (process {me})")), "{refused}");
    first.append(&record(Phase::Denial, "token_missing")).unwrap();
    drop(first);
    assert_eq!(open(place.path()).1.records, 1);
}

#[test]
fn a_directory_that_cannot_be_one_is_refused() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("file");
    fs::write(&path, "").unwrap();
    let refused = Journal::open(config(&path.join("audit"))).unwrap_err();
    assert!(matches!(refused, JournalError::Unusable { .. }), "{refused}");
}

#[test]
fn at_the_quota_requests_are_refused_and_outcomes_written() {
    let place = TempDir::new().unwrap();
    let quota = Some(20_000);
    let (journal, _) = Journal::open(JournalConfig { quota, ..config(place.path()) }).unwrap();
    let mut request = record(Phase::Intent, "allowed");
    journal.append(&request).unwrap();
    assert_eq!(journal.check().unwrap(), None);
    let mut warned = false;
    while let Ok(()) = journal.append(&record(Phase::Denial, "token_missing")) {
        warned |= journal.check().is_ok_and(|said| said.is_some());
    }
    assert!(warned, "nobody said that the quota is near");
    let refused = journal.check().unwrap_err();
    assert!(base::chain(&refused).contains("`audit.quota` is reached"), "{refused}");
    (request.phase, request.reason) = (Phase::Outcome, "late".into());
    journal.append_outcome(&request);
    eventually(|| reasons(place.path()).last().unwrap() == "late");
    let extra = place.path().join("extra");
    assert!(!extra.exists());
}
