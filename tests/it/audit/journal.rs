//! The journal as an operator meets it: full, damaged, signed with a new key, printed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tests::{
    binary::{self, Binary},
    client::{self, Answer, Request},
    stand::{Ground, Stand},
    tokens::token,
    wait::eventually,
};

fn request() -> Request {
    Request::get("/api/patients").token(&token("kauvery-doctor"))
}

async fn ask(gate: &Binary) -> Answer {
    client::send(gate.proxy(), &request()).await
}

/// Asks until requests are refused because they cannot be recorded.
async fn fill(gate: &Binary) {
    eventually("requests are refused", || async {
        for _ in 0..50 {
            let answer = ask(gate).await;
            if answer.status != 200 {
                assert_eq!((answer.status, answer.reason().as_str()), (503, "audit_unavailable"));
                return Some(());
            }
        }
        None
    })
    .await;
}

async fn until_allowed(gate: &Binary) {
    eventually("requests are let in again", || async {
        (ask(gate).await.status == 200).then_some(())
    })
    .await;
}

async fn audit_check(gate: &Binary) -> (u16, serde_json::Value) {
    let ready = client::send(gate.admin(), &Request::get("/readyz")).await;
    (ready.status, ready.json()["checks"]["audit"].clone())
}

/// Nothing that the upstream saw is without an intent, and the journal is whole.
async fn nothing_went_unrecorded(ground: &Ground) {
    let records = ground.journal.records();
    for seen in ground.upstream.requests() {
        let intent = |record: &&serde_json::Value| record["id"] == seen.id();
        assert!(records.iter().any(|record| intent(&record)), "{} is not recorded", seen.id());
    }
    assert_eq!(verify(ground, &[]).await, (0, String::new()));
}

/// The exit status of `audit verify`, and what it says if it is not content.
async fn verify(ground: &Ground, options: &[&str]) -> (i32, String) {
    let directory = ground.journal.directory().to_str().unwrap().to_owned();
    let arguments = [&["audit", "verify"], options, &[directory.as_str()]].concat();
    let (status, said, error) = binary::run(ground.directory.path(), &arguments).await;
    (status, if status == 0 { String::new() } else { said + &error })
}

#[tokio::test]
async fn near_the_quota_it_warns_and_at_it_it_refuses() {
    let ground = Stand::builder().set("audit.quota", "1MiB").prepare().await;
    let gate = ground.serve().await;
    until_allowed(&gate).await;
    assert_eq!(audit_check(&gate).await.1["warning"], serde_json::Value::Null);
    let ballast = ground.journal.directory().join("ballast");
    fs::write(&ballast, vec![0; 900 << 10]).unwrap();
    eventually("somebody says that it is near", || async {
        let (status, check) = audit_check(&gate).await;
        let warned = check["warning"].as_str().is_some_and(|it| it.contains("`audit.quota"));
        (status == 200 && warned).then_some(())
    })
    .await;
    fill(&gate).await;
    let (status, check) = audit_check(&gate).await;
    assert_eq!((status, &check["ok"]), (503, &false.into()), "{check}");
    assert!(check["error"].as_str().unwrap().contains("`audit.quota` is reached"), "{check}");
    fs::remove_file(ballast).unwrap();
    until_allowed(&gate).await;
    the_outage_is_marked(&ground).await;
    nothing_went_unrecorded(&ground).await;
}

/// Requests were refused because they could not be recorded: once it heals, the journal says how many and when.
async fn the_outage_is_marked(ground: &Ground) {
    let mark = eventually("the outage is marked", || async {
        let records = ground.journal.records();
        records
            .into_iter()
            .find(|it| it["reason"] == "audit_unavailable" && it["event_type"] == "gate")
    })
    .await;
    let told = &mark["details"];
    assert!(told["refused"].as_u64().unwrap() > 0, "{mark}");
    let (from, to) = (told["from"].as_str().unwrap(), told["to"].as_str().unwrap());
    assert!(from <= to && to <= mark["timestamp"].as_str().unwrap(), "{mark}");
    let directory = ground.journal.directory().to_str().unwrap();
    let verify = ["audit", "verify", directory];
    let (_, said, _) = binary::run(ground.directory.path(), &verify).await;
    assert!(said.contains("records could not be written: "), "{said}");
    let query = ["audit", "query", "--event", "gate", "--journal", directory];
    let (_, said, _) = binary::run(ground.directory.path(), &query).await;
    assert!(said.contains("reason=audit_unavailable"), "{said}");
}

