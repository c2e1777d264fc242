//! The journal on a real directory.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::entry::Phase;
use crate::lines::Follower;
use crate::segments;

mod failing;
mod starting;

fn config(directory: &Path) -> JournalConfig {
    JournalConfig::new(directory.to_owned())
}

fn open(directory: &Path) -> (Arc<Journal>, Recovered) {
    Journal::open(config(directory)).unwrap()
}

fn open_as(directory: &Path, durability: Durability) -> Arc<Journal> {
    Journal::open(JournalConfig { durability, ..config(directory) }).unwrap().0
}

fn record(phase: Phase, reason: &'static str) -> Record {
    let mut record = Record::new(Uuid::now_v7(), phase, datetime!(2025-01-02 3:04:05 UTC));
    record.reason = reason.into();
    record
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    segments::list(directory).unwrap().into_iter().map(|segment| segment.path).collect()
}

/// All records of all segments; panics at a line that is not whole, or not sealed.
fn lines(directory: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for segment in segments::list(directory).unwrap() {
        let mut text = String::new();
        segment.open().unwrap().read_to_string(&mut text).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "a torn line");
        let mut lines = text.lines();
        let Some(header) = lines.next() else { continue };
        let (mut follower, _) = Follower::begin(header.as_bytes()).unwrap();
        for line in lines {
            follower.follow(line.as_bytes()).unwrap();
            all.push(serde_json::from_str(line).unwrap());
        }
    }
    all
}

fn reasons(directory: &Path) -> Vec<String> {
    lines(directory).iter().map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
}

/// Waits for what the keeper's thread does without a request.
#[track_caller]
fn eventually(what: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !what() {
        assert!(std::time::Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_record_is_there_when_append_returns() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("var/audit");
    let (journal, recovered) = open(&directory);
    assert_eq!(recovered, Recovered::default());
    let before = (journal.bytes(), fs::metadata(&segments(&directory)[0]).unwrap().len());
    journal.append(&record(Phase::Denial, "token_missing")).unwrap();
    assert_eq!(reasons(&directory), ["token_missing"]);
    assert_eq!(journal.counts(), Counts { written: 1, ..Counts::default() });
    let after = fs::metadata(&segments(&directory)[0]).unwrap().len();
    assert_eq!(journal.bytes() - before.0, after - before.1);
    journal.check().unwrap();
    assert_eq!(lines(&directory).len(), 1, "a check leaves no trace");
}

#[test]
fn only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = TempDir::new().unwrap();
    let directory = place.path().join("audit");
    let _journal = open(&directory);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&segments(&directory)[0]), 0o600);
}

#[test]
fn lines_of_many_threads_are_whole() {
    let place = TempDir::new().unwrap();
    let (journal, _) = open(place.path());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    journal.append(&record(Phase::Denial, "token_missing")).unwrap();
                }
            });
        }
    });
    let ids: std::collections::HashSet<_> =
        lines(place.path()).iter().map(|line| line["id"].to_string()).collect();
    assert_eq!(ids.len(), 4000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_commits_to_the_disk_at_once_are_all_answered() {
    let place = TempDir::new().unwrap();
    let journal = open_as(place.path(), Durability::Disk);
    let all: Vec<_> = (0..200)
        .map(|_| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { journal.commit(&record(Phase::Intent, "allowed")).await })
        })
        .collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(lines(place.path()).len(), 200);
    assert_eq!(journal.counts(), Counts { written: 200, ..Counts::default() });
}

#[test]
fn one_sync_is_for_all_who_wait() {
    let place = TempDir::new().unwrap();
    let journal = open_as(place.path(), Durability::Disk);
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let file = journal.shared.append(&record(Phase::Intent, "allowed")).unwrap().unwrap();
        let (done, answer) = oneshot::channel();
        requests.push(SyncRequest { file, done });
        answers.push(answer);
    }
    let syncs = journal.shared.sync_for(requests);
    assert_eq!(syncs, 1);
    assert!(answers.into_iter().all(|mut answer| answer.try_recv().unwrap().is_ok()));
}

#[test]
fn a_commit_without_a_keeper_is_refused() {
    let place = TempDir::new().unwrap();
    let mut journal = Arc::into_inner(open_as(place.path(), Durability::Disk)).unwrap();
    journal.syncs = None;
    journal.threads.remove(0).join().unwrap();
    journal.threads.insert(0, std::thread::spawn(|| ()));
    eventually(|| journal.threads[0].is_finished());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let committed = runtime.block_on(journal.commit(&record(Phase::Intent, "allowed")));
    assert!(matches!(committed, Err(Unrecordable::Abandoned)));
    assert!(journal.check().is_err());
}

#[test]
fn too_many_strangers_become_one_summary() {
    let place = TempDir::new().unwrap();
    let journal =
        Journal::open(JournalConfig { anonymous_per_second: 2, ..config(place.path()) }).unwrap().0;
    for reason in
        ["token_missing", "path_invalid", "token_missing", "token_missing", "path_invalid"]
    {
        journal.append_anonymous(&record(Phase::Denial, reason)).unwrap();
    }
    eventually(|| lines(place.path()).len() == 3);
    let last = lines(place.path()).pop().unwrap();
    assert_eq!(last["reason"], "summary");
    assert_eq!(last["phase"], "denial");
    assert_eq!(last["decision"], "deny");
    assert_eq!(last["action"], Value::Null);
    let summary = &last["details"]["summary"];
    assert_eq!(summary["counts"]["token_missing"], 2);
    assert_eq!(summary["counts"]["path_invalid"], 1);
    assert_eq!(summary["from"], "2025-01-02T03:04:05Z");
    assert_eq!(journal.counts(), Counts { written: 3, failed: 0, summarized: 3 });
    // A new second has room for two again.
    journal.append_anonymous(&record(Phase::Denial, "token_missing")).unwrap();
    assert_eq!(lines(place.path()).len(), 4);
}

