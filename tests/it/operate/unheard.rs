//! A log that cannot be written harms nobody: whoever reads it has ended, its disk is full, or its
//! reader does not keep up. What logs then goes on: the watcher of policies, the fetching of keys,
//! the accept loop, the record of a request.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;
use tests::{
    binary::Binary,
    client::{Connection, Request},
    metrics::Metrics,
    stand::{Ground, Stand},
    tokens::{AUDIENCE, FOREIGN, ISSUER, Signing, TRUSTED, claims, header, raw, token},
    upstream::{Behaviour, Upstream},
    wait::eventually,
};

const DOCTOR: &str = "kauvery-doctor";
const PATIENTS: &str = "/api/patients";

/// Where the log goes, and what has to be held so that it stays as bad as it is.
fn bad_logs() -> Vec<(&'static str, Stdio, Option<std::io::PipeReader>)> {
    let (gone, closed) = std::io::pipe().unwrap();
    drop(gone);
    let (reader, stuck) = std::io::pipe().unwrap();
    // It is full before the gate has anything to say, and stays so until the reader ends.
    let mut filler = stuck.try_clone().unwrap();
    std::thread::spawn(move || while filler.write_all(&[b'x'; 4096]).is_ok() {});
    let full = File::options().write(true).open("/dev/full").unwrap();
    vec![
        ("its reader has ended", closed.into(), None),
        ("its disk is full", full.into(), None),
        ("its reader does not read", stuck.into(), Some(reader)),
    ]
}

/// A gate that logs all that it can, and whose keys come from `provider`.
async fn start(provider: &Upstream, log: Stdio) -> (Ground, Binary) {
    serve_keys(provider, &[]);
    let url = format!("http://{}/jwks.json", provider.address());
    let issuer = json!([{"issuer": ISSUER, "audiences": [AUDIENCE],
        "algorithms": ["EdDSA", "ES256", "RS256"], "jwks": url}]);
    let ground = Stand::builder().set("jwt.issuers", issuer).prepare().await;
    let gate = Binary::serve_logging_to(ground.directory.path(), log).await;
    (ground, gate)
}

/// The keys that tokens are signed by, and foreign ones by these names.
fn serve_keys(provider: &Upstream, names: &[&str]) {
    let mut set = TRUSTED.key_set();
    for name in names {
        let mut key = FOREIGN.first_jwk();
        key["kid"] = (*name).into();
        set["keys"].as_array_mut().unwrap().push(key);
    }
    provider.on("/jwks.json", Behaviour::Answer(200, Vec::new(), set.to_string().into_bytes()));
}

/// A token of the doctor by the foreign key of this name.
fn signed_by(name: &str) -> String {
    let mut header = header(Signing::EdDsa);
    header["kid"] = name.into();
    raw(&FOREIGN, Signing::EdDsa, header.to_string(), claims(DOCTOR).to_string())
}

async fn status_of(gate: &Binary, token: &str) -> u16 {
    let request = Request::get(PATIENTS).token(token);
    tests::client::send(gate.proxy(), &request).await.status
}

async fn becomes(gate: &Binary, token: &str, status: u16, what: &str) {
    eventually(what, || async { (status_of(gate, token).await == status).then_some(()) }).await;
}

fn write(ground: &Ground, name: &str, text: &str) {
    let folder = ground.directory.path().join("policies");
    fs::write(folder.join(format!("{name}.cedar")), text).unwrap();
}

