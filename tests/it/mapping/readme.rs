//! The commands of the README's chapter "Your own database in ten minutes", one after the other.

use std::fs;

use tests::{
    binary::{Binary, run},
    client::{self, Request},
    example::Example,
    stand::copy_tree,
};

#[tokio::test]
async fn the_chapter_of_the_readme_is_so() {
    let mine = Example::prepare("hospital").await;
    let (root, folder) = (mine.directory.path(), mine.folder());
    let made = run(root, &["demo", "--prepare", "--dir", "gate"]).await;
    assert_eq!(made.0, 0, "{made:?}");
    copy_tree(&root.join("gate/keys"), &folder.join("keys"));
    let file = folder.join("cedargate.yaml");
    let written = fs::read_to_string(&file).unwrap();
    let written = written.replace("postgres://127.0.0.1/hospital", &mine.database);
    // The one thing that is otherwise here: ports that the system chooses.
    let listen = "listen: { proxy: '127.0.0.1:0', admin: '127.0.0.1:0' }";
    let nobody = written.replace("127.0.0.1:8081", "127.0.0.1:1");
    fs::write(&file, format!("{nobody}{listen}\n")).unwrap();

    let (status, said, complaint) = run(&folder, &["check", "--facts"]).await;
    assert_eq!(status, 0, "{said}{complaint}");
    assert!(said.contains("the mapping of facts fits the database and the schema"), "{said}");
    let gate = Binary::serve(&folder, None).await;
    let (_, token, _) = run(&folder, &["token", "--key", "keys/issuer.pem", "--sub", "10"]).await;
    for (target, expected) in [
        ("/api/patients/7", (502, "upstream_unreachable")),
        ("/api/patients/8", (404, "not_found")),
    ] {
        let request = Request::get(target).token(token.trim());
        let answer = client::send(gate.proxy(), &request).await;
        assert_eq!((answer.status, answer.reason().as_str()), expected, "{target}");
    }
}

#[test]
fn the_statements_of_the_chapter_are_those_of_the_example() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let readme = fs::read_to_string(format!("{root}/README.md")).unwrap();
    let example = fs::read_to_string(format!("{root}/deploy/examples/hospital/cedargate.yaml"));
    let example = example.unwrap();
    let chapter = readme.split("## Your own database in ten minutes").nth(1).unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let blocks = chapter.split("```yaml\n").skip(1).map(|it| it.split("```").next().unwrap());
    let mut lines = 0;
    for line in blocks.flat_map(str::lines).map(str::trim).filter(|it| !it.is_empty()) {
        // Names are a choice of those in the example; the server is the reader's.
        if line.starts_with("database:") || line.starts_with("role_names:") {
            continue;
        }
        assert!(example.lines().any(|it| it.trim() == line), "{line}");
        lines += 1;
    }
    assert!(lines > 10, "{lines}");
}
