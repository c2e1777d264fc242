//! Whatever is put in force can be started from, and a start admits no more than a reload.

use std::{fs, path::Path};

use policy_store::{archive::Archive, bundle::Sources};
use proxy::{Gate, config::Config};
use serde_json::{Value, json};
use tests::{
    client::{self, Request},
    example::{Example, Running},
    postgres::Cluster,
    stand::Ground,
    wait::eventually,
};

use super::{GRANT, NOTES, OWN, ground, policies, reload, status, test_by};

/// Makes the schema ask for what no facts give.
fn ask_for_more(policies: &Path) {
    let schema = policies.join("schema.cedarschema");
    let text = fs::read_to_string(&schema).unwrap();
    let more =
        text.replace("entity Patient = { owner", "entity Patient = { assigned: Set<User>, owner");
    assert_ne!(text, more);
    fs::write(&schema, more).unwrap();
}

fn comment(policies: &Path, text: &str) {
    fs::write(policies.join("comment.cedar"), format!("// {text}\n")).unwrap();
}

fn archive(ground: &Ground) -> Archive {
    Archive::new(ground.directory.path().join("var/audit/policies"))
}

/// Why a gate does not start.
async fn refusal(ground: &Ground) -> String {
    let config = Config::load(Some(&ground.config()), std::iter::empty()).unwrap();
    Gate::start(config).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_reload_refuses_what_a_start_refuses() {
    let stand = ground("no-grants").await.start().await;
    let before = status(&stand).await["policy_digest"].clone();
    ask_for_more(&policies(&stand.ground));
    // Nothing overrides it: it could not be started again.
    for query in ["", "?emergency=true"] {
        let answer = reload(&stand, query).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.json());
        let finding = &answer.json()["findings"][0];
        assert_eq!(finding["rule"], "unstartable");
        assert!(finding["message"].as_str().unwrap().contains("`Patient.assigned: "), "{finding}");
    }
    let last = archive(&stand.ground).last_digest().unwrap();
    assert_eq!(last.as_deref(), before.as_str());
    let stand = stand.stop().await.start().await;
    let said = status(&stand).await;
    assert_eq!((&said["policy_digest"], &said["policy_source"]), (&before, &json!("archive")));
    assert!(said["policy_error"].as_str().unwrap().contains("assigned"), "{said}");
    assert_eq!(stand.get("kauvery-doctor", NOTES).await.status, 200);
}

/// As an older version of the gate has left it: the last good bundle cannot be started from.
#[tokio::test]
async fn a_start_looks_further_back_than_the_last_good_bundle() {
    let mut digests = Vec::new();
    let stand = ground("no-grants").await.start().await;
    let folder = policies(&stand.ground);
    for text in ["first", "second", "first", "third", "second"] {
        comment(&folder, text);
        assert_eq!(reload(&stand, "").await.status, 200);
        digests.push(status(&stand).await["policy_digest"].as_str().unwrap().to_owned());
    }
    let ground = stand.stop().await;
    ask_for_more(&folder);
    let bomb = Sources::read(&folder).unwrap();
    archive(&ground).keep(&bomb.digest(), &bomb).unwrap();
    archive(&ground).confirm(&bomb.digest()).unwrap();

    let stand = ground.start().await;
    let said = status(&stand).await;
    assert_eq!(
        (&said["policy_digest"], &said["policy_source"]),
        (&json!(digests[4]), &json!("archive"))
    );
    let last = archive(&stand.ground).last_digest().unwrap();
    assert_eq!(last.as_deref(), Some(&*digests[4]), "a start accepts it");

    // That one is damaged: the one before it was in force is taken, not the one that was kept before it.
    let ground = stand.stop().await;
    let kept =
        |digest: &str| ground.directory.path().join(format!("var/audit/policies/{digest}.json"));
    fs::write(kept(&digests[4]), "{").unwrap();
    let stand = ground.start().await;
    assert_eq!(status(&stand).await["policy_digest"], json!(digests[3]));

    // Nothing is left: what is said is what is wrong with the folder.
    let ground = stand.stop().await;
    fs::remove_dir_all(ground.directory.path().join("var/audit/policies")).unwrap();
    let said = refusal(&ground).await;
    assert!(said.contains("does not fit") && said.contains("assigned"), "{said}");
}