#[tokio::test]
async fn everything_goes_on_though_the_log_cannot_be_written() {
    for (what, log, _held) in bad_logs() {
        let provider = Upstream::start();
        let (ground, mut gate) = start(&provider, log).await;
        let doctor = token(DOCTOR);
        becomes(&gate, &doctor, 200, &format!("{what}: keys are fetched")).await;

        // An edit is told of in the log; it is the next one that must be in force all the same.
        write(
            &ground,
            "first",
            "@id(\"first\")\n\
             permit (principal is User, action == Action::\"visit_notes.list\", resource)\n\
             when { principal.roles.contains(Role::\"RECEPTIONIST\") };",
        );
        let generation = async || {
            let status = tests::client::send(gate.admin(), &Request::get("/status")).await.json();
            (status["policy_generation"] == 2).then_some(())
        };
        eventually(&format!("{what}: an edit is in force"), generation).await;
        write(
            &ground,
            "second",
            "@id(\"second\") @layer(\"role\") @reason(\"role_not_allowed\") @message(\"no\")\n\
             forbid (principal is User, action == Action::\"patients.list\", resource)\n\
             when { principal.roles.contains(Role::\"DOCTOR\") };",
        );
        becomes(&gate, &doctor, 403, &format!("{what}: a new forbid is in force")).await;
        fs::remove_file(ground.directory.path().join("policies/second.cedar")).unwrap();
        becomes(&gate, &doctor, 200, &format!("{what}: and out of force")).await;

        // Twice: the first rotation is told of in the log.
        for names in [&["new"][..], &["new", "newer"]] {
            serve_keys(&provider, names);
            let by = signed_by(names[names.len() - 1]);
            becomes(&gate, &by, 200, &format!("{what}: new keys are fetched")).await;
        }

        ground.upstream.on(PATIENTS, Behaviour::Close);
        let request = Request::get(PATIENTS).token(&doctor);
        let answer = tests::client::send(gate.proxy(), &request).await;
        assert_eq!(answer.status, 502, "{what}: the upstream hangs up");
        assert_eq!(ground.journal.outcome(answer.id()).await["status"], 502, "{what}");
        ground.upstream.on(PATIENTS, Behaviour::Answer(200, Vec::new(), Vec::new()));

        gate.hang_up().await;
        becomes(&gate, &doctor, 200, &format!("{what}: SIGHUP ends nothing")).await;
        assert!(gate.is_running(), "{what}");
        let metrics = Metrics::at(gate.admin()).await;
        let restarts = metrics.sum("cedargate_task_restarts_total", &[]).to_string();
        assert_eq!(restarts, "0", "{what}: nothing fell");
        eventually(&format!("{what}: lost lines are counted"), || async {
            let metrics = Metrics::at(gate.admin()).await;
            (metrics.sum("cedargate_log_lines_lost_total", &[]) > 0.0).then_some(())
        })
        .await;
        assert_eq!(gate.signal("TERM").await, Some(0), "{what}");
    }
}

/// Clients that take all descriptors for a moment take the gate's door with them in no case.
#[tokio::test]
async fn running_out_of_descriptors_ends_nothing_though_the_log_cannot_be_written() {
    for (what, log, _held) in bad_logs() {
        let ground = Stand::builder().prepare().await;
        let limited = ["prlimit", "--nofile=96:96"];
        let gate = Binary::serve_started_by(ground.directory.path(), log, &limited).await;
        let doctor = token(DOCTOR);
        assert_eq!(status_of(&gate, &doctor).await, 200, "{what}");
        let mut many = Vec::new();
        for _ in 0..200 {
            many.push(Connection::open(gate.proxy()).await);
        }
        drop(many);
        eventually(&format!("{what}: clients are let in again"), || async {
            let mut connection = Connection::open(gate.proxy()).await;
            let request = Request::get(PATIENTS).token(&doctor);
            let answer = connection.send(&request).await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

/// A line that could be written again tells of those that could not.
#[tokio::test]
async fn a_log_that_can_be_written_again_tells_what_is_missing() {
    use std::io::Read as _;
    let (mut reader, stuck) = std::io::pipe().unwrap();
    let ground = Stand::builder().prepare().await;
    let gate = Binary::serve_logging_to(ground.directory.path(), stuck.into()).await;
    let lost = async || {
        let _asked = status_of(&gate, &token(DOCTOR)).await;
        let metrics = Metrics::at(gate.admin()).await;
        (metrics.sum("cedargate_log_lines_lost_total", &[]) > 0.0).then_some(())
    };
    eventually("the pipe is full", lost).await;
    let drained = tokio::task::spawn_blocking(move || {
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&text).contains("lines before this one") {
            let read = reader.read(&mut piece).unwrap();
            assert!(read > 0, "the gate has ended");
            text.extend_from_slice(&piece[..read]);
        }
    });
    let told = eventually("the log tells", || async {
        let _logged = status_of(&gate, &token(DOCTOR)).await;
        drained.is_finished().then_some(())
    });
    told.await;
    drained.await.unwrap();
}
