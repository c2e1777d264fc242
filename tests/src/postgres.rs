//! A private PostgreSQL: its own directory, its own port, gone when the tests are.

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use sqlx::{Connection as _, PgConnection};
use tokio::sync::OnceCell;

use crate::{port::Port, wait::eventually};

/// Starts the server and stops it at once when its input ends: when the test lets go of the pipe,
/// however the test ends. The word `stop` keeps the directory; without it nothing is left behind.
const WATCHDOG: &str = r#"
directory=$1; shift
"$@" > "$directory/log" 2>&1 < /dev/null &
server=$!
read -r word || word=gone
kill -QUIT "$server"
wait "$server"
[ "$word" = stop ] || rm -rf "$directory"
"#;

static SHARED: OnceCell<Cluster> = OnceCell::const_new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A database of one's own, with the demo's schema and people in it.
pub async fn demo_database() -> String {
    let cluster = shared().await;
    let template = TEMPLATE.get_or_init(|| async { template(cluster).await }).await;
    cluster.create_database(Some(template)).await
}

/// The cluster that the tests of this process share.
pub async fn shared() -> &'static Cluster {
    SHARED.get_or_init(Cluster::start).await
}

async fn template(cluster: &Cluster) -> String {
    let url = cluster.create_database(None).await;
    crate::stand::prepare_database(&url).await;
    url.rsplit('/').next().unwrap().to_owned()
}

/// A running server, and the directory that is its own.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    programs: PathBuf,
    port: Port,
    watchdog: Option<(Child, ChildStdin)>,
}

impl Cluster {
    /// Makes a cluster and waits until it answers.
    pub async fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("cedargate-pg-").tempdir().unwrap().keep();
        if let Some((user, group)) = lesser_user() {
            chown(&directory, Some(user), Some(group)).unwrap();
        }
        let port = Port::hold();
        let mut cluster = Self { directory, programs: programs(), port, watchdog: None };
        cluster.init();
        cluster.start_again().await;
        cluster
    }

    /// Makes an empty database, or a copy of another, and gives its URL.
    pub async fn create_database(&self, template: Option<&str>) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let template = template.unwrap_or("template0");
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let sql = format!("create database {name} template {template}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        self.url(&name)
    }

    /// Has the server ask `role` for its password; everybody else is trusted.
    pub async fn demand_passwords(&self, role: &str) {
        let path = self.data().join("pg_hba.conf");
        let rules = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("host all {role} 127.0.0.1/32 scram-sha-256\n{rules}")).unwrap();
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::raw_sql("select pg_reload_conf()").execute(&mut connection).await.unwrap();
    }

    /// Has the server offer TLS, with a certificate for `localhost` of an authority of its own; gives the
    /// authority's certificate, PEM.
    pub async fn offer_tls(&self) -> PathBuf {
        let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=authority -keyout ca.key -out ca.crt &&
             openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
             -keyout server.key -out server.csr &&
             printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' > server.ext &&
             openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
             -extfile server.ext -out server.crt && chmod 600 server.key";
        let made = command(Path::new("sh"), &self.data()).args(["-c", script]).output().unwrap();
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::raw_sql("alter system set ssl = on").execute(&mut connection).await.unwrap();
        sqlx::raw_sql("select pg_reload_conf()").execute(&mut connection).await.unwrap();
        eventually("TLS is offered", || async {
            let mut fresh = PgConnection::connect(&self.url("postgres")).await.ok()?;
            let encrypted = sqlx::query_scalar::<_, bool>(
                "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
            );
            encrypted.fetch_one(&mut fresh).await.ok()?.then_some(())
        })
        .await;
        self.data().join("ca.crt")
    }

    /// Stops the server as a crash would, and keeps its data.
    pub fn stop_immediate(&mut self) {
        if let Some((mut child, mut input)) = self.watchdog.take() {
            input.write_all(b"stop\n").unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts the server, with its data and its port as they were, and waits until it answers.
    pub async fn start_again(&mut self) {
        let mut child = command(Path::new("sh"), &self.directory)
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&self.directory)
            .arg(self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(settings(self.port.address().port()))
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        self.watchdog = Some((child, input));
        let here = &*self;
        eventually("PostgreSQL answers", || async {
            assert!(!here.log().contains("could not bind"), "{}", here.log());
            PgConnection::connect(&here.url("postgres")).await.ok()
        })
        .await;
    }

    /// What PostgreSQL's own programs take from their environment to find this server.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let user = "cedargate".to_owned();
        [
            ("PGHOST", "127.0.0.1".to_owned()),
            ("PGPORT", self.port.address().port().to_string()),
            ("PGUSER", user),
        ]
    }

    /// The URL of a database of this server.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://cedargate@{}/{database}", self.port.address())
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    fn init(&self) {
        let made = command(&self.programs.join("initdb"), &self.directory)
            .arg("--pgdata")
            .arg(self.data())
            .args(["--username=cedargate", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .arg("--no-sync")
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some((mut child, input)) = self.watchdog.take() {
            drop(input);
            let _ended = child.wait();
        }
        let _gone = fs::remove_dir_all(&self.directory);
    }
}

fn settings(port: u16) -> Vec<String> {
    let port = format!("port={port}");
    let settings = [
        port.as_str(),
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "full_page_writes=off",
        "max_connections=1000",
        "shared_buffers=32MB",
    ];
    settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]).collect()
}

/// A command as the user that owns the cluster, in its directory.
fn command(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env_remove("PGDATA").env_remove("PGPORT");
    if let Some((user, group)) = lesser_user() {
        command.uid(user).gid(group);
    }
    command
}

/// PostgreSQL refuses to run as root: then it is `nobody` that runs it.
fn lesser_user() -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    root.then(|| {
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let nobody = users.lines().find(|line| line.starts_with("nobody:")).unwrap();
        let mut fields = nobody.split(':').skip(2).map(|field| field.parse().unwrap());
        (fields.next().unwrap(), fields.next().unwrap())
    })
}

/// Where the distribution keeps `initdb` and `postgres`.
#[must_use]
pub fn programs() -> PathBuf {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.map(|told| PathBuf::from(String::from_utf8_lossy(&told.stdout).trim()));
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    let mut places = told.into_iter().chain(found.into_iter().rev());
    places
        .find(|place| place.join("initdb").is_file() && place.join("postgres").is_file())
        .expect("PostgreSQL's server programs are needed: apt-get install postgresql")
}