#[tokio::test]
async fn a_start_admits_no_more_than_a_reload() {
    let ground = ground("no-grants").await;
    let folder = policies(&ground);
    fs::write(folder.join("extra.cedar"), GRANT).unwrap();
    let said = refusal(&ground).await;
    assert!(said.contains("[test-grants]") && said.contains("`policies.admit: any`"), "{said}");
    // Whoever cannot wait says so in the configuration.
    let stand = ground.with("policies.admit", "any").start().await;
    assert_eq!(stand.get("kauvery-receptionist", NOTES).await.status, 200);
    // It was in force: it is started again, loudly.
    let stand = stand.stop().await.with("policies.admit", "no-grants").start().await;
    let said = status(&stand).await;
    assert_eq!(
        (&said["policy_source"], &said["policy_error"]),
        (&json!("directory"), &Value::Null)
    );
    assert_eq!(said["policy_admission"]["tests"], json!({"run": 2, "failed": 1}));

    // What changes while the gate is down is judged as it would have been.
    fs::remove_file(folder.join("extra.cedar")).unwrap();
    assert_eq!(reload(&stand, "").await.status, 200);
    let good = status(&stand).await["policy_digest"].clone();
    let ground = stand.stop().await;
    for (file, kind) in [("boundary.cedar", "guards-gone"), ("extra.cedar", "test-grants")] {
        let before = fs::read(folder.join(file)).ok();
        if before.is_some() {
            fs::remove_dir_all(folder.join("tests")).unwrap();
            fs::remove_file(folder.join(file)).unwrap();
        } else {
            fs::write(folder.join(file), GRANT).unwrap();
        }
        let gate = ground.serve().await;
        let said = client::send(gate.admin(), &Request::get("/status")).await.json();
        assert_eq!((&said["policy_digest"], &said["policy_source"]), (&good, &json!("archive")));
        assert!(said["policy_error"].as_str().unwrap().contains(kind), "{said}");
        gate.kill().await;
        if let Some(before) = before {
            fs::write(folder.join(file), before).unwrap();
            test_by(&folder, OWN);
        }
    }
}

/// A database that is down cannot say whether it fits. A revocation goes in all the same, and is called good once
/// that is known.
#[tokio::test]
async fn what_is_put_in_force_while_the_database_is_down_is_good_once_it_says_so() {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    let example = Example::prepare_at("hospital", &url).await;
    let gate = example.start().await;
    let folder = gate.example.directory.path().join("policies");
    let last = || {
        let archive = Archive::new(gate.example.folder().join("var/audit/policies"));
        archive.last_digest().unwrap().map(|it| it.to_string())
    };
    let reload = async || {
        let answer = client::send(gate.admin(), &Request::new("POST", "/reload")).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        digest(&gate).await
    };
    let first = digest(&gate).await;
    assert_eq!(last(), first);
    cluster.stop_immediate();
    comment(&folder, "While it is down.");
    let second = reload().await;
    assert_ne!(second, first);
    assert_eq!(last(), first, "nobody knows yet");
    cluster.start_again().await;
    eventually("the new bundle is the last good one", || async {
        (last() == second).then_some(())
    })
    .await;

    // One that turns out not to fit is in force, and never called good.
    cluster.stop_immediate();
    let schema = folder.join("schema.cedarschema");
    let text = fs::read_to_string(&schema).unwrap();
    fs::write(
        &schema,
        text.replacen("  slug: String,", "  slug: String,\n  workflows: Set<String>,", 1),
    )
    .unwrap();
    let third = reload().await;
    assert_ne!(third, second);
    cluster.start_again().await;
    eventually("the misfit is said", || async {
        let said = client::send(gate.admin(), &Request::get("/readyz")).await.json().to_string();
        said.contains("does not fit").then_some(())
    })
    .await;
    assert_eq!(last(), second);
}

async fn digest(gate: &Running) -> Option<String> {
    let said = client::send(gate.admin(), &Request::get("/status")).await.json();
    said["policy_digest"].as_str().map(str::to_owned)
}