/// A small file system of its own, as long as it lives.
struct Mount(PathBuf);

impl Mount {
    /// Where the machine allows that.
    fn try_at(place: &Path) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs"]).arg(place);
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then(|| Self(place.to_owned()))
    }

    fn enlarge(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-o", "remount,size=8m"]).arg(&self.0);
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_file_system_refuses_until_there_is_room() {
    let ground = Stand::builder().prepare().await;
    let Some(mount) = Mount::try_at(ground.journal.directory()) else {
        println!(
            "this machine allows no mounts: `faults` shows the same with a limit of file size"
        );
        return;
    };
    let gate = ground.serve().await;
    fill(&gate).await;
    assert_eq!(audit_check(&gate).await.0, 503);
    assert_eq!(client::send(gate.admin(), &Request::get("/livez")).await.status, 200);
    mount.enlarge();
    until_allowed(&gate).await;
    the_outage_is_marked(&ground).await;
    assert_eq!(gate.signal("TERM").await, Some(0));
    nothing_went_unrecorded(&ground).await;
}

#[tokio::test]
async fn a_changed_record_stops_the_start_unless_it_is_to_go_on() {
    let ground = Stand::builder().prepare().await;
    let gate = ground.serve().await;
    for _ in 0..5 {
        assert_eq!(ask(&gate).await.status, 200);
    }
    assert_eq!(gate.signal("TERM").await, Some(0));
    let segment = only_segment(&ground);
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("kauvery-doctor", "kauvery-nobody", 1)).unwrap();

    let config = ground.config();
    let serve = ["serve", "--config", config.to_str().unwrap()];
    let (status, _, error) = binary::run(ground.directory.path(), &serve).await;
    assert_eq!(status, 1, "{error}");
    for said in ["is not what was written", "record 1", "line 2", "`audit.on_damage: start`"] {
        assert!(error.contains(said), "{error}");
    }
    let ground = ground.with("audit.on_damage", "start");
    let gate = ground.serve().await;
    assert_eq!(ask(&gate).await.status, 200);
    assert_eq!(gate.signal("TERM").await, Some(0));
    let (status, said) = verify(&ground, &[]).await;
    assert_eq!(status, 1);
    assert!(said.contains("1 fault"), "{said}");
    let records = ground.journal.records();
    assert_eq!(records.last().unwrap()["seq"], 12, "the numbers go on");
}

#[tokio::test]
async fn a_missing_segment_or_a_wrong_signature_stops_the_start() {
    let ground = Stand::builder().set("audit.segment_size", "4KiB").prepare().await;
    let gate = ground.serve().await;
    for _ in 0..10 {
        assert_eq!(ask(&gate).await.status, 200);
    }
    assert_eq!(gate.signal("TERM").await, Some(0));
    let all = fs::read_dir(ground.journal.directory()).unwrap();
    let mut all: Vec<_> = all.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let of = |kind: &str| {
        let named = all.iter().filter(|path| path.display().to_string().contains(kind));
        named.cloned().collect::<Vec<_>>()
    };
    let (segments, checkpoints) = (of(".jsonl"), of(".checkpoints"));
    assert!(segments.len() > 2, "{all:?}");

    let aside = ground.directory.path().join("aside");
    fs::rename(&segments[1], &aside).unwrap();
    refuses_to_start(&ground, "segment").await;
    fs::rename(&aside, &segments[1]).unwrap();

    let last = checkpoints.last().unwrap();
    let text = fs::read_to_string(last).unwrap();
    let (before, signature) = text.rsplit_once("\"signatures\":[\"").unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{before}\"signatures\":[\"{other}{}", &signature[1..]);
    fs::write(last, forged).unwrap();
    refuses_to_start(&ground, "checkpoint").await;
    fs::write(last, text).unwrap();

    let gate = ground.serve().await;
    assert_eq!(ask(&gate).await.status, 200);
    gate.kill().await;

    // A file that is no file of zstd any more: gone on behind, where that is wanted.
    let compressed = of(".jsonl.zst");
    if let Some(first) = compressed.first() {
        fs::write(first, "not zstd").unwrap();
        refuses_to_start(&ground, "record 1").await;
        let ground = ground.with("audit.on_damage", "start");
        let gate = ground.serve().await;
        assert_eq!(ask(&gate).await.status, 200);
    }
}

