//! What a start makes of what it finds.

use super::*;

/// Puts a segment in the way of the next start.
fn leave(directory: &Path, text: &[u8]) -> PathBuf {
    let path = directory.join("audit-20250101T000000.000000Z-00000000.jsonl");
    fs::write(&path, text).unwrap();
    path
}

fn line(record: &Record) -> String {
    serde_json::to_string(record).unwrap() + "\n"
}

#[test]
fn a_torn_line_is_cut_back_and_said() {
    let place = TempDir::new().unwrap();
    let whole = line(&record(Phase::Denial, "token_missing"));
    let path = leave(place.path(), format!("{whole}{{\"id\":\"0199").as_bytes());
    let (journal, recovered) = open(place.path());
    assert_eq!(recovered.tears, [Tear { segment: path.clone(), bytes: 11 }]);
    assert_eq!((recovered.segments, recovered.records, recovered.damaged), (1, 1, 0));
    assert_eq!(fs::read_to_string(path).unwrap(), whole);
    drop(journal);
    assert_eq!(open(place.path()).1.tears, []);
}

#[test]
fn an_open_intent_is_closed_once() {
    let place = TempDir::new().unwrap();
    let (open_one, mut done) = (record(Phase::Intent, "allowed"), record(Phase::Intent, "allowed"));
    {
        let (journal, _) = open(place.path());
        let mut open_one = open_one.clone();
        open_one.decision = crate::record::Decision::Allow;
        open_one.action = Some("patients.read".into());
        open_one.details.insert("client_request_id".into(), "mine".into());
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
    assert_eq!(open(place.path()).1.closed, 0);
}

#[test]
fn an_outcome_may_be_in_an_older_segment_than_its_intent() {
    let place = TempDir::new().unwrap();
    let mut outcome = record(Phase::Intent, "allowed");
    {
        open(place.path()).0.append(&outcome).unwrap();
    }
    outcome.phase = Phase::Outcome;
    leave(place.path(), line(&outcome).as_bytes());
    assert_eq!(open(place.path()).1.closed, 0);
}

#[test]
fn an_intent_that_became_a_denial_is_closed_already() {
    let place = TempDir::new().unwrap();
    let mut request = record(Phase::Intent, "allowed");
    let intent = line(&request);
    request.phase = Phase::Denial;
    leave(place.path(), (intent + &line(&request)).as_bytes());
    assert_eq!(open(place.path()).1.closed, 0);
}

#[test]
fn damage_is_counted_placed_and_left_alone() {
    let place = TempDir::new().unwrap();
    let whole = line(&record(Phase::Denial, "token_missing"));
    let long = "x".repeat(3 << 20);
    let text = format!("{whole}\0\0\0\n{long}\n{{\"id\":\"7\",\"phase\":\"intent\"}}\n{whole}");
    let path = leave(place.path(), text.as_bytes());
    let (_journal, recovered) = open(place.path());
    assert_eq!((recovered.records, recovered.damaged), (2, 3));
    assert_eq!(recovered.first_damage, Some((path.clone(), 2)));
    assert_eq!(recovered.tears, []);
    assert_eq!(fs::read_to_string(path).unwrap(), text);
}

#[test]
fn an_intent_of_another_version_is_closed_by_its_id() {
    let place = TempDir::new().unwrap();
    let id = Uuid::now_v7();
    let strange = format!("{{\"id\":\"{id}\",\"phase\":\"intent\",\"roles\":7}}\n");
    leave(place.path(), strange.as_bytes());
    let (_journal, recovered) = open(place.path());
    assert_eq!(recovered.closed, 1);
    assert_eq!(lines(place.path()).pop().unwrap()["id"], id.to_string());
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
