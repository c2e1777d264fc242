//! The commands, as an auditor runs them.

use serde_json::Value;
use tests::{
    binary::{run, spawn},
    forger::{Author, Key, compress},
    wait::in_time,
};

use super::copy::{Copy, flip};
use super::{copy, pristine};

const ID: &str = "01942500-0000-7000-8000-00000000ff98";

async fn audit(copy: &Copy, arguments: &[&str]) -> (i32, String, String) {
    let all = [&["audit"], arguments].concat();
    run(copy.path(), &all).await
}

#[tokio::test]
async fn verify_says_what_it_found_and_how_fast() {
    let copy = copy();
    let (code, text, complaints) = audit(&copy, &["verify", "."]).await;
    assert_eq!(code, 0, "{text}{complaints}");
    assert!(text.starts_with("good: "), "{text}");
    assert!(text.contains("records      100000, from 1 to 100000\n"), "{text}");
    assert!(text.contains("records a second") && text.contains("--key FILE"), "{text}");
    assert!(text.contains("note: 400 records behind the last checkpoint"), "{text}");

    copy.at(65_432, |all, at| flip(&mut all[at], 99));
    let key = pristine().directory.join("signing.pub");
    let arguments = ["verify", "--format", "json", "--key", key.to_str().unwrap(), "."];
    let (code, text, complaints) = audit(&copy, &arguments).await;
    assert_eq!(code, 1, "{text}{complaints}");
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["good"], false);
    assert_eq!(said["keys"], "given");
    let fault = &said["faults"][0];
    assert_eq!((&fault["seq"], &fault["line"]), (&65_432.into(), &5_433.into()), "{fault}");
    assert_eq!(fault["kind"], "changed");
    assert!(said["records_per_second"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn what_cannot_be_verified_is_no_verdict() {
    let copy = copy();
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for arguments in
        [&["verify", "not-there"][..], &["verify", empty], &["verify", "--key", "x", "."]]
    {
        let (code, text, complaints) = audit(&copy, arguments).await;
        assert_eq!((code, text.as_str()), (2, ""), "{arguments:?}: {complaints}");
    }
}

#[tokio::test]
async fn show_tells_a_request_and_whether_its_seal_holds() {
    let copy = copy();
    let (code, text, complaints) = audit(&copy, &["show", ID, "--journal", "."]).await;
    assert_eq!(code, 0, "{complaints}");
    let stem = &copy.stems[6];
    assert!(text.starts_with(&format!("denial: record 65432 ({stem}, line 5433)\n")), "{text}");
    assert!(
        text.contains("  seal             holds")
            && text.contains("  endpoint         /notes/65432\n")
    );

    copy.at(65_432, |all, at| all[at] = all[at].replace("\"deny\"", "\"allow\""));
    let (_, text, _) = audit(&copy, &["show", ID, "--journal", "."]).await;
    assert!(text.contains("seal             DOES NOT HOLD"), "{text}");
    let (_, text, _) = audit(&copy, &["show", ID, "--journal", ".", "--format", "json"]).await;
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&said[0]["seq"], &said[0]["seal_holds"]), (&65_432.into(), &false.into()));
    assert_eq!(said[0]["record"]["decision"], "allow");

    let (code, ..) = audit(&copy, &["show", &ID.replace("0ff98", "fff98"), "--journal", "."]).await;
    assert_eq!(code, 1);
}

#[tokio::test]
async fn tail_tells_the_last_records_that_are_meant() {
    let copy = copy();
    let last = |text: &str| -> Vec<u64> {
        text.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
    };
    let (code, text, complaints) = audit(&copy, &["tail", "--journal", ".", "-n", "3"]).await;
    assert_eq!(code, 0, "{complaints}");
    assert_eq!(last(&text), [99_998, 99_999, 100_000], "{text}");
    // Through all segments, compressed ones too.
    let arguments = ["tail", "--journal", ".", "--resource", "Note:123"];
    assert_eq!(last(&audit(&copy, &arguments).await.1), [123]);
    let arguments = ["tail", "--journal", ".", "--user", "user-5", "-n", "2", "--format", "json"];
    let (_, text, _) = audit(&copy, &arguments).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|it| it["user_id"] == "user-5" && it["chain"].is_string()), "{text}");
    assert_eq!(audit(&copy, &["tail", "--journal", ".", "--decision", "allow"]).await.1, "");
}

#[tokio::test]
async fn tail_follows_across_rotation_and_compression() {
    let place = tempfile::tempdir().unwrap();
    let mut author = Author::new(place.path(), "gate-1", Key::generate());
    let first = author.segment(3, 10);
    author.flush();
    let arguments = ["audit", "tail", "--journal", ".", "-n", "2", "--follow"];
    let (_child, mut lines) = spawn(place.path(), &arguments).await;
    let mut next = async || {
        let line = in_time("the next record", lines.next_line()).await.unwrap().unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!((next().await, next().await), (2, 3));
    author.record();
    author.flush();
    assert_eq!(next().await, 4);
    author.record();
    author.checkpoint(true);
    author.segment(2, 10);
    author.flush();
    compress(&place.path().join(format!("{first}.jsonl")));
    author.record();
    author.flush();
    for expected in 5..=8 {
        assert_eq!(next().await, expected);
    }
}
