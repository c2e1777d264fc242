//! The behavior while the disk fails, and after it works again.

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;

/// The environment variable that makes a child of [`a_full_disk_refuses_until_there_is_room`].
const CHILD: &str = "CEDARGATE_TEST_FULL_JOURNAL";

/// Removes a directory at once, so that the keeper cannot put a lock into half of one.
fn remove(directory: &Path) {
    let gone = directory.with_extension("gone");
    fs::rename(directory, &gone).unwrap();
    fs::remove_dir_all(gone).unwrap();
}

#[test]
fn a_directory_replaced_by_a_file_refuses_until_it_is_back() {
    let place = TempDir::new().unwrap();
    let (directory, aside) = (place.path().join("audit"), place.path().join("aside"));
    let (journal, _) = open(&directory);
    let mut request = record(Phase::Intent, "first");
    journal.append(&request).unwrap();

    fs::rename(&directory, &aside).unwrap();
    fs::write(&directory, "in the way").unwrap();
    let writer = || journal.shared.writer();
    eventually(|| writer().stem().is_none());
    assert!(journal.append(&record(Phase::Intent, "second")).is_err());
    assert!(journal.check().is_err());
    (request.phase, request.reason) = (Phase::Outcome, "late".into());
    journal.append_outcome(&request);
    assert!(journal.append(&record(Phase::Intent, "third")).is_err());
    assert!(journal.lag() > Duration::ZERO);
    assert_eq!(journal.counts(), Counts { written: 1, failed: 2, summarized: 0 });

    fs::remove_file(&directory).unwrap();
    fs::rename(&aside, &directory).unwrap();
    journal.append(&record(Phase::Intent, "fourth")).unwrap();
    journal.check().unwrap();
    assert_eq!(reasons(&directory), ["first", "late", "fourth"]);
    assert_eq!(journal.lag(), Duration::ZERO);
}

#[test]
fn a_directory_that_was_moved_or_removed_is_made_again() {
    let place = TempDir::new().unwrap();
    let (directory, aside) = (place.path().join("audit"), place.path().join("aside"));
    let (journal, _) = open(&directory);
    journal.append(&record(Phase::Denial, "first")).unwrap();
    fs::rename(&directory, &aside).unwrap();
    // Nothing is lost before that is noticed, which takes milliseconds.
    let mut number = 0;
    eventually(|| {
        journal.append(&record(Phase::Denial, "moved")).unwrap();
        directory.exists()
    });
    let all = [lines(&aside), lines(&directory)].concat();
    number += all.len() as u64;
    assert_eq!(all.last().unwrap()["seq"], number, "the numbers go on");
    assert_eq!(journal.counts().written, number);

    remove(&directory);
    eventually(|| {
        journal.append(&record(Phase::Denial, "removed")).unwrap();
        directory.exists()
    });
    let written = journal.counts().written;
    assert_eq!(lines(&directory).last().unwrap()["seq"], written);
    assert!(Journal::open(config(&directory)).is_err(), "the new directory is ours as well");
}

#[test]
fn a_directory_that_another_gate_has_taken_meanwhile_is_not_written() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("audit");
    let (journal, _) = open(&directory);
    let elsewhere = place.path().join("elsewhere");
    let (other, _) = open(&elsewhere);
    remove(&directory);
    fs::rename(&elsewhere, &directory).unwrap();
    eventually(|| journal.append(&record(Phase::Denial, "mine")).is_err());
    drop(other);
    journal.append(&record(Phase::Denial, "mine")).unwrap();
}

#[test]
fn a_lost_lock_is_noticed_without_a_request() {
    let place = TempDir::new().unwrap();
    let (journal, _) = open(place.path());
    fs::remove_file(place.path().join("lock")).unwrap();
    eventually(|| place.path().join("lock").exists());
    assert!(Journal::open(config(place.path())).is_err());
    journal.append(&record(Phase::Denial, "mine")).unwrap();
}

#[test]
fn a_segment_that_somebody_cuts_is_left() {
    let place = TempDir::new().unwrap();
    let (journal, _) = open(place.path());
    journal.append(&record(Phase::Denial, "first")).unwrap();
    let segment = segments(place.path()).pop().unwrap();
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(0).unwrap();
    eventually(|| journal.shared.writer().stem().is_none());
    journal.append(&record(Phase::Denial, "second")).unwrap();
    assert_eq!(reasons(place.path()), ["second"]);
    assert_eq!(segments(place.path()).len(), 2);
}

#[test]
fn an_outcome_that_waits_is_written_without_another_request() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("audit");
    let (journal, _) = open(&directory);
    remove(&directory);
    fs::write(&directory, "in the way").unwrap();
    eventually(|| journal.shared.writer().stem().is_none());
    journal.append_outcome(&record(Phase::Outcome, "late"));
    fs::remove_file(&directory).unwrap();
    eventually(|| directory.is_dir() && journal.lag() == Duration::ZERO);
    assert_eq!(reasons(&directory), ["late"]);
}

#[tokio::test]
async fn a_journal_that_promises_nothing_refuses_nothing() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("audit");
    let journal = open_as(&directory, Durability::None);
    journal.commit(&record(Phase::Denial, "first")).await.unwrap();
    eventually(|| reasons(&directory) == ["first"]);
    assert_eq!(lines(&directory)[0]["durability"], "none");
    remove(&directory);
    fs::write(&directory, "in the way").unwrap();
    eventually(|| journal.shared.writer().stem().is_none());
    journal.commit(&record(Phase::Denial, "second")).await.unwrap();
    journal.append(&record(Phase::Denial, "third")).unwrap();
    let said = journal.check().unwrap().unwrap();
    assert!(said.contains("`audit.durability: none`"), "{said}");
    fs::remove_file(&directory).unwrap();
    // What fits into memory is not lost.
    journal.append(&record(Phase::Denial, "fourth")).unwrap();
    journal.check().unwrap();
    eventually(|| directory.is_dir() && reasons(&directory) == ["second", "third", "fourth"]);
}

