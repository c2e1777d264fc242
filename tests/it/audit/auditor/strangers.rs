//! Records hold what strangers wrote: nothing of it runs, neither in a terminal nor in a spreadsheet.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tests::{client::Request, wait::in_time};

use super::{FORMULA, World, audit, lines, rows};

/// Ends of lines are ours.
fn is_tame(text: &str) -> bool {
    let is_wild = |letter: char| letter.is_control() || letter == '\u{202e}';
    !text.replace("\r\n", "\n").chars().any(|letter| letter != '\n' && is_wild(letter))
}

#[tokio::test]
async fn an_export_is_faithful_and_safe() {
    let world = World::sqlite().await;
    let journal = ["--journal", "var/audit"];
    let jsonl = ["export", "--format", "jsonl"];
    let (_, out, _) = world.run(&[&jsonl[..], &journal].concat()).await;
    assert_eq!(out.trim_end(), world.stand.ground.journal.text(), "byte for byte");

    let csv = world.both(&["export", "--format", "csv"]).await;
    assert!(is_tame(&csv) && csv.starts_with("timestamp,id,phase,event_type,"), "{csv}");
    let (rows, records) = (rows(&csv), lines(&out));
    assert_eq!(rows.len(), records.len());
    for row in &rows {
        let record =
            records.iter().find(|it| it["seq"].as_u64() == row["seq"].parse().ok()).unwrap();
        for (member, cell) in row {
            let wild = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert!(!wild, "{member}: {cell}");
            match &record[member] {
                Value::Null => assert_eq!(cell, "", "{member}"),
                Value::String(text) if is_tame(text) => {
                    assert_eq!(cell.trim_start_matches('\''), text, "{member}");
                }
                Value::String(_) | Value::Array(_) => {}
                other => assert_eq!(*cell, other.to_string(), "{member}"),
            }
        }
    }
    let of = |name: &str| rows.iter().find(|row| row["id"] == world.id(name)).unwrap();
    assert_eq!(of("needed")["break_glass"], format!("'{FORMULA}"));
    assert_eq!(of("malformed")["user_agent"], "'=1+1");
    assert_eq!(of("malformed")["break_glass"], "\\u{9b}2J an emergency \\u{202e}");

    let (status, text, _) = world.run(&["query", "--journal", "var/audit"]).await;
    assert!(status == 0 && is_tame(&text) && text.contains("\\u{9b}2J an emergency"), "{text}");
    let (_, json, _) = world.run(&["query", "--format", "json", "--journal", "var/audit"]).await;
    assert!(is_tame(&json), "{json}");
    assert_eq!(lines(&json), records, "and says the same");
}

/// Spreadsheets of half the world's locales split at `;`, whatever is quoted, and know UTF-8 by a mark.
#[tokio::test]
async fn no_formula_begins_behind_a_separator_of_another_locale() {
    let mut world = World::sqlite().await;
    let wild = "x;=cmd|' /C calc'!A0;y|+1; @b;\"-2";
    world.send("wild", 401, Request::get("/api/patients").header("User-Agent", wild)).await;
    world.is_delivered().await;
    let export = ["export", "--format", "csv"];
    let csv = world.both(&export).await;
    assert!(csv.contains("\"x;'=cmd|' /C calc'!A0;y|'+1; '@b;\"\"'-2\""), "{csv}");
    for separator in [b',', b';', b'\t', b'|'] {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(csv.as_bytes());
        for cell in reader.records().flat_map(|row| {
            row.unwrap()
                .iter()
                .map(|cell| cell.trim_matches([' ', '"']).to_owned())
                .collect::<Vec<_>>()
        }) {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{}: {cell}", char::from(separator));
        }
    }
    let marked = world.both(&[&export[..], &["--bom"]].concat()).await;
    assert_eq!(marked, format!("\u{feff}{csv}"));
    let report = ["report", "break-glass", "--format", "csv"];
    let marked = world.both(&[&report[..], &["--bom"]].concat()).await;
    assert_eq!(marked, format!("\u{feff}{}", world.both(&report).await));
    let jsonl = ["export", "--format", "jsonl", "--bom", "--journal", "var/audit"];
    assert_eq!(world.run(&jsonl).await.0, 2);
}

