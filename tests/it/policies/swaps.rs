//! Policies that are swapped while requests run, however somebody writes them.

use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tests::{
    big::{bulk, enlarge},
    binary,
    client::{self, Connection, Request},
    metrics::Metrics,
    stand::{Ground, Stand},
    tokens::token,
    wait::{DEADLINE, eventually},
};

/// One more who may: with it the receptionist reads the notes of visits.
const EXTRA: &str = "@id(\"extra\")
permit (principal is User, action == Action::\"visit_notes.list\", resource)
when { principal.roles.contains(Role::\"RECEPTIONIST\") };
";
const NOTES: &str = "/api/visit-notes";

fn folder(ground: &Ground) -> PathBuf {
    ground.directory.path().join("policies")
}

async fn status(stand: &Stand) -> Value {
    stand.ask_admin("/status").await.json()
}

/// Waits until the receptionist is answered with `expected`.
async fn becomes(stand: &Stand, expected: u16) {
    eventually(&format!("the receptionist gets {expected}"), || async {
        (stand.get("kauvery-receptionist", NOTES).await.status == expected).then_some(())
    })
    .await;
}

/// Waits until the newest bundle is a bad one and that is said.
async fn is_rejected(stand: &Stand) {
    eventually("the bad bundle is said", || async {
        status(stand).await["policy_error"].is_string().then_some(())
    })
    .await;
}

/// Asks for the notes on one connection until told to stop; gives the ids with their statuses.
async fn ask_on(
    stand: Arc<Stand>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
) -> Vec<(String, u16)> {
    let request = Request::get(NOTES).token(&token("kauvery-receptionist"));
    let mut connection = Connection::open(stand.proxy()).await;
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = connection.send(&request).await.expect("the connection lives on");
        seen.push((answer.id().to_owned(), answer.status));
        asked.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_swaps_under_load() {
    let stand = Arc::new(Stand::sqlite().await);
    let folder = folder(&stand.ground);
    let (off, on) = (folder.join("extra.off"), folder.join("extra.cedar"));
    fs::write(&off, EXTRA).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::<AtomicUsize>::default();
    let client = || ask_on(Arc::clone(&stand), Arc::clone(&stop), Arc::clone(&asked));
    let clients: Vec<_> = (0..32).map(|_| tokio::spawn(client())).collect();
    let mut digests = HashMap::new();
    for swap in 0..200 {
        let (from, to, expected) = if swap % 2 == 0 { (&off, &on, 200) } else { (&on, &off, 403) };
        fs::rename(from, to).unwrap();
        // The watcher may have seen it first: then it is unchanged.
        let answer = client::send(stand.admin(), &Request::new("POST", "/reload")).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        let digest = answer.json()["digest"].as_str().unwrap().to_owned();
        assert_eq!(digests.insert(digest, expected).unwrap_or(expected), expected);
        // However fast the machine is, each bundle judges some requests.
        eventually("some more requests", || async {
            (asked.load(Ordering::Relaxed) > swap * 5).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut answers = HashMap::new();
    for client in clients {
        answers.extend(client.await.unwrap());
    }
    assert_eq!(digests.len(), 2);
    assert!(answers.len() > 1_000, "{}", answers.len());
    let journal = stand.ground.journal.clone();
    let mut judged = 0;
    for record in journal.records().iter().filter(|record| record["phase"] != "outcome") {
        let digest = record["policy_digest"].as_str().unwrap();
        let expected = digests.get(digest).expect("one of the two bundles");
        let id = record["id"].as_str().unwrap();
        assert_eq!(answers.get(id), Some(expected), "{record}");
        judged += 1;
    }
    assert_eq!(judged, answers.len());
    assert_eq!(status(&stand).await["policy_generation"], 201);
}

#[tokio::test]
async fn a_config_map_is_swapped_by_its_symlink() {
    let ground = Stand::builder().prepare().await;
    let folder = folder(&ground);
    let whole = ground.directory.path().join("whole");
    fs::rename(&folder, &whole).unwrap();
    fs::create_dir(&folder).unwrap();
    // As a kubelet mounts it: files are links into `..data`, which is a link to a folder.
    let copy = |name: &str| {
        let data = folder.join(name);
        fs::create_dir(&data).unwrap();
        for entry in fs::read_dir(&whole).unwrap().flatten().filter(|it| it.path().is_file()) {
            fs::copy(entry.path(), data.join(entry.file_name())).unwrap();
        }
        data
    };
    let first = copy("..2026_11_21_1");
    symlink("..2026_11_21_1", folder.join("..data")).unwrap();
    for entry in fs::read_dir(&first).unwrap().flatten() {
        let name = entry.file_name();
        symlink(Path::new("..data").join(&name), folder.join(&name)).unwrap();
    }
    let stand = ground.start().await;
    becomes(&stand, 403).await;
    let second = copy("..2026_11_21_2");
    let roles = fs::read_to_string(second.join("roles.cedar")).unwrap();
    fs::write(second.join("roles.cedar"), roles + EXTRA).unwrap();
    symlink("..2026_11_21_2", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    fs::remove_dir_all(first).unwrap();
    becomes(&stand, 200).await;
    assert_eq!(status(&stand).await["policy_error"], Value::Null);
}

#[tokio::test]
async fn a_half_written_file_changes_nothing_until_it_is_whole() {
    let stand = Stand::sqlite().await;
    let file = folder(&stand.ground).join("roles.cedar");
    let text = fs::read_to_string(&file).unwrap() + EXTRA;
    let (half, _) = text.split_at(text.len() - 40);
    fs::write(&file, half).unwrap();
    is_rejected(&stand).await;
    let said = status(&stand).await;
    assert!(said["policy_error"].as_str().unwrap().contains("roles.cedar:"), "{said}");
    assert_eq!(stand.get("kauvery-receptionist", NOTES).await.status, 403);
    let ready = stand.ask_admin("/readyz").await;
    assert_eq!(ready.status, 200, "the last good one is in force");
    let warning = ready.json()["checks"]["policies"]["warning"].clone();
    assert!(warning.as_str().unwrap().contains("rejected"), "{warning}");
    fs::write(&file, text).unwrap();
    becomes(&stand, 200).await;
    assert_eq!(status(&stand).await["policy_error"], Value::Null);
    assert!(Metrics::of(&stand).await.sum("cedargate_policy_rejected", &[]) < 1.0);
}

/// Half of a file may be a good one: whoever has it open may not be done.
#[tokio::test]
async fn a_file_is_not_read_while_somebody_writes_to_it() {
    let deadline = Instant::now() + DEADLINE;
    while !a_file_is_written_slowly().await {
        assert!(Instant::now() < deadline, "this machine never was idle enough");
    }
}

/// Writes two policies to one file, with a second between them. Gives `false`, and shows nothing, where a busy machine
/// has made more of that second: a gate waits for a writer, but not forever.
async fn a_file_is_written_slowly() -> bool {
    let stand = Stand::sqlite().await;
    let before = status(&stand).await["policies"].as_u64().unwrap();
    // Who is heard of is known only once the folder is watched.
    fs::write(folder(&stand.ground).join("comment.cedar"), "// Nothing yet.").unwrap();
    eventually("the folder is watched", || async {
        (status(&stand).await["policy_generation"] == 2).then_some(())
    })
    .await;
    let began = Instant::now();
    let mut file = fs::File::create(folder(&stand.ground).join("extra.cedar")).unwrap();
    file.write_all(EXTRA.as_bytes()).unwrap();
    // Longer than a folder that is quiet, or never is, would wait to be read.
    tokio::time::sleep(Duration::from_secs(1)).await;
    file.write_all(EXTRA.replace("extra", "more").as_bytes()).unwrap();
    drop(file);
    let in_time = began.elapsed() < Duration::from_secs(3);
    eventually("both policies are in force", || async {
        (status(&stand).await["policies"] == before + 2).then_some(())
    })
    .await;
    let alone = status(&stand).await["policy_generation"] != 3;
    assert!(!(in_time && alone), "one of them was alone");
    in_time
}

#[tokio::test]
async fn a_folder_vanishes_and_comes_back() {
    let stand = Stand::sqlite().await;
    let folder = folder(&stand.ground);
    let gone = folder.with_extension("gone");
    fs::rename(&folder, &gone).unwrap();
    is_rejected(&stand).await;
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.status, 200);
    fs::write(gone.join("extra.cedar"), EXTRA).unwrap();
    fs::rename(&gone, &folder).unwrap();
    becomes(&stand, 200).await;
    // It is watched again, though it is another folder to the system.
    fs::remove_file(folder.join("extra.cedar")).unwrap();
    becomes(&stand, 403).await;
}

#[tokio::test]
async fn a_hundred_rapid_saves_end_in_the_last() {
    let stand = Stand::sqlite().await;
    let file = folder(&stand.ground).join("extra.cedar");
    for save in 0..100 {
        fs::write(&file, format!("// Save {save}.\n{}", if save == 99 { EXTRA } else { "" }))
            .unwrap();
    }
    becomes(&stand, 200).await;
    let said = status(&stand).await;
    assert_eq!(said["policy_error"], Value::Null);
    // They were gathered: most were never looked at.
    assert!(said["policy_generation"].as_u64().unwrap() < 50, "{said}");
}

#[tokio::test]
async fn an_edit_of_one_policy_among_many_goes_live() {
    let ground = Stand::builder().prepare().await;
    let folder = folder(&ground);
    enlarge(&folder, 1_000);
    let stand = ground.start().await;
    let last = "/api/bulk/199";
    assert_eq!(stand.get("kauvery-receptionist", last).await.reason(), "role_not_allowed");
    fs::write(folder.join("bulk.cedar"), bulk(200, "RECEPTIONIST")).unwrap();
    eventually("the edited policy lets the receptionist in", || async {
        (stand.get("kauvery-receptionist", last).await.status == 200).then_some(())
    })
    .await;
    assert_eq!(stand.get("kauvery-receptionist", "/api/bulk/198").await.status, 403);
    assert_eq!(stand.get("kauvery-doctor", "/api/bulk/7").await.status, 200);
}

#[tokio::test]
async fn a_restart_on_a_bad_folder_serves_the_last_good_bundle() {
    let ground = Stand::builder().prepare().await;
    let (folder, root) = (folder(&ground), ground.directory.path());
    fs::write(folder.join("extra.cedar"), EXTRA).unwrap();
    let gate = ground.serve().await;
    let ask = |address| async move { client::send(address, &Request::get("/status")).await.json() };
    let good = ask(gate.admin()).await["policy_digest"].clone();
    gate.kill().await;

    fs::write(folder.join("extra.cedar"), "permit (").unwrap();
    let gate = ground.serve().await;
    let said = ask(gate.admin()).await;
    assert_eq!((&said["policy_digest"], &said["policy_source"]), (&good, &json!("archive")));
    assert!(said["policy_error"].as_str().unwrap().contains("extra.cedar:1:"), "{said}");
    let request = Request::get(NOTES).token(&token("kauvery-receptionist"));
    assert_eq!(client::send(gate.proxy(), &request).await.status, 200);
    let metrics = client::send(gate.admin(), &Request::get("/metrics")).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("\ncedargate_policy_rejected 1\n"), "{metrics}");
    let log = fs::read_to_string(root.join("stderr.log")).unwrap();
    assert!(log.contains("the last good ones are served from the archive"), "{log}");

    // The folder is mended: it is served again, though nothing that decides is new.
    fs::write(folder.join("extra.cedar"), EXTRA).unwrap();
    eventually("the folder is served again", || async {
        let said = ask(gate.admin()).await;
        (said["policy_source"] == "directory" && said["policy_error"].is_null()).then_some(())
    })
    .await;
    gate.kill().await;

    // Without a last good one, or with one that somebody changed, there is no start.
    fs::write(folder.join("extra.cedar"), "permit (").unwrap();
    let kept = root.join(format!("var/audit/policies/{}.json", good.as_str().unwrap()));
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, text.replacen("RECEPTIONIST", "BILLING", 1)).unwrap();
    for _ in 0..2 {
        let (code, _, said) = binary::run(root, &["serve"]).await;
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("the policies are not accepted") && said.contains("extra.cedar:1:"),
            "{said}"
        );
        let _gone = fs::remove_dir_all(root.join("var/audit/policies"));
    }
}

#[tokio::test]
async fn the_same_bundle_has_the_same_digest_everywhere() {
    let ground = Stand::builder().prepare().await;
    let root = ground.directory.path();
    let digest = async |folder: &str| {
        let (code, said, _) =
            binary::run(root, &["check", "--policies", folder, "--format", "json"]).await;
        assert_eq!(code, 0, "{said}");
        let said = said.split("digest ").nth(1).unwrap();
        said.chars().take(64).collect::<String>()
    };
    let first = digest("policies").await;
    // Copied in another order, with files that decide nothing beside it.
    let mut names: Vec<_> = fs::read_dir(folder(&ground)).unwrap().flatten().collect();
    names.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    fs::create_dir(root.join("other")).unwrap();
    for entry in names.iter().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), root.join("other").join(entry.file_name())).unwrap();
    }
    fs::write(root.join("other/README.md"), "nothing").unwrap();
    fs::write(root.join("other/.hidden.cedar"), "nothing").unwrap();
    assert_eq!(digest("other").await, first);
    fs::write(root.join("other/extra.cedar"), EXTRA).unwrap();
    assert_ne!(digest("other").await, first);
}
