//! An answer of a command that cannot be written ends the command with status 1, whatever the
//! answer is: a script that reads nothing must not go on as if all were fine.

use std::fs::File;
use std::process::Stdio;

use tests::{binary, stand::Stand};

/// Every command that answers, with what it takes: `{}` is the directory of a stand.
const COMMANDS: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["check", "--help"],
    &["check", "--policies", "{}/policies"],
    &["check", "--policies", "{}/policies", "--format", "json"],
    &["check", "--policies", "{}/policies", "--format", "sarif"],
    &["check", "--config", "{}/cedargate.yaml"],
    &["test", "--policies", "{}/policies", "--filter", "health"],
    &["test", "--policies", "{}/policies", "--filter", "health", "--format", "json"],
    &["test", "--policies", "{}/policies", "--filter", "health", "--format", "junit"],
    &["test", "--policies", "{}/policies", "--against", "{}/policies"],
    &[
        "explain",
        "--config",
        "{}/cedargate.yaml",
        "--user",
        "alpha-doctor",
        "--path",
        "/api/patients",
    ],
    &["explain", "--config", "{}/cedargate.yaml", "--what-can", "alpha-doctor"],
    &["explain", "--config", "{}/cedargate.yaml", "--who-can", "patients.list"],
    &["fmt", "--policies", "{}/policies", "--format", "json"],
    &["token", "--key", "{}/demo/keys/issuer.pem", "--sub", "ann"],
    &["migrate", "--database", "sqlite://{}/fresh.db"],
    &["completions", "bash"],
    &["audit", "verify", "{}/var/audit"],
    &["audit", "verify", "{}/var/audit", "--format", "json"],
    &["audit", "show", "--journal", "{}/var/audit", "{id}"],
    &["audit", "tail", "--journal", "{}/var/audit"],
    &["audit", "query", "--journal", "{}/var/audit"],
    &["audit", "export", "--journal", "{}/var/audit", "--format", "jsonl"],
    &["audit", "export", "--journal", "{}/var/audit", "--format", "csv"],
    &["audit", "report", "disclosures", "--journal", "{}/var/audit", "--resource", "p"],
    &["audit", "report", "break-glass", "--journal", "{}/var/audit"],
    &["demo", "--prepare", "--dir", "{}/demo"],
];

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_no_answer() {
    let stand = Stand::sqlite().await;
    let id = stand.get("alpha-doctor", "/api/patients").await.id().to_owned();
    stand.ground.journal.of(&id).await;
    let ground = stand.stop().await;
    let place = ground.directory.path();
    // For its key, too.
    let (status, _, complaint) = binary::run(place, &["demo", "--prepare", "--dir", "demo"]).await;
    assert_eq!(status, 0, "{complaint}");
    let mut faults = Vec::new();
    for command in COMMANDS {
        let filled = command
            .iter()
            .map(|word| word.replace("{}", &place.display().to_string()).replace("{id}", &id));
        let arguments: Vec<String> = filled.collect();
        let fine = binary::run_into(place, &arguments, Stdio::piped()).await;
        if fine.0 != 0 {
            faults.push(format!("{command:?} into a pipe: {fine:?}"));
        }
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (status, complaint) = binary::run_into(place, &arguments, full.into()).await;
        if status != 1 || !complaint.contains("the answer cannot be written") {
            faults.push(format!("{command:?} on a full disk: {status} {complaint}"));
        }
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (status, complaint) = binary::run_into(place, &arguments, writer.into()).await;
        // Nobody has to be told of a reader that has read enough.
        if status != 1 || complaint.contains("cannot be written") || complaint.contains("panic") {
            faults.push(format!("{command:?} into a closed pipe: {status} {complaint}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
