//! Whatever the two dialects spell differently, on a private `PostgreSQL`.

use std::{
    env, fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use backend::demo;
use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::common::World;

/// A cluster of the test's own, spoken to over a socket in its directory. Ends with the test.
pub(crate) struct Cluster {
    server: Child,
    dir: TempDir,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let dir = TempDir::with_prefix("backend-pg-").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = dir.path().join("data");
        let init = as_nobody(dir.path(), "initdb")
            .args(["--username=demo", "--auth=trust", "--encoding=UTF8", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(init.unwrap().success());
        let server = as_nobody(dir.path(), "postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stderr(Stdio::null())
            .spawn();
        Self { server: server.unwrap(), dir }
    }

    /// The URL of its database, once it answers.
    pub(crate) async fn database(&self) -> String {
        let host = self.dir.path().display().to_string().replace('/', "%2F");
        let url = format!("postgres://demo@{host}/postgres");
        let deadline = Instant::now() + Duration::from_mins(1);
        while let Err(error) = PgPool::connect(&url).await {
            assert!(Instant::now() < deadline, "no answer: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        url
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // An immediate shutdown (SIGQUIT) ends the server's children too, which killing it does not.
        let _ = Command::new("kill").arg("-QUIT").arg(self.server.id().to_string()).status();
        let _ = self.server.wait();
    }
}

/// A program of `PostgreSQL`'s, which refuses to run as root.
fn as_nobody(dir: &Path, program: &str) -> Command {
    let program = bin().join(program);
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(dir).env("HOME", dir);
    command
}

/// Where `PostgreSQL` is installed: in the path, or where Debian puts it.
fn bin() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places =
        env::split_paths(&path).chain(debian.map(|version| version.path().join("bin")));
    places.find(|place| place.join("initdb").exists()).expect("PostgreSQL is installed")
}

/// Who, in which tenant, does what, with which body, and the status of the answer.
const CASES: [(&str, &str, &str, &str, u16); 12] = [
    (
        "platform-admin",
        "org-omni",
        "PATCH /api/organizations/org-omni/features",
        r#"{"features": {"codes": true}}"#,
        200,
    ),
    (
        "alpha-admin",
        "org-alpha",
        "PATCH /api/authorizations/authorization-alpha-1",
        r#"{"used_units": 93}"#,
        422,
    ),
    (
        "alpha-admin",
        "org-alpha",
        "PATCH /api/authorizations/authorization-alpha-1",
        r#"{"service_code_id": "service-code-beta-1"}"#,
        422,
    ),
    (
        "alpha-admin",
        "org-alpha",
        "PATCH /api/authorizations/authorization-alpha-1",
        r#"{"end_date": "2030-01-31"}"#,
        200,
    ),
    ("alpha-admin", "org-alpha", "POST /api/visits", r#"{"patient_id": "patient-beta-1"}"#, 422),
    (
        "alpha-admin",
        "org-alpha",
        "PATCH /api/patients/patient-alpha-1",
        r#"{"first_name": "a\u0000b"}"#,
        422,
    ),
    ("alpha-admin", "org-alpha", "PATCH /api/patients/patient-beta-1", "{}", 404),
    ("platform-admin", "", "PATCH /api/service-codes/97151", r#"{"rate_cents": 2500}"#, 200),
    ("alpha-admin", "org-alpha", "GET /api/codes/crosswalk?code=R50.9", "{}", 200),
    ("alpha-admin", "org-alpha", "GET /api/audit?before=x.intent&limit=3", "{}", 200),
    ("alpha-admin", "org-alpha", "POST /api/sessions/session-alpha-1/generate-note", "{}", 201),
    ("alpha-admin", "org-alpha", "DELETE /api/patients/patient-alpha-1", "{}", 204),
];

#[tokio::test]
async fn the_other_dialect_answers_the_same() {
    let cluster = Cluster::start();
    let world = World::start_on(cluster.database().await).await;
    demo::seed(&world.database, "another password").await.unwrap();

    let session = world.login("kauvery-coder").await;
    assert_eq!((session.status, &session.body["user"]["roles"]), (200, &json!(["OTHER"])));
    let again = json!({ "refresh_token": session.body["refresh_token"] });
    assert_eq!(world.post("/api/auth/refresh", again.clone()).await.status, 200);
    assert_eq!(world.post("/api/auth/refresh", again).await.status, 401);

    let body = json!({
        "email": "kauvery-coder@cedargate.example", "roles": ["BILLING"],
        "auto_approve": true, "password": "not hers to set",
    });
    let line = "POST /api/admin/invitations";
    assert_eq!(world.tell("kauvery-admin", "org-kauvery", line, body).await.status, 201);
    let me = world.ask("kauvery-coder", "", "GET", "/api/users/me").await.body;
    assert_eq!(me["roles"], json!(["BILLING", "OTHER"]));
    assert_eq!(me["organization"]["features"], json!({ "ai_notes": true, "codes": true }));

    for (who, tenant, line, body, status) in CASES {
        let body = serde_json::from_str(body).unwrap();
        let reply = world.tell(who, tenant, line, body).await;
        assert_eq!(reply.status, status, "{line} {reply:?}");
    }
}

#[tokio::test]
async fn what_operators_type_works_word_for_word() {
    let cluster = Cluster::start();
    let world = World::start_on(cluster.database().await).await;
    let pool = PgPool::connect(&world.database).await.unwrap();
    let sql = "UPDATE organizations SET features = features || '{\"codes\": true}'::jsonb WHERE slug = 'kauvery';";
    let done = sqlx::query(sql).execute(&pool).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}