async fn refuses_to_start(ground: &Ground, why: &str) {
    let config = ground.config();
    let serve = ["serve", "--config", config.to_str().unwrap()];
    let (status, _, error) = binary::run(ground.directory.path(), &serve).await;
    assert!(status == 1 && error.contains("is not what was written"), "{error}");
    assert!(error.contains(why), "{error}");
}

fn only_segment(ground: &Ground) -> PathBuf {
    let found = fs::read_dir(ground.journal.directory()).unwrap();
    let mut found: Vec<_> = found.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Makes a key as `docs/how-to/operations.md` says; gives the file of its public half.
fn make_key(folder: &Path, name: &str) -> String {
    let (private, public) =
        (folder.join(format!("{name}.pem")), folder.join(format!("{name}.pub")));
    let openssl = |arguments: &[&str], file: &Path| {
        let made = Command::new("openssl").args(arguments).arg("-out").arg(file).status();
        assert!(made.unwrap().success());
    };
    openssl(&["genpkey", "-algorithm", "ed25519"], &private);
    openssl(&["pkey", "-pubout", "-in", private.to_str().unwrap()], &public);
    public.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn keys_change_with_an_overlap() {
    let ground = Stand::builder().prepare().await;
    let folder = ground.directory.path().join("keys");
    let (old, new) = (make_key(&folder, "audit-1"), make_key(&folder, "audit-2"));
    let mut ground = ground;
    for keys in [vec!["audit-1"], vec!["audit-2", "audit-1"], vec!["audit-2"]] {
        let keys: Vec<String> = keys.iter().map(|key| format!("keys/{key}.pem")).collect();
        ground = ground.with("audit.signing_keys", keys);
        let gate = ground.serve().await;
        assert_eq!(ask(&gate).await.status, 200);
        assert_eq!(gate.signal("TERM").await, Some(0));
    }
    let good = (0, String::new());
    assert_eq!(verify(&ground, &["--key", &old]).await, good, "the old key vouches for the new");
    assert_eq!(verify(&ground, &["--key", &new]).await, good, "and the new for the old");
    assert_eq!(verify(&ground, &[]).await, good);
    let stranger = make_key(&folder, "stranger");
    assert_eq!(verify(&ground, &["--key", &stranger]).await.0, 1);
    assert!(!ground.journal.directory().join("signing.pem").exists(), "no key was made");
    let ground = ground.with("audit.signing_keys", vec!["keys/stranger.pem"]);
    refuses_to_start(&ground, "signed, but by nobody who is trusted").await;
}

#[tokio::test]
async fn records_are_printed_where_that_is_wanted() {
    let ground = Stand::builder().set("audit.stdout", true).prepare().await;
    let mut ids = Vec::new();
    let mut printed = String::new();
    for _ in 0..2 {
        let gate = ground.serve().await;
        ids.push(ask(&gate).await.id().to_owned());
        printed += &gate.output_until_stopped().await;
    }
    let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with('{')).collect();
    let written: Vec<String> =
        ground.journal.records().iter().map(|record| record["chain"].to_string()).collect();
    assert_eq!(lines.len(), 4, "{printed}");
    for (line, chain) in lines.iter().zip(written) {
        assert!(line.contains(&chain), "{line}");
    }
}

#[tokio::test]
async fn where_nothing_is_promised_that_is_said() {
    let ground = Stand::builder().set("audit.durability", "none").prepare().await;
    let gate = ground.serve().await;
    let answer = ask(&gate).await;
    let (status, check) = audit_check(&gate).await;
    assert_eq!(status, 200);
    assert!(check["warning"].as_str().unwrap().contains("`audit.durability: none`"), "{check}");
    let records = ground.journal.of(answer.id()).await;
    assert!(records.iter().all(|record| record["durability"] == "none"), "{records:?}");
}

/// Compressing must not take the core from requests.
#[tokio::test]
async fn the_archivist_lets_everybody_else_go_first() {
    let ground = Stand::builder().prepare().await;
    let gate = ground.serve().await;
    eventually("the archivist is nice", || async {
        (gate.nice("audit-archivist") == Some(10)).then_some(())
    })
    .await;
    assert_eq!(gate.nice("audit-notary"), Some(0));
}
