//! The rooms: who may name whom, and how long a file may be.

mod comments;
mod floors;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folders of the crates.
const CRATES: [&str; 10] = [
    "base",
    "database",
    "audit",
    "policy-store",
    "proxy",
    "policy-lab",
    "cedargate",
    "backend",
    "tests",
    "bench",
];

/// A name, and where it may stand: paths below the workspace, by their beginnings.
const MAY_NAME: [(&str, &[&str]); 4] = [
    ("pingora::", &["bench/src/bare.rs"]),
    (
        "cedar_policy::",
        &[
            "policy-lab/src/anatomy",
            "policy-lab/src/explain/",
            "policy-lab/src/mutants",
            "policy-store/src/bundle",
            "proxy/src/judge/decide.rs",
            "proxy/src/judge/entities.rs",
            "proxy/src/judge/pipeline/",
        ],
    ),
    ("sqlx::", &["audit/src/table", "database/", "policy-store/src/sql/", "backend/", "tests/"]),
    ("policy_store::", &["proxy/", "policy-lab/", "cedargate/", "tests/", "bench/"]),
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
    for crate_folder in CRATES {
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

/// The files that may begin a task or a thread without supervision, and why that is no task that lives
/// as long as the process.
const MAY_SPAWN: [(&str, &str); 20] = [
    ("audit/src/delivery.rs", "a thread by the supervisor"),
    ("audit/src/delivery/sink.rs", "a task by the supervisor"),
    ("audit/src/journal/opening.rs", "threads by the supervisor"),
    ("audit/src/verify.rs", "a command"),
    ("backend/src/auth/password.rs", "a password is hashed"),
    ("base/src/supervise.rs", "the supervisor"),
    ("cedargate/src/cli/demo.rs", "the backend of the demo"),
    ("cedargate/src/cli/serve.rs", "the worker: the process ends with it"),
    ("policy-lab/src/trials", "a command"),
    ("policy-store/src/breaker.rs", "a probe: one that falls is begun anew by the next load"),
    ("policy-store/src/bundle/room.rs", "the loader's room: a panic goes on in whoever waits"),
    ("policy-store/src/cache/shelf.rs", "a load: one that falls tells those who wait"),
    ("proxy/src/gate.rs", "a reload: one that falls is logged"),
    ("proxy/src/gate/door.rs", "a connection"),
    ("proxy/src/gate/tasks.rs", "tasks by the supervisor"),
    (
        "proxy/src/judge/trials.rs",
        "a command, or the admission of a bundle, which waits for the threads",
    ),
    ("proxy/src/operate/admin", "a reload: one that falls is answered 500; a connection"),
    (
        "proxy/src/operate/fitness.rs",
        "a write to the archive: without it a restart serves the bundle before",
    ),
    ("proxy/src/operate/probe.rs", "a reload"),
    (
        "proxy/src/operate/startable.rs",
        "a question to the database: without an answer nobody knows",
    ),
];

#[test]
fn what_lives_as_long_as_the_process_is_supervised() {
    let mut faults = Vec::new();
    for (name, code) in serving_code() {
        if MAY_SPAWN.iter().any(|(start, _)| name.starts_with(start)) {
            continue;
        }
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let spawns = ["spawn(", "spawn_scoped(", "spawn_blocking(", "::spawn)", "spawn_local("]
                .iter()
                .any(|word| line.contains(word));
            let supervised = line.contains("supervisor.task(") || line.contains("refresh::spawn(");
            if spawns && !supervised && !line.contains("fn spawn(") {
                faults.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "by `Supervisor::task` or `thread`:\n{}", faults.join("\n"));
}

#[test]
fn nothing_prints_in_a_way_that_panics() {
    let words = ["println!", "print!(", "dbg!", "io::stderr", "io::stdout", "stdout()", "stderr()"];
    let may = [
        "cedargate/src/cli.rs",
        "cedargate/src/cli/printing.rs",
        "proxy/src/logging.rs",
        "audit/src/delivery/sink.rs",
    ];
    let mut faults = Vec::new();
    for (name, code) in serving_code() {
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            // Whoever may name standard output may still not print with these.
            let words = if may.contains(&name.as_str()) { &words[..3] } else { &words[..] };
            if words.iter().any(|word| line.contains(word)) {
                faults.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "by `cli/printing.rs` or the log:\n{}", faults.join("\n"));
}

/// Where `{:?}` may stand, and why what it writes is no Rust value in a message to people.
const MAY_DEBUG: [(&str, &str); 5] = [
    ("policy-store/src/bundle/reach.rs", "a key to compare by, which nobody reads"),
    ("policy-store/src/bundle/reads", "quotes an id, as Cedar writes it"),
    ("policy-store/src/bundle/unguarded/scope.rs", "quotes a name, as a Cedar schema writes it"),
    ("proxy/src/judge/pipeline/filled.rs", "a test"),
    ("policy-lab/src/trials/compare.rs", "a key to compare by, which nobody reads"),
];

#[test]
fn no_rust_value_reaches_a_log_line_or_a_message() {
    let mut faults = Vec::new();
    for (name, code) in serving_code() {
        let may = MAY_DEBUG.iter().any(|(start, _)| name.starts_with(start));
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let formats = [":?}", ":#?}", "as &dyn Error", "as &dyn std::error::Error"];
            let formatted = !may && formats.iter().any(|word| line.contains(word));
            if formatted || is_debug_field(line) {
                faults.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    let remedy = "write plain fields (`%value`, `%chain(&error)`, a number of milliseconds)";
    assert!(faults.is_empty(), "{remedy}:\n{}", faults.join("\n"));
}

/// Whether a line has a field `?value` of a log macro: only there does a question mark stand before a name.
fn is_debug_field(line: &str) -> bool {
    line.match_indices('?').any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + 1..].chars().next();
        before.is_none_or(|it| it == '(' || it == '=' || it.is_whitespace())
            && after.is_some_and(|it| it.is_ascii_lowercase() || it == '_')
    })
}

/// The code of the crates that serve, without their tests: the name of each file and its text.
fn serving_code() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in CRATES.iter().filter(|it| !["tests", "bench"].contains(it)) {
        sources(&root.join(folder).join("src"), &mut found);
    }
    let code = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
        (!name.contains("tests")).then_some((name, code))
    };
    let code: Vec<_> = found.into_iter().filter_map(code).collect();
    assert!(code.len() > 100);
    code
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
    let words = [
        "policy_store",
        "policy_lab",
        "proxy::",
        "cedar",
        "pingora",
        "sqlx",
        "policies",
        "routes.yaml",
    ];
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
    for folder in CRATES.iter().filter(|it| !["backend", "tests", "bench"].contains(it)) {
        sources(&root.join(folder).join("src"), &mut found);
    }
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
