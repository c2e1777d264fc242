//! The log of a running gate: one JSON object per line where the configuration asks for JSON, and no line below the
//! configured level.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};
use tests::{
    binary::{self, Binary},
    client::{self, Request},
    stand::{Ground, Stand},
    tokens::token,
    upstream::Behaviour,
    wait::eventually,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const PATIENTS: &str = "/api/patients";

/// What makes a gate log at every level: policies that are refused, an upstream that hangs up, a reload, the end.
async fn provoke(ground: &Ground, gate: Binary) {
    let policy = ground.directory.path().join("policies/broken.cedar");
    fs::write(&policy, "permit (\"a text\nof two lines").unwrap();
    eventually("the policies are refused", || async {
        let status = client::send(gate.admin(), &Request::get("/status")).await.json();
        status["policy_error"].is_string().then_some(())
    })
    .await;
    fs::remove_file(&policy).unwrap();
    ground.upstream.on(PATIENTS, Behaviour::Close);
    let request = Request::get(PATIENTS).token(&token("kauvery-doctor"));
    assert_eq!(client::send(gate.proxy(), &request).await.status, 502);
    gate.hang_up().await;
    assert_eq!(gate.signal("TERM").await, Some(0));
}

/// The log of a gate with these keys of the configuration and these environment variables.
async fn log_of(keys: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
    let mut builder = Stand::builder();
    for (key, value) in keys {
        builder = builder.set(key, *value);
    }
    let ground = builder.prepare().await;
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, PathBuf::from(value))).collect();
    let gate = Binary::serve_with(ground.directory.path(), &environment).await;
    provoke(&ground, gate).await;
    fs::read_to_string(ground.directory.path().join("stderr.log")).unwrap()
}

/// The lines of a log in JSON.
fn objects(log: &str) -> Vec<Value> {
    let read =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    let lines: Vec<Value> = log.lines().map(read).collect();
    for line in &lines {
        let member = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("{name}: {line}"));
        assert!(OffsetDateTime::parse(member("timestamp"), &Rfc3339).is_ok(), "{line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&member("level")), "{line}");
        assert!(!member("target").is_empty(), "{line}");
        // What a library logs below `info` may have fields alone.
        let bare = ["DEBUG", "TRACE"].contains(&member("level"));
        assert!(bare || !member("message").is_empty(), "{line}");
    }
    lines
}

/// The levels that a log in JSON has lines of.
fn levels(log: &str) -> BTreeSet<String> {
    objects(log).iter().map(|line| line["level"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_line_is_a_json_object_when_json_is_configured() {
    let log = log_of(&[("log.format", "json"), ("log.level", "debug")], &[]).await;
    let lines = objects(&log);
    let with = |message: &str| {
        let says = |line: &&Value| line["message"].as_str().is_some_and(|it| it.contains(message));
        let found = lines.iter().find(says);
        found.unwrap_or_else(|| panic!("no `{message}` in {log}"))
    };
    let opened = with("audit journal opened");
    assert_eq!((&opened["level"], &opened["records"]), (&json!("INFO"), &json!(0)), "{opened}");
    let refused = with("the policies are not accepted");
    assert!(refused["findings"].as_str().unwrap().contains("broken.cedar:1:"), "{refused}");
    with("draining");
}

#[tokio::test]
async fn a_start_that_fails_is_a_json_object_too() {
    binary::program().await;
    let ground = Stand::builder().set("log.format", "json").prepare().await;
    fs::write(ground.directory.path().join("policies/broken.cedar"), "permit (").unwrap();
    let (status, _, log) = binary::run(ground.directory.path(), &["serve"]).await;
    assert_eq!(status, 1, "{log}");
    let lines = objects(&log);
    let last = lines.last().unwrap();
    assert_eq!(last["level"], "ERROR", "{last}");
    assert!(last["message"].as_str().unwrap().contains("broken.cedar"), "{last}");
}

#[tokio::test]
async fn no_line_is_below_the_level() {
    let all = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
    for (level, lines) in [("error", 1), ("warn", 2), ("info", 3), ("trace", 5)] {
        let log = log_of(&[("log.format", "json"), ("log.level", level)], &[]).await;
        let expected: BTreeSet<String> = all[..lines].iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(levels(&log), expected, "{level}: {log}");
    }
}

#[tokio::test]
async fn the_environment_wins_over_the_file_and_rust_log_means_nothing() {
    let environment = [
        ("CEDARGATE_LOG__FORMAT", "json"),
        ("CEDARGATE_LOG__LEVEL", "warn"),
        ("RUST_LOG", "trace"),
    ];
    let log = log_of(&[("log.format", "text"), ("log.level", "debug")], &environment).await;
    assert_eq!(levels(&log), BTreeSet::from(["ERROR".to_owned(), "WARN".to_owned()]), "{log}");
}

#[tokio::test]
async fn lines_are_text_of_the_level_info_by_default() {
    let log = log_of(&[], &[]).await;
    assert!(log.contains(" INFO ") && log.contains("audit journal opened"), "{log}");
    assert!(!log.contains("DEBUG") && !log.contains("TRACE"), "{log}");
    assert!(!log.contains('{'), "no Rust values and no JSON: {log}");
}

#[tokio::test]
async fn an_unknown_level_or_format_is_refused_in_text() {
    binary::program().await;
    for (key, value, legal) in [
        ("log.level", "loud", "`error`, `warn`, `info`, `debug`, `trace`"),
        ("log.format", "xml", "`text` or `json`"),
    ] {
        let ground = Stand::builder().set(key, value).prepare().await;
        let (status, _, complaint) = binary::run(ground.directory.path(), &["serve"]).await;
        assert_eq!(status, 1, "{complaint}");
        for part in ["cedargate: ", "cedargate.yaml:", key, value, legal] {
            assert!(complaint.contains(part), "{key}: no {part} in {complaint}");
        }
    }
}
