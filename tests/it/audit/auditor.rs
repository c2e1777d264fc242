//! What auditors ask of the records, in the journal and in the database.

mod reports;
mod retention;
mod strangers;
mod volume;

use std::path::Path;

use serde_json::Value;
use tests::{
    binary,
    client::{Answer, Request},
    stand::{Builder, Stand},
    tokens::token,
    upstream::Behaviour,
    wait::eventually,
};

const PATIENT: &str = "/api/patients/patient-kauvery-1";
const OTHER_PATIENT: &str = "/api/patients/patient-kauvery-east-1";
const NOTE: &str = "/api/visit-notes/visit-note-kauvery-1";
/// What a spreadsheet would run.
const FORMULA: &str = "=HYPERLINK(\"http://evil.example\") an emergency";

/// A gate that has seen a day's work, all of which is in the journal and in the database.
struct World {
    stand: Stand,
    database: String,
    /// The id of each request, by a name.
    ids: Vec<(&'static str, String)>,
}

impl World {
    async fn sqlite() -> Self {
        Self::make(Stand::builder()).await
    }

    async fn postgres() -> Self {
        Self::make(Stand::builder().postgres()).await
    }

    async fn make(builder: Builder) -> Self {
        let stand = builder.set("audit.database", true).start().await;
        let database = stand.ground.database.clone();
        let mut world = Self { stand, database, ids: Vec::new() };
        world.work().await;
        world.is_delivered().await;
        world
    }

    async fn work(&mut self) {
        let get = |who: &str, path: &str| Request::get(path).token(&token(who));
        let glass = |who: &str, path: &str, why: &str| get(who, path).header("X-Break-Glass", why);
        let failing = Behaviour::Answer(500, Vec::new(), b"{}".to_vec());
        self.send("doctor", 200, get("kauvery-doctor", PATIENT)).await;
        self.send("stranger", 404, get("alpha-doctor", PATIENT)).await;
        self.send("list", 200, get("kauvery-doctor", "/api/patients")).await;
        self.send("list again", 200, get("kauvery-doctor", "/api/patients")).await;
        self.send("other patient", 200, get("east-doctor", OTHER_PATIENT)).await;
        self.send("not needed", 200, glass("kauvery-nurse", PATIENT, "to be on the safe side"))
            .await;
        self.send("needed", 200, glass("kauvery-receptionist", NOTE, FORMULA)).await;
        self.send("no help", 403, glass("kauvery-norole", NOTE, "a real emergency")).await;
        // The letter 0x9b drives a terminal like `ESC [`: no justification, but recorded.
        let driving = glass("kauvery-doctor", PATIENT, "\u{9b}2J an emergency \u{202e}");
        self.send("malformed", 400, driving.header("User-Agent", "=1+1")).await;
        self.stand.ground.upstream.on(PATIENT, failing);
        self.send("failed", 500, get("kauvery-lab", PATIENT)).await;
        self.stand.ground.upstream.on(PATIENT, Behaviour::Close);
        self.send("cut", 502, get("kauvery-billing", PATIENT)).await;
    }

    async fn send(&mut self, name: &'static str, status: u16, request: Request) {
        let answer: Answer = self.stand.send(&request).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.reason());
        // Until it is over: then its records are in this order everywhere.
        self.stand.ground.journal.of(answer.id()).await;
        self.ids.push((name, answer.id().to_owned()));
    }

    async fn is_delivered(&self) {
        let expected = self.stand.ground.journal.records().len();
        eventually("everything is in the database", || async {
            let (status, out, _) =
                self.run(&["query", "--database", &self.database, "--format", "json"]).await;
            (status == 0 && out.lines().count() == expected).then_some(())
        })
        .await;
    }

    fn directory(&self) -> &Path {
        self.stand.ground.directory.path()
    }

    fn id(&self, name: &str) -> &str {
        &self.ids.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn name(&self, id: &str) -> &'static str {
        self.ids.iter().find(|(_, known)| known == id).unwrap().0
    }

    /// Status, output and complaints of a command of `audit`.
    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        audit(self.directory(), arguments).await
    }

    /// The output of one that has to end well, with the same answer from both sources.
    async fn both(&self, arguments: &[&str]) -> String {
        let mut answers = Vec::new();
        for source in [["--journal", "var/audit"], ["--database", &self.database]] {
            let (status, out, complaints) = self.run(&[arguments, &source].concat()).await;
            assert_eq!((status, complaints.as_str()), (0, ""), "{arguments:?} {source:?}");
            answers.push(out);
        }
        assert_eq!(answers[0], answers[1], "{arguments:?}");
        answers.remove(0)
    }

    /// The records of such an answer, in its order.
    async fn found(&self, filter: &[&str]) -> Vec<Value> {
        let mut answers = Vec::new();
        for source in [["--journal", "var/audit"], ["--database", &self.database]] {
            let arguments = [&["query", "--format", "json"], filter, &source].concat();
            let (status, out, complaints) = self.run(&arguments).await;
            assert_eq!((status, complaints.as_str()), (0, ""), "{arguments:?}");
            answers.push(lines(&out));
        }
        assert_eq!(answers[0], answers[1], "{filter:?}");
        answers.remove(0)
    }
}