#[tokio::test]
async fn a_file_is_made_anew_and_for_nobody_else() {
    let world = World::sqlite().await;
    let export = ["export", "--format", "csv", "--journal", "var/audit", "--output", "out.csv"];
    let (status, out, complaints) = world.run(&export).await;
    assert_eq!((status, out.as_str()), (0, ""), "{complaints}");
    let records = world.stand.ground.journal.records().len();
    assert!(complaints.contains(&format!("{records} records are in `out.csv`")), "{complaints}");
    let path = world.directory().join("out.csv");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(rows(&text).len(), records);
    fs::write(&path, "precious").unwrap();
    let (status, _, complaints) = world.run(&export).await;
    assert_eq!(status, 2, "{complaints}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn the_help_says_which_columns_there_are_and_gives_examples() {
    let directory = tempfile::tempdir().unwrap();
    forged(directory.path(), [record(1, "x").to_string()]);
    let csv = ["export", "--format", "csv", "--journal", "journal"];
    let (_, csv, _) = audit(directory.path(), &csv).await;
    let columns = csv.lines().next().unwrap().replace(',', ", ");
    let (_, help, _) = audit(directory.path(), &["export", "--help"]).await;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(&format!("has the columns `{columns}`")), "{help}");
    for command in [
        &["query"][..],
        &["export"],
        &["retain"],
        &["report", "disclosures"],
        &["report", "break-glass"],
    ] {
        let (status, help, _) = audit(directory.path(), &[command, &["--help"]].concat()).await;
        let example = format!("\n  cedargate audit {} --", command.join(" "));
        assert!(status == 0 && help.contains(&example), "{help}");
    }
}

/// A journal that somebody else wrote.
fn forged(directory: &Path, lines: impl IntoIterator<Item = String>) {
    fs::create_dir(directory.join("journal")).unwrap();
    let name = "journal/audit-00000000000000000001-20250101T000000.000000Z.jsonl";
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    fs::write(directory.join(name), text).unwrap();
}

fn record(number: u64, wild: &str) -> Value {
    json!({
        "id": format!("01940000-0000-7000-8000-{number:012x}"), "phase": "intent",
        "timestamp": "2025-01-01T00:00:00.000000Z", "event_type": wild, "action": wild,
        "operation": wild, "user_id": wild, "organization_id": wild, "tenant_id": wild,
        "roles": [wild], "resource_type": wild, "resource_id": "p", "method": wild,
        "endpoint": wild, "route": wild, "decision": "allow", "reason": wild, "policies": [wild],
        "policy_digest": wild, "break_glass": wild, "user_agent": wild,
        "details": {wild: wild},
    })
}

#[tokio::test]
async fn a_journal_that_was_tampered_with_drives_no_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let wild = "\u{1b}]0;owned\u{7}\r\n\u{9b}31m\u{202e}\u{7f}good: all";
    let list = {
        let mut list = record(2, wild);
        list["resource_id"] = Value::Null;
        list["event_type"] = "phi_access".into();
        list
    };
    let lines = [record(1, wild).to_string(), list.to_string(), "\u{1b}[2J{".to_owned()];
    forged(directory.path(), lines);
    for command in [
        &["query"][..],
        &["query", "--format", "json"],
        &["export", "--format", "csv"],
        &["report", "disclosures", "--resource", "p"],
        &["report", "disclosures", "--resource", "p", "--format", "json"],
        &["report", "disclosures", "--resource", "p", "--format", "csv"],
        &["report", "break-glass"],
        &["report", "break-glass", "--format", "json"],
        &["report", "break-glass", "--format", "csv"],
    ] {
        let arguments = [command, &["--journal", "journal"]].concat();
        let (status, out, complaints) = audit(directory.path(), &arguments).await;
        assert!(is_tame(&out) && is_tame(&complaints), "{command:?}\n{out:?}\n{complaints:?}");
        assert!(out.contains("owned"), "{command:?}\n{out}");
        assert!(!out.contains("\ngood: all"), "{command:?}\n{out}");
        // What could not be read may have been an answer.
        assert_eq!(status, 1, "{command:?} {complaints}");
        assert!(complaints.contains("1 of the lines in the journal in `journal`"), "{complaints}");
    }
}

#[tokio::test]
async fn whoever_has_read_enough_ends_it_quietly() {
    let directory = tempfile::tempdir().unwrap();
    forged(directory.path(), (1..5_000).map(|number| record(number, "x").to_string()));
    let (_, all, _) = audit(directory.path(), &["query", "--journal", "journal"]).await;
    assert_eq!(all.lines().count(), 4_999);
    let script = r#"{ "$0" audit "$@" --journal journal; echo "ended $?" >&2; } | head -n 1"#;
    for arguments in
        [&["query"][..], &["export", "--format", "csv"], &["export", "--format", "jsonl"]]
    {
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", script]).arg(program()).args(arguments);
        command.current_dir(directory.path()).stdin(Stdio::null()).kill_on_drop(true);
        let output = in_time("the pipe ends", command.output()).await.unwrap();
        // Without a word; but an export that was cut short is not taken for a whole one.
        assert_eq!(String::from_utf8_lossy(&output.stderr), "ended 1\n", "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    }
}

/// The binary, which a command before has made.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("cedargate")
}
