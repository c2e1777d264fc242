//! The demo, as README and `docs/quickstart.md` tell it.

use std::{fs, path::Path};

use proxy::config::Config;
use tests::{
    binary::{self, Binary},
    client::{self, Request},
};

/// The four commands worth pasting: who, what, and what comes.
const SHOWN: [(&str, &str, u16, &str); 4] = [
    ("kauvery-coder", "/api/codes/icd10/search?q=fever", 200, ""),
    ("kauvery-coder", "/api/patients", 403, "outside_boundary"),
    ("beta-coder", "/api/codes/icd10/search?q=fever", 403, "org_feature_disabled"),
    ("alpha-doctor", "/api/patients/patient-beta-1", 404, "not_found"),
];

async fn minted(directory: &Path, user: &str) -> String {
    let key = directory.join("keys/issuer.pem");
    let arguments = ["token", "--key", key.to_str().unwrap(), "--sub", user];
    let (code, token, complaint) = binary::run(directory, &arguments).await;
    assert_eq!(code, 0, "{complaint}");
    token.trim().to_owned()
}

#[tokio::test]
async fn the_demo_shows_what_it_promises_and_ends_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Binary::demo(directory.path()).await;
    for (user, target, status, reason) in SHOWN {
        let token = minted(directory.path(), user).await;
        let answer = client::send(demo.proxy(), &Request::get(target).token(&token)).await;
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{user} {target}");
    }
    let password = fs::read_to_string(directory.path().join("keys/demo-password")).unwrap();
    let email = "kauvery-coder@cedargate.example";
    let body = serde_json::json!({"email": email, "password": password.trim()}).to_string();
    let signed_in =
        client::send(demo.proxy(), &Request::new("POST", "/api/auth/login").json(body)).await;
    assert_eq!(signed_in.status, 200, "{:?}", signed_in.json());
    let token = signed_in.json()["access_token"].as_str().unwrap().to_owned();
    let me = client::send(demo.proxy(), &Request::get("/api/users/me").token(&token)).await;
    assert_eq!((me.status, &me.json()["id"]), (200, &"kauvery-coder".into()));
    assert_eq!(demo.signal("INT").await, Some(0), "Ctrl-C");
}

#[tokio::test]
async fn a_prepared_directory_is_checked_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let prepare = ["demo", "--prepare", "--dir", "gate"];
    let (code, _, complaint) = binary::run(directory.path(), &prepare).await;
    assert_eq!(code, 0, "{complaint}");
    let gate = directory.path().join("gate");
    for file in ["cedargate.yaml", "keys/issuer.pem", "keys/jwks.json", "var/cedargate.db"] {
        assert!(gate.join(file).is_file(), "{file}");
    }
    let check = ["check", "--config", "gate/cedargate.yaml"];
    let (code, said, _) = binary::run(directory.path(), &check).await;
    assert_eq!(code, 0, "{said}");

    let mine =
        "// mine\n".to_owned() + &fs::read_to_string(gate.join("policies/public.cedar")).unwrap();
    fs::write(gate.join("policies/public.cedar"), &mine).unwrap();
    let key = fs::read(gate.join("keys/issuer.pem")).unwrap();
    let (code, _, _) = binary::run(directory.path(), &prepare).await;
    assert_eq!(code, 0);
    assert_eq!(fs::read_to_string(gate.join("policies/public.cedar")).unwrap(), mine);
    assert_eq!(fs::read(gate.join("keys/issuer.pem")).unwrap(), key);
}

#[test]
fn the_example_configuration_holds_the_defaults() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/cedargate.yaml");
    let said = Config::load(Some(&example), std::iter::empty()).unwrap();
    let least = tempfile::tempdir().unwrap();
    let file = least.path().join("cedargate.yaml");
    let text = "jwt: {issuers: [{jwks: keys/jwks.json}]}\n\
                facts: {database: 'sqlite://var/cedargate.db'}\n\
                policies: {directory: policies}\naudit: {directory: var/audit}\n";
    fs::write(&file, text).unwrap();
    let default = Config::load(Some(&file), std::iter::empty()).unwrap();
    let shown = |config: &Config, folder: &Path| {
        format!("{config:#?}").replace(folder.to_str().unwrap(), "DIR")
    };
    assert_eq!(shown(&said, example.parent().unwrap()), shown(&default, least.path()));
}
