//! Bundles that are wrong in one thing each, and what `cedargate check` says of them, to the letter.
//!
//! What it says stands in `tests/data/findings/`, to be reviewed as text. After a change,
//! `UPDATE_EXPECTED=1 cargo test --workspace --test gate -- findings::` writes it anew.

mod fmt;
mod hostile;
mod wrong;

use std::{
    fs,
    path::{Path, PathBuf},
};

use policy_store::bundle::Kind;
use serde_json::Value;
use tests::binary;
use wrong::WRONG;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder with a copy of the default bundle in `policies`.
fn ground() -> tempfile::TempDir {
    let ground = tempfile::tempdir().unwrap();
    let bundle = ground.path().join("policies");
    fs::create_dir(&bundle).unwrap();
    for entry in fs::read_dir(root().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, bundle.join(path.file_name().unwrap())).unwrap();
        }
    }
    ground
}

/// Replaces the first place where `from` stands in a file of the bundle.
fn edit(ground: &Path, file: &str, from: &str, to: &str) {
    let path = ground.join("policies").join(file);
    if file.starts_with("tests/") {
        // They come along only where they are what is wrong: other bundles fail them too.
        fs::create_dir(path.parent().unwrap()).unwrap();
        for name in ["tests/facts.yaml", file] {
            fs::copy(root().join("policies").join(name), ground.join("policies").join(name))
                .unwrap();
        }
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

async fn check(ground: &Path, more: &[&str]) -> (i32, String) {
    let arguments = [&["check", "--policies", "policies"], more].concat();
    let (status, output, complaint) = binary::run(ground, &arguments).await;
    assert_eq!(complaint, "");
    (status, output)
}

/// Compares with what was reviewed. Gives the name when it differs.
fn compare(name: &str, output: &str) -> Option<String> {
    let path = root().join("tests/data/findings").join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, output).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    (expected != output).then(|| format!("{name}:\n{output}\nand not:\n{expected}"))
}

#[tokio::test]
async fn each_wrong_bundle_is_refused_with_its_message() {
    let mut differences = Vec::new();
    for some in WRONG.chunks(2) {
        let running = some.iter().map(|(name, edits)| {
            tokio::spawn(async move {
                let ground = ground();
                for (file, from, to) in *edits {
                    edit(ground.path(), file, from, to);
                }
                (*name, check(ground.path(), &[]).await)
            })
        });
        for running in running.collect::<Vec<_>>() {
            let (name, (status, output)) = running.await.unwrap();
            assert_eq!(status, 1, "{name}: {output}");
            differences.extend(compare(&format!("{name}.txt"), &output));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// These have no text: they are told by `hostile`, there is no edit that leads to them, or only a gate finds them
/// (`admission`).
const WITHOUT_TEXT: [&str; 9] = [
    "invalid",
    "unreadable",
    "too-much",
    "not-text",
    "unread-file",
    "test-grants",
    "test-fails",
    "guards-gone",
    "unstartable",
];

#[test]
fn each_reviewed_message_has_its_bundle_and_each_kind_its_message() {
    let mut said = String::new();
    for entry in fs::read_dir(root().join("tests/data/findings")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let known = name == "machines" || WRONG.iter().any(|(wrong, _)| *wrong == name);
        assert!(known, "{name} belongs to no bundle");
        said += &fs::read_to_string(path).unwrap();
    }
    for kind in Kind::ALL.iter().filter(|kind| !WITHOUT_TEXT.contains(&kind.name())) {
        assert!(said.contains(&format!(" [{}]\n", kind.name())), "{} has no text", kind.name());
    }
}

/// Whoever wrote it takes it to be in force.
#[tokio::test]
async fn policies_where_none_are_read_are_found() {
    let ground = ground();
    let policies = ground.path().join("policies");
    fs::create_dir(policies.join("more")).unwrap();
    fs::create_dir(policies.join(".hidden")).unwrap();
    for file in
        ["more/extra.cedar", "more/notes.txt", "EXTRA.CEDAR", ".hidden/old.cedar", ".old.cedar"]
    {
        fs::copy(policies.join("boundary.cedar"), policies.join(file)).unwrap();
    }
    let (status, output) = check(ground.path(), &[]).await;
    let what = "is not read: policies are the *.cedar in the bundle's folder itself [unread-file]";
    let remedy = "move it there, with its ending in small letters, or out of the bundle";
    let finding = |file: &str| format!("policies/{file}: {what}\n    = {remedy}\n");
    let expected = ["EXTRA.CEDAR", "more/extra.cedar"].map(finding).concat();
    assert_eq!((status, output), (1, expected));
}

#[tokio::test]
async fn findings_are_there_for_machines_too() {
    let ground = ground();
    edit(ground.path(), "boundary.cedar", "@layer(\"boundary\")\n", "");
    edit(ground.path(), "public.cedar", "@id(\"public\")\n", "");

    let (status, output) = check(ground.path(), &["--format", "json"]).await;
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &report["ok"]), (1, &Value::Bool(false)));
    let json = serde_json::to_string_pretty(&report).unwrap() + "\n";

    let (status, output) = check(ground.path(), &["--format", "sarif"]).await;
    let mut log: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &log["version"]), (1, &Value::from("2.1.0")));
    let rules = log["runs"][0]["tool"]["driver"]["rules"].take();
    let known = |name: &Value| rules.as_array().unwrap().iter().any(|rule| rule["id"] == *name);
    for result in log["runs"][0]["results"].as_array().unwrap() {
        assert!(known(&result["ruleId"]), "{result}");
    }
    log["runs"][0]["tool"]["driver"]["version"].take();
    let sarif = serde_json::to_string_pretty(&log).unwrap() + "\n";

    let differences: Vec<String> =
        [compare("machines.json", &json), compare("machines.sarif", &sarif)]
            .into_iter()
            .flatten()
            .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn a_good_bundle_has_no_findings_in_any_format() {
    let ground = ground();
    let (status, output) = check(ground.path(), &[]).await;
    assert!(status == 0 && output.starts_with("ok "), "{output}");
    let (status, output) = check(ground.path(), &["--format", "json"]).await;
    assert!(status == 0 && output.contains("\"findings\":[]"), "{output}");
    let (status, output) = check(ground.path(), &["--format", "sarif"]).await;
    assert!(status == 0 && output.contains("\"results\":[]"), "{output}");
}