/// Another anonymous request: on a public route, which is forwarded, and its outcome.
fn public(phase: Phase, action: &str, status: Option<u16>) -> Record {
    let mut record = record(phase, "allowed");
    (record.user_id, record.action, record.status) = (None, Some(action.into()), status);
    record
}

#[tokio::test]
async fn what_strangers_did_on_public_routes_is_counted_by_action_and_status() {
    let place = TempDir::new().unwrap();
    let few = JournalConfig { anonymous_per_second: 1, ..config(place.path()) };
    let journal = Journal::open(few).unwrap().0;
    let mut counted = Vec::new();
    for (action, status) in
        [("health.read", 200), ("health.read", 200), ("auth.login", 401), ("auth.login", 502)]
    {
        counted.push(journal.commit_or_count(&public(Phase::Intent, action, None)).await.unwrap());
        let outcome = public(Phase::Outcome, action, Some(status));
        match counted.last() {
            Some(true) => journal.count_outcome(&outcome),
            _ => journal.append_outcome(&outcome),
        }
    }
    assert_eq!(counted, [false, true, true, true]);
    let mut who = public(Phase::Outcome, "auth.login", Some(200));
    who.user_id = Some("alpha-doctor".into());
    assert!(journal.commit_or_count(&public(Phase::Intent, "auth.login", None)).await.unwrap());
    journal.count_outcome(&who);
    drop(journal);
    let lines = lines(place.path());
    let summaries: Vec<&Value> = lines.iter().filter(|it| it["reason"] == "summary").collect();
    let of = |part: &str, action: &str, status: &str| -> u64 {
        let counts = summaries.iter().map(|it| &it["details"]["summary"][part][action]);
        counts
            .filter_map(|it| if status.is_empty() { it.as_u64() } else { it[status].as_u64() })
            .sum()
    };
    assert_eq!((of("forwarded", "health.read", ""), of("forwarded", "auth.login", "")), (1, 3));
    assert_eq!((of("ended", "health.read", "200"), of("ended", "auth.login", "401")), (1, 1));
    assert_eq!((of("ended", "auth.login", "502"), of("ended", "auth.login", "200")), (1, 1));
    // The first pair, and the pair of the user who signed in, are records of their own.
    let phases: Vec<_> = lines.iter().filter(|it| it["reason"] != "summary").collect();
    let phases: Vec<_> = phases.iter().map(|it| (&it["phase"], &it["user_id"])).collect();
    let (intent, outcome, null) = (&json!("intent"), &json!("outcome"), &Value::Null);
    let doctor = &json!("alpha-doctor");
    assert_eq!(phases, [(intent, null), (outcome, null), (intent, null), (outcome, doctor)]);
}

/// A disk that is full by the quota: a request that cannot be accounted for is not forwarded.
#[tokio::test]
async fn while_summaries_cannot_be_written_public_routes_are_refused() {
    let place = TempDir::new().unwrap();
    let (quota, none) =
        (Some(1), JournalConfig { anonymous_per_second: 0, ..config(place.path()) });
    let journal = Journal::open(JournalConfig { quota, ..none }).unwrap().0;
    let intent = public(Phase::Intent, "health.read", None);
    assert!(
        journal.commit_or_count(&intent).await.unwrap(),
        "as long as nobody has tried to write"
    );
    let until = Instant::now() + Duration::from_mins(5);
    while journal.commit_or_count(&intent).await.is_ok() {
        assert!(Instant::now() < until, "forwarded without a record, for as long as one likes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn strangers_are_bounded_by_the_bytes_of_their_records_too() {
    for (length, most) in [(0, 40), (8_000, 2)] {
        let place = TempDir::new().unwrap();
        let bytes = 16 * 1024;
        let config = JournalConfig { anonymous_bytes_per_second: bytes, ..config(place.path()) };
        let journal = Journal::open(config).unwrap().0;
        let mut denial = record(Phase::Denial, "token_missing");
        denial.endpoint = Some("x".repeat(length).into());
        let began = Instant::now();
        for _ in 0..500 {
            journal.append_anonymous(&denial).unwrap();
        }
        // The second that is counted begins with the journal, and not with the first record.
        let seconds = 2 + began.elapsed().as_secs();
        drop(journal);
        let lines = lines(place.path());
        let single = lines.iter().filter(|it| it["reason"] != "summary");
        let (count, longest) =
            (single.clone().count() as u64, single.map(|it| it.to_string().len()).max());
        let longest = longest.unwrap_or_default() as u64;
        assert!(count > 0 && count <= most * seconds, "{count} of {longest} bytes");
        assert!(count * longest <= (bytes + longest) * seconds, "{count} of {longest} bytes");
    }
}

#[test]
fn a_summary_is_written_at_the_end_too() {
    let place = TempDir::new().unwrap();
    let journal =
        Journal::open(JournalConfig { anonymous_per_second: 0, ..config(place.path()) }).unwrap().0;
    journal.append_anonymous(&record(Phase::Denial, "token_missing")).unwrap();
    drop(journal);
    assert_eq!(reasons(place.path()), ["summary"]);
}
