//! The rooms: who may name whom, and how long a file may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A name, and where it may stand: paths below the workspace, by their beginnings.
const MAY_NAME: [(&str, &[&str]); 4] = [
    ("pingora::", &["tests/src/bare.rs"]),
    (
        "cedar_policy::",
        &[
            "policy-store/src/anatomy",
            "policy-store/src/bundle/",
            "policy-store/src/mutants",
            "proxy/src/decide.rs",
            "proxy/src/entities.rs",
            "proxy/src/pipeline/",
        ],
    ),
    ("sqlx::", &["policy-store/src/sql/", "backend/", "tests/"]),
    ("policy_store::", &["proxy/", "tests/"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn rooms_are_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for crate_folder in ["proxy", "policy-store", "backend", "tests"] {
        sources(&root.join(crate_folder), &mut found);
    }
    assert!(found.len() > 100);
    let mut faults = Vec::new();
    for path in found {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        if text.lines().count() > 400 {
            faults.push(format!("{name} is longer than 400 lines"));
        }
        for (word, allowed) in MAY_NAME {
            let here = allowed.iter().any(|start| name.starts_with(start));
            let named = text.lines().any(|line| {
                line.contains(word) && !line.trim_start().starts_with("//") && !line.contains('"')
            });
            if named && !here {
                faults.push(format!("{name} names `{word}`"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_set_for_the_build_is_no_key_of_the_configuration() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../proxy/build.rs");
    let script = fs::read_to_string(script).unwrap();
    assert!(script.contains("cargo:rustc-env="));
    // `cargo run`, and with it `deploy/demo`, hands such a variable to the gate.
    assert!(!script.contains("cargo:rustc-env=CEDARGATE_"));
}

#[test]
fn the_model_shares_nothing_with_the_gate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("src/model.rs"), root.join("src/people.rs")];
    sources(&root.join("src/model"), &mut found);
    assert!(found.len() > 10);
    let words = ["policy_store", "proxy::", "cedar", "pingora", "sqlx", "policies", "routes.yaml"];
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!words.iter().any(|word| line.contains(word)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_gate_holds_nothing_of_the_domain() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    sources(&root.join("proxy/src"), &mut found);
    sources(&root.join("policy-store/src"), &mut found);
    // The words of the default bundle; `demo` is about the demo's people.
    let words =
        ["PLATFORM_ADMIN", "GROUP_ADMIN", "ORG_ADMIN", "DOCTOR", "\"OTHER\"", "/api/", "ai_notes"];
    for path in found {
        let name = path.to_str().unwrap();
        if name.contains("tests") || name.contains("/cli/demo") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!words.iter().any(|word| line.contains(word)), "{name}: {line}");
        }
    }
}
