//! What the gate makes is for its owner alone, whatever the umask; what is more open is said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tests::binary::{self, Binary};
use tests::client::{self, Request};
use tests::stand::Stand;

/// Everything under a directory that anybody but its owner may use, itself included.
fn open(path: &Path) -> Vec<PathBuf> {
    let mode = fs::metadata(path).unwrap().permissions().mode();
    let own = (mode & 0o077 != 0).then(|| path.to_owned());
    let entries = fs::read_dir(path).into_iter().flatten();
    own.into_iter().chain(entries.flat_map(|entry| open(&entry.unwrap().path()))).collect()
}

#[tokio::test]
async fn a_demo_is_private_whatever_the_umask() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--dir", "gate", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let demo = Binary::with_umask("000", directory.path(), &arguments).await;
    let login = r#"{"email":"kauvery-coder@cedargate.example","password":"wrong"}"#;
    let login = Request::new("POST", "/api/auth/login").json(login);
    assert_eq!(client::send(demo.proxy(), &login).await.status, 401);
    let made = directory.path().join("gate");
    for file in ["var/cedargate.db", "var/cedargate.db-wal", "var/cedargate.db-shm", "var/audit"] {
        assert!(made.join(file).exists(), "{file}");
    }
    assert_eq!(open(&made), Vec::<PathBuf>::new(), "while it runs");
    assert_eq!(demo.signal("INT").await, Some(0));
    assert_eq!(open(&made), Vec::<PathBuf>::new(), "after it");
}

#[tokio::test]
async fn a_database_that_is_migrated_is_private() {
    let directory = tempfile::tempdir().unwrap();
    let migrate = ["migrate", "--database", "sqlite://new.db", "--demo"];
    let (status, _, complaint) = binary::run(directory.path(), &migrate).await;
    assert_eq!(status, 0, "{complaint}");
    let mode = fs::metadata(directory.path().join("new.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_there_and_too_open_is_said_and_left_as_it_is() {
    let ground = Stand::builder().prepare().await;
    let database = ground.directory.path().join("var/cedargate.db");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).unwrap();
    let gate = Binary::serve(ground.directory.path(), None).await;
    let log = fs::read_to_string(ground.directory.path().join("stderr.log")).unwrap();
    assert!(
        log.contains("facts.database") && log.contains("0644") && log.contains("chmod"),
        "{log}"
    );
    assert_eq!(fs::metadata(&database).unwrap().permissions().mode() & 0o777, 0o644);
    drop(gate);
    let key = ground.directory.path().join("issuer.pem");
    let made = ["demo", "--prepare", "--dir", "made"];
    assert_eq!(binary::run(ground.directory.path(), &made).await.0, 0);
    fs::copy(ground.directory.path().join("made/keys/issuer.pem"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let token = ["token", "--key", "issuer.pem", "--sub", "somebody"];
    let (status, _, complaint) = binary::run(ground.directory.path(), &token).await;
    assert!(status == 0 && complaint.contains("0640"), "{complaint}");
}

#[tokio::test]
async fn a_prepared_demo_keeps_the_addresses_that_were_given() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [
        "demo",
        "--prepare",
        "--dir",
        "gate",
        "--listen",
        "127.0.0.1:7001",
        "--admin",
        "127.0.0.1:7002",
        "--upstream",
        "app.internal:7003",
    ];
    let (status, _, complaint) = binary::run(directory.path(), &arguments).await;
    assert_eq!(status, 0, "{complaint}");
    let file = directory.path().join("gate/cedargate.yaml");
    let config = proxy::config::Config::load(Some(&file), std::iter::empty()).unwrap();
    assert_eq!(config.listen.proxy.to_string(), "127.0.0.1:7001");
    assert_eq!(config.listen.admin.to_string(), "127.0.0.1:7002");
    assert_eq!(config.upstream.address, "app.internal:7003");
    let before = fs::read_to_string(&file).unwrap();
    let again = ["demo", "--prepare", "--dir", "gate", "--listen", "127.0.0.1:7009"];
    let (status, said, _) = binary::run(directory.path(), &again).await;
    assert_eq!(status, 0);
    assert!(said.contains("left as it is"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}
