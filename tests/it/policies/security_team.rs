//! The page for the security team, done as it says: every command in it is run.

use std::{fs, path::Path, process::Command};

use tests::{
    binary::{self, Binary},
    book::Page,
    client::{self, Request},
};

/// The page.
const PAGE: &str = "docs/how-to/security-team.md";

/// Runs a command; gives its status and all that it says.
async fn run(root: &Path, command: &str) -> (i32, String) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let (program, words) = words.split_first().unwrap();
    if ["cp", "mv", "ln"].contains(program) {
        let done = Command::new("sh").args(["-c", command]).current_dir(root).status().unwrap();
        return (done.code().unwrap(), String::new());
    }
    assert_eq!(*program, "cedargate", "{command}");
    let (code, said, complaint) = binary::run_long(root, words).await;
    (code, said + &complaint)
}

/// As the page says in words.
fn change_a_rule(root: &Path) {
    let file = root.join("policies/roles.cedar");
    let text = fs::read_to_string(&file).unwrap();
    let at = text.find("@id(\"care-desk-billing-and-administration\")").unwrap();
    let (before, rule) = text.split_at(at);
    let rule = rule.replacen("Role::\"NURSE\",", "Role::\"NURSE\", Role::\"PHARMACIST\",", 1);
    fs::write(&file, format!("{before}{rule}")).unwrap();
}

/// As the page says in words: the tests that said otherwise are changed with the rule.
fn change_its_tests(root: &Path) {
    for (file, from, to) in [
        (
            "roles-administration.yaml",
            "      pharmacist, lab-tech, other-and-pharmacist, no-role: role_not_allowed\n",
            "      pharmacist, other-and-pharmacist: allow by care-desk-billing-and-administration\n      lab-tech, no-role: role_not_allowed\n",
        ),
        (
            "break-glass.yaml",
            "      pharmacist: role_not_allowed\n",
            "      pharmacist: { \"authorizations, expiring, insurance\": allow, \"*\": role_not_allowed }\n",
        ),
        (
            "break-glass.yaml",
            "        recording, authorization: allow by break-glass\n",
            "        recording: allow by break-glass\n",
        ),
    ] {
        let path = root.join("policies/tests").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
}

#[tokio::test]
async fn every_command_of_the_page_does_what_it_says() {
    let page = Page::of(PAGE);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (code, said) = run(root, "cedargate demo --prepare --dir gate").await;
    assert_eq!(code, 0, "{said}");
    let gate = Binary::demo(&root.join("gate")).await;
    let (_, token) =
        run(root, "cedargate token --key gate/keys/issuer.pem --sub kauvery-coder").await;
    let request = Request::get("/api/patients").token(token.trim());
    let denied = client::send(gate.proxy(), &request).await;
    let mut done = 0;
    for command in page.commands() {
        if command.starts_with("curl ") {
            continue;
        }
        let expected = match command.split(" --policies policies").nth(1) {
            // The tests that said otherwise fail.
            Some("" | " --coverage" | " --mutate") if command.contains(" test ") => {
                "FAILED  tests/"
            }
            Some(" --against gate/policies") => {
                "    old  role_not_allowed\n    new  allow by care-desk-billing-and-administration\n"
            }
            _ => "",
        };
        if done > 0 && command.starts_with("cp ") {
            change_its_tests(root);
        }
        let (code, said) = run(root, &command.replace("ID", denied.id())).await;
        assert_eq!(code, i32::from(expected.starts_with("FAILED")), "{command}\n{said}");
        assert!(said.contains(expected), "{command}\n{said}");
        if done == 0 {
            change_a_rule(root);
        }
        done += 1;
    }
    assert_eq!(done, 14, "{:?}", page.commands());

    // The table of the page is right about the changed rule.
    fs::write(root.join("policies/tests/pharmacists.yaml"), &page.blocks("yaml")[0]).unwrap();
    let (code, said) =
        run(root, "cedargate test --policies policies --filter pharmacists.yaml").await;
    assert_eq!(code, 0, "{said}");
    assert!(said.ends_with("6 passed, 0 failed\n"), "{said}");

    // It is live, and `curl` would say so.
    let reloaded = client::send(gate.admin(), &Request::new("POST", "/reload")).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.json());
    let status = client::send(gate.admin(), &Request::get("/status")).await.json();
    assert_eq!(
        (&status["policy_generation"], &status["policy_error"]),
        (&2.into(), &serde_json::Value::Null)
    );
    assert_eq!(page.text.matches("curl -X POST http://127.0.0.1:9901/reload").count(), 1);
}
