//! Bundles that would be open, or whose guards would be dead, without a word. For each: what it lets
//! through, judged by the pipeline that serves; what `check` says; and that a running gate refuses it
//! and keeps what it has.

mod bundles;
mod dead;
mod sound;

use std::{fs, path::Path, sync::Arc, time::Duration};

use policy_store::{
    bundle::{Loader, Sources, filled},
    watch::BundleStore,
};
use proxy::{
    Gate,
    config::{Config, Tenancy},
    judge::workbench::{Ask, Workbench},
};
use tests::{
    binary,
    client::{self, Request},
    model::World,
    stand::{Stand, copy_tree},
    tokens::token,
};

use bundles::{Bundle, OPEN};
use dead::DEAD;
use sound::SOUND;
use tests::worlds::facts;

fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

/// The bundle that ships, changed, without its tests: they say otherwise.
fn write(folder: &Path, bundle: &Bundle) {
    copy_tree(&shipped(), folder);
    fs::remove_dir_all(folder.join("tests")).unwrap();
    (bundle.change)(folder);
}

/// What the pipeline would say to the request of `bundle` if that was in force.
async fn reason(bundle: &Bundle, folder: &Path) -> String {
    let made = Loader::default().unproven(Sources::read(folder).unwrap()).unwrap();
    let store = BundleStore::fixed(made);
    let ttl = Duration::from_hours(1);
    let facts = Arc::new(facts(&World::demo()));
    let bench = Workbench::unwitnessed(store, facts, Tenancy::default(), ttl).unwrap();
    let ask = Ask {
        user: Some(Arc::from(bundle.user)),
        method: bundle.method.to_owned(),
        target: bundle.target.to_owned(),
        body: bundle.body.map(str::to_owned),
        ..Ask::default()
    };
    bench.judge(&ask).await.unwrap().reason().to_owned()
}

#[tokio::test]
async fn each_lets_through_what_it_seems_to_forbid() {
    let mut faults = Vec::new();
    for bundle in OPEN.iter().chain(DEAD) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), bundle);
        let reason = reason(bundle, folder.path()).await;
        if reason != "allowed" {
            faults.push(format!("{}: {reason}", bundle.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn check_finds_each_of_them() {
    let mut faults = Vec::new();
    for bundle in OPEN.iter().chain(DEAD) {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("policies"), bundle);
        let (status, said, _) =
            binary::run(folder.path(), &["check", "--policies", "policies"]).await;
        let missing: Vec<&&str> =
            bundle.said.iter().filter(|word| !said.contains(**word)).collect();
        // A promise in the schema is no remedy.
        let promises = said.lines().any(|it| it.starts_with("    = ") && it.contains("declare it"));
        if status != 1 || !missing.is_empty() || promises {
            faults.push(format!("{}: {status}, without {missing:?}\n{said}", bundle.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn a_running_gate_refuses_each_of_them_and_keeps_what_it_has() {
    let stand = Stand::builder().set("policies.admit", "no-grants").start().await;
    let root = stand.ground.directory.path();
    let digest = async || stand.ask_admin("/status").await.json()["policy_digest"].clone();
    let first = digest().await;
    for (number, bundle) in OPEN.iter().chain(DEAD).enumerate() {
        let fresh = root.join(format!("bundle-{number}"));
        write(&fresh, bundle);
        // Whole at once: half of it may be a good one.
        fs::rename(root.join("policies"), root.join(format!("old-{number}"))).unwrap();
        fs::rename(&fresh, root.join("policies")).unwrap();
        let reloaded = client::send(stand.admin(), &Request::new("POST", "/reload")).await;
        let said = reloaded.json().to_string();
        assert_eq!(reloaded.status, 422, "{}: {said}", bundle.name);
        assert_eq!(digest().await, first, "{}", bundle.name);
        if bundle.is_closed_by_what_is_in_force {
            let mut request = Request::new(bundle.method, bundle.target).token(&token(bundle.user));
            if let Some(body) = bundle.body {
                request = request.json(body);
            }
            let answer = stand.send(&request).await;
            assert!([401, 403, 404].contains(&answer.status), "{}", bundle.name);
        }
    }
    assert!(stand.ground.upstream.take().is_empty(), "nothing was forwarded");
}

#[tokio::test]
async fn a_gate_does_not_start_on_one_of_them() {
    let bundle = OPEN.first().unwrap();
    let ground = Stand::builder().prepare().await;
    let policies = ground.directory.path().join("policies");
    fs::remove_dir_all(&policies).unwrap();
    write(&policies, bundle);
    let config = Config::load(Some(&ground.config()), std::iter::empty()).unwrap();
    let error = Gate::start(config).await.unwrap_err();
    let error = format!("{error} {error:?}");
    assert!(error.contains(bundle.said[0]), "{error}");
}

/// What is right, or says that it is meant, is accepted.
#[tokio::test]
async fn check_accepts_what_is_sound() {
    for (name, change) in SOUND {
        let folder = tempfile::tempdir().unwrap();
        let policies = folder.path().join("policies");
        copy_tree(&shipped(), &policies);
        fs::remove_dir_all(policies.join("tests")).unwrap();
        change(&policies);
        let (status, said, _) =
            binary::run(folder.path(), &["check", "--policies", "policies"]).await;
        assert_eq!(status, 0, "{name}: {said}");
    }
}

#[tokio::test]
async fn the_bundles_that_ship_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["policies", "deploy/examples/policies"] {
        let (status, said, _) = binary::run(&root, &["check", "--policies", folder]).await;
        assert_eq!(status, 0, "{folder}: {said}");
    }
}

/// The page is what the code says. `UPDATE_EXPECTED=1` writes it anew.
#[test]
fn the_page_about_what_policies_see_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policies-see.md");
    let page = filled::page();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "UPDATE_EXPECTED=1 writes docs/policies-see.md anew:\n{page}");
}

/// Every name that the contract promises to policies (`gate.md`, "What policies see").
#[test]
fn the_page_has_every_clause_of_the_contract() {
    let page = filled::page();
    let attributes = [
        ("principal", "roles features status organization"),
        ("principal.organization", "slug status deleted features workflows group"),
        ("context.tenant", "slug status deleted features workflows group"),
        ("resource", "owner workflow roles"),
        (
            "context",
            "path method tenant feature workflow body_fields body_roles break_glass client_address token_age",
        ),
    ];
    for (of, names) in attributes {
        for name in names.split(' ') {
            let known = [format!("| `{of}.{name}` |"), format!("| `{of}.{name}?` |")];
            assert!(known.iter().any(|line| page.contains(line)), "{of}.{name}");
        }
    }
    let names = "User Guest Role Feature Group Endpoint action act_in resource";
    let annotations = "@id @layer @reason @status @message @description @break_glass";
    for name in names.split(' ').chain(annotations.split(' ')) {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    for layer in ["authentication", "role", "tenant"] {
        assert!(page.contains(&format!("| `{layer}` |")), "{layer}");
    }
}