#[tokio::test]
async fn records_of_requests_that_are_ready_are_written_together_or_refused_together() {
    let place = TempDir::new().unwrap();
    let directory = place.path().join("audit");
    let (journal, _) = open(&directory);
    let commit = |reason| {
        let (journal, record) = (Arc::clone(&journal), record(Phase::Intent, reason));
        tokio::spawn(async move { journal.commit(&record).await })
    };
    let written: Vec<_> = (0..50).map(|_| commit("written")).collect();
    for one in written {
        one.await.unwrap().unwrap();
    }
    assert_eq!(reasons(&directory), ["written"; 50]);

    remove(&directory);
    fs::write(&directory, "in the way").unwrap();
    eventually(|| journal.shared.writer().stem().is_none());
    let refused: Vec<_> = (0..50).map(|_| commit("refused")).collect();
    journal.append_outcome(&record(Phase::Outcome, "late"));
    for one in refused {
        assert!(one.await.unwrap().is_err());
    }
    assert_eq!(journal.counts(), Counts { written: 50, failed: 50, summarized: 0 });
    fs::remove_file(&directory).unwrap();
    commit("again").await.unwrap().unwrap();
    assert_eq!(reasons(&directory), ["late", "again"]);
    assert_eq!(lines(&directory)[1]["seq"], 52);
}

#[tokio::test]
async fn a_request_that_is_given_up_takes_nobody_along() {
    let place = TempDir::new().unwrap();
    let (journal, _) = open(place.path());
    let gone = record(Phase::Intent, "gone");
    {
        let mut commit = std::pin::pin!(journal.commit(&gone));
        // Asked once, and then dropped while it makes way for others.
        let polled = futures_util::poll!(commit.as_mut());
        assert!(polled.is_pending());
    }
    journal.commit(&record(Phase::Intent, "stays")).await.unwrap();
    assert_eq!(reasons(place.path()), ["gone", "stays"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_told_that_it_is_written_has_it_written_and_nobody_else() {
    let place = TempDir::new().unwrap();
    let (directory, aside) = (place.path().join("audit"), place.path().join("aside"));
    let (journal, _) = open(&directory);
    fs::write(&aside, "in the way").unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let requests = (0..16).map(|_| {
        let (journal, over) = (Arc::clone(&journal), Arc::clone(&over));
        tokio::spawn(async move {
            let mut told = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let mut request = record(Phase::Intent, "allowed");
                told.push((request.id, journal.commit(&request).await.is_ok()));
                request.phase = Phase::Outcome;
                journal.append_outcome(&request);
            }
            told
        })
    });
    let requests: Vec<_> = requests.collect();
    let gate = Arc::clone(&journal);
    let place_of = directory.clone();
    let outages = move || {
        let swap = || renameat_with(CWD, &place_of, CWD, &aside, RenameFlags::EXCHANGE).unwrap();
        for _ in 0..5 {
            let before = gate.counts();
            eventually(|| gate.counts().written > before.written + 100);
            swap();
            eventually(|| gate.counts().failed > before.failed + 100);
            swap();
        }
        over.store(true, Ordering::Relaxed);
    };
    tokio::task::spawn_blocking(outages).await.unwrap();
    let mut told = Vec::new();
    for request in requests {
        told.extend(request.await.unwrap());
    }
    journal.close().unwrap();
    let mut there = HashMap::<_, Vec<_>>::new();
    for line in lines(&directory) {
        let id: Uuid = line["id"].as_str().unwrap().parse().unwrap();
        there.entry(id).or_default().push(line["phase"].as_str().unwrap().to_owned());
    }
    for (id, written) in told {
        let expected = if written { &["intent", "outcome"][..] } else { &["outcome"] };
        assert_eq!(there[&id], expected);
    }
}

/// A full disk, as a limit on the size of files in a process of its own: this test again.
#[test]
fn a_full_disk_refuses_until_there_is_room() {
    if let Some(directory) = std::env::var_os(CHILD) {
        return fill(Path::new(&directory));
    }
    let place = TempDir::new().unwrap();
    let (_, module) = module_path!().split_once("::").unwrap();
    let done = Command::new("prlimit")
        .arg("--fsize=20000:unlimited")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::a_full_disk_refuses_until_there_is_room")])
        .env(CHILD, place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    let reasons = reasons(place.path());
    assert_eq!(reasons[reasons.len() - 3..], ["late", "after", "audit_unavailable"]);
    let mark = lines(place.path()).pop().unwrap();
    assert_eq!((&mark["event_type"], &mark["details"]["refused"]), (&json!("gate"), &json!(1)));
}

fn fill(directory: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { ignore_file_size_signal().unwrap() });
    let (journal, _) = open(directory);
    let wrote =
        (0..1000).take_while(|_| journal.append(&record(Phase::Intent, "allowed")).is_ok()).count();
    assert!((10..100).contains(&wrote), "{wrote}");
    assert_eq!(lines(directory).len(), wrote, "no half line stays");
    assert!(journal.check().is_err());
    journal.append_outcome(&record(Phase::Outcome, "late"));
    assert_eq!(lines(directory).len(), wrote);

    let me = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &me]).status();
    assert!(raised.unwrap().success());
    journal.append(&record(Phase::Intent, "after")).unwrap();
    journal.check().unwrap();
    assert_eq!(lines(directory).len(), wrote + 2);
}