async fn audit(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    binary::run(directory, &[&["audit"], arguments].concat()).await
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of CSV, by their columns.
fn rows(text: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

#[tokio::test]
async fn sqlite_and_the_journal_give_the_same_answers() {
    same_answers(&World::sqlite().await).await;
}

#[tokio::test]
async fn postgres_and_the_journal_give_the_same_answers() {
    same_answers(&World::postgres().await).await;
}

async fn same_answers(world: &World) {
    let all = world.found(&[]).await;
    let mut written = world.stand.ground.journal.records();
    assert_eq!(all.len(), written.len());
    let key =
        |it: &Value| ["timestamp", "id", "phase"].map(|name| it[name].as_str().unwrap().to_owned());
    written.sort_by_key(key);
    assert_eq!(all, written, "the oldest first");

    let one = ["user_id", "tenant_id", "action", "decision", "event_type"];
    for (option, member) in
        ["--user", "--tenant", "--action", "--decision", "--event"].iter().zip(one)
    {
        let value = written[0][member].as_str().unwrap();
        let expected: Vec<_> = written.iter().filter(|it| it[member] == value).cloned().collect();
        assert_eq!(world.found(&[option, value]).await, expected, "{option}");
        assert!(!expected.is_empty());
    }
    for resource in ["patient-kauvery-1", "Patient:patient-kauvery-1"] {
        let expected: Vec<_> =
            written.iter().filter(|it| it["resource_id"] == "patient-kauvery-1").cloned().collect();
        assert_eq!(world.found(&["--resource", resource]).await, expected, "{resource}");
    }
    assert_eq!(world.found(&["--resource", "Visit:patient-kauvery-1"]).await.len(), 0);
    let glass = world.found(&["--break-glass"]).await;
    assert!(glass.len() > 4 && glass.iter().all(|it| it["break_glass"].is_string()), "{glass:?}");
    let both = world.found(&["--break-glass", "--decision", "deny", "--limit", "1"]).await;
    assert_eq!(world.name(both[0]["id"].as_str().unwrap()), "no help");
    bounds(world, &written).await;

    let text = world.both(&["query"]).await;
    assert_eq!(text.lines().count(), written.len());
    assert!(text.lines().next().unwrap().contains("kauvery-doctor patients.read GET"), "{text}");
    assert_eq!(rows(&world.both(&["export", "--format", "csv"]).await).len(), written.len());
}

/// A time is the first moment that is meant, or the first that is not.
async fn bounds(world: &World, written: &[Value]) {
    let at = written[5]["timestamp"].as_str().unwrap();
    let since = world.found(&["--since", at]).await;
    assert_eq!(since, written[5..], "{at}");
    assert_eq!(world.found(&["--until", at]).await, written[..5], "{at}");
    assert!(world.found(&["--since", at, "--until", at]).await.is_empty());
    assert_eq!(world.found(&["--since", at, "--limit", "1"]).await, written[5..6]);
    assert!(world.found(&["--until", "2001-01-01"]).await.is_empty());
    assert!(world.found(&["--since", "2999-01-01"]).await.is_empty());
    assert_eq!(world.found(&["--since", "1d"]).await, written);
}

#[tokio::test]
async fn the_configuration_says_where_to_ask() {
    let world = World::sqlite().await;
    let (status, out, complaints) = world.run(&["query", "--limit", "3"]).await;
    assert_eq!((status, out.lines().count()), (0, 3));
    assert!(complaints.starts_with("cedargate: reading the database `sqlite://"), "{complaints}");
    let ground = world.stand.stop().await.with("audit.database", false);
    let config = ground.config();
    let config = ["query", "--limit", "3", "--config", config.to_str().unwrap()];
    let (status, again, complaints) = audit(ground.directory.path(), &config).await;
    assert_eq!((status, again), (0, out));
    assert!(complaints.starts_with("cedargate: reading the journal in `"), "{complaints}");
}

#[tokio::test]
async fn a_source_that_is_not_there_is_said() {
    let directory = tempfile::tempdir().unwrap();
    for (source, word) in [
        (["--journal", "nowhere"], "`nowhere` is not a directory"),
        (["--database", "sqlite://nowhere.db"], "the database cannot be used"),
        (["--database", "mysql://x:secret@y/z"], "`mysql` is not a database URL"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ] {
        for command in [&["query"][..], &["report", "break-glass"], &["export", "--format", "csv"]]
        {
            let (status, out, complaints) =
                audit(directory.path(), &[command, &source].concat()).await;
            assert_eq!((status, out.as_str()), (2, ""), "{source:?}");
            assert!(complaints.contains(word) && !complaints.contains("secret"), "{complaints}");
        }
    }
}

#[tokio::test]
async fn a_journal_is_verified_against_the_database() {
    let world = World::postgres().await;
    let database = world.database.clone();
    let total = world.stand.ground.journal.records().len();
    let mut world = World { stand: world.stand.stop().await.start().await, ..world };
    let verify = |directory: &'static str| ["verify", "--database", &database, directory];
    let (status, out, complaints) = world.run(&verify("var/audit")).await;
    assert_eq!(status, 0, "{out}{complaints}");
    assert!(
        out.contains(&format!("{total} records are the same there, column by column; 0 are not")),
        "{out}"
    );

    // The whole directory, put back to what it once was.
    let old = world.directory().join("old");
    tests::stand::copy_tree(world.stand.ground.journal.directory(), &old);
    let more = Request::get(OTHER_PATIENT).token(&token("east-doctor"));
    world.send("more", 200, more).await;
    world.is_delivered().await;
    let (status, out, complaints) = world.run(&["verify", "old"]).await;
    assert_eq!(status, 0, "{out}{complaints}");
    let (status, out, _) = world.run(&verify("old")).await;
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("its end was cut off"), "{out}");
}
