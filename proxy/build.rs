//! Tells the binary which commit it was built from, for `cedargate_build_info`. A release alone: an
//! everyday build is not made anew for each commit.

use std::process::Command;

/// `cargo run` hands it to the program as a variable, too: with the prefix `CEDARGATE_` the gate would take it
/// for a key of its configuration.
fn main() {
    println!("cargo:rerun-if-env-changed=COMMIT_OF_CEDARGATE");
    if std::env::var("PROFILE").as_deref() != Ok("release") {
        println!("cargo:rerun-if-changed=build.rs");
        return;
    }
    println!("cargo:rerun-if-changed=../.git/HEAD");
    println!("cargo:rerun-if-changed=../.git/refs/heads");
    let asked = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = asked.ok().filter(|it| it.status.success());
    let commit = commit.and_then(|it| String::from_utf8(it.stdout).ok());
    if let Some(commit) = commit.filter(|_| std::env::var_os("COMMIT_OF_CEDARGATE").is_none()) {
        println!("cargo:rustc-env=COMMIT_OF_CEDARGATE={}", commit.trim());
    }
}
