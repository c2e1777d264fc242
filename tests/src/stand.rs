//! A gate between a client and an upstream, with a database of its own, all on ports that the
//! system chooses.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use backend::{Backend, BackendConfig};
use base::supervise::Supervisor;
use proxy::{Gate, config::Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    binary::Binary,
    client::{self, Answer, Request},
    port::Port,
    postgres,
    records::Journal,
    tokens::{AUDIENCE, ISSUER, TRUSTED, token},
    upstream::Upstream,
    wait::eventually,
};

/// The one password of everybody in the demo databases of tests.
pub const PASSWORD: &str = "a password for tests";

/// What the files and databases of a gate are made of.
#[derive(Debug)]
pub struct Builder {
    database: Database,
    behind: Behind,
    config: Value,
}

#[derive(Debug)]
enum Database {
    Sqlite,
    Postgres,
    At(String),
}

#[derive(Debug)]
enum Behind {
    Recorder,
    Backend,
    Nothing,
}

/// Everything but the gate itself: it may be started here, or as a process of its own.
#[derive(Debug)]
pub struct Ground {
    /// The gate's directory, with `cedargate.yaml` in it.
    pub directory: TempDir,
    /// The facts.
    pub database: String,
    /// The recording upstream. With another one it is there and sees nothing.
    pub upstream: Upstream,
    /// The records.
    pub journal: Journal,
    _backend: Option<RunningBackend>,
    _nobody: Option<Port>,
}

/// A gate, and all that it needs.
#[derive(Debug)]
pub struct Stand {
    /// What it stands on.
    pub ground: Ground,
    gate: Gate,
}

#[derive(Debug)]
struct RunningBackend {
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Drop for RunningBackend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Builder {
    /// With PostgreSQL.
    #[must_use]
    pub fn postgres(mut self) -> Self {
        self.database = Database::Postgres;
        self
    }

    /// With a database that is somebody else's business.
    #[must_use]
    pub fn database(mut self, url: &str) -> Self {
        self.database = Database::At(url.to_owned());
        self
    }

    /// With the real backend behind the gate.
    #[must_use]
    pub fn backend(mut self) -> Self {
        self.behind = Behind::Backend;
        self
    }

    /// With nobody listening behind the gate.
    #[must_use]
    pub fn nothing_behind(mut self) -> Self {
        self.behind = Behind::Nothing;
        self
    }

    /// With a value in the configuration, at a path such as `facts.ttl`.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        set(&mut self.config, path, value.into());
        self
    }

    /// A gate that remembers neither decisions nor tokens.
    #[must_use]
    pub fn forgetting(self) -> Self {
        self.set("memory.decisions", "0B").set("memory.tokens", "0B")
    }

    /// Writes the files and prepares the database.
    pub async fn prepare(mut self) -> Ground {
        let directory = tempfile::Builder::new().prefix("cedargate-").tempdir().unwrap();
        TRUSTED.write(&directory.path().join("keys"));
        copy_policies(&directory.path().join("policies"));
        fs::create_dir(directory.path().join("var")).unwrap();
        let database = self.make_database(directory.path()).await;
        let upstream = Upstream::start();
        let (behind, backend, nobody) = match self.behind {
            Behind::Recorder => (upstream.address(), None, None),
            Behind::Nothing => {
                let port = Port::hold();
                (port.address(), None, Some(port))
            }
            Behind::Backend => {
                let (address, backend) = run_backend(&database, directory.path()).await;
                (address, Some(backend), None)
            }
        };
        self = self.set("facts.database", database.as_str());
        self = self.set("upstream.address", behind.to_string());
        let journal = Journal::at(&directory.path().join("var/audit"));
        let ground =
            Ground { directory, database, upstream, journal, _backend: backend, _nobody: nobody };
        fs::write(ground.config(), format!("{:#}", self.config)).unwrap();
        ground
    }

    /// Starts the gate.
    pub async fn start(self) -> Stand {
        self.prepare().await.start().await
    }

    async fn make_database(&self, directory: &Path) -> String {
        match &self.database {
            Database::At(url) => url.clone(),
            Database::Postgres => postgres::demo_database().await,
            Database::Sqlite => {
                let url = format!("sqlite://{}/var/cedargate.db", directory.display());
                prepare_database(&url).await;
                url
            }
        }
    }
}

fn set(config: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace('.', "/"));
    for end in pointer.match_indices('/').map(|(at, _)| at).skip(1) {
        let above = pointer[..end].to_owned();
        if config.pointer(&above).is_none() {
            put(config, &above, json!({}));
        }
    }
    put(config, &pointer, value);
}

fn put(config: &mut Value, pointer: &str, value: Value) {
    let (above, name) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(above).unwrap()[name] = value;
}

/// Makes the schema and the demo's people in a database.
pub async fn prepare_database(url: &str) {
    database::migrate(url).await.unwrap();
    backend::demo::seed(url, PASSWORD).await.unwrap();
}

/// The configuration of a stand, where a test has not said otherwise. YAML holds JSON. The policies of a stand are
/// put in force untested: that saves each start seconds, and many tests are about bundles that grant on purpose.
fn defaults() -> Value {
    json!({
        "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "upstream": {},
        "jwt": {"issuers": [{
            "issuer": ISSUER, "audiences": [AUDIENCE],
            "algorithms": ["EdDSA", "ES256", "RS256"], "jwks": "keys/jwks.json",
        }]},
        "facts": {"ttl": "500ms", "timeout": "30s"},
        "policies": {"directory": "policies", "admit": "any"},
        "audit": {"directory": "var/audit"},
        "tenancy": {"host_suffix": ".clinics.example"},
    })
}

fn copy_policies(to: &Path) {
    let from = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"));
    copy_tree(&from, to);
}

/// Copies a folder with all that is in it.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (entry, target) = (entry.as_ref().unwrap().path(), entry.as_ref().unwrap().file_name());
        if entry.is_dir() {
            copy_tree(&entry, &to.join(target));
        } else {
            fs::copy(&entry, to.join(target)).unwrap();
        }
    }
}

async fn run_backend(database: &str, directory: &Path) -> (SocketAddr, RunningBackend) {
    let config = BackendConfig {
        database: database.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        issuer_key: directory.join("keys/issuer.pem"),
        jwks: directory.join("keys/jwks.json"),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
    };
    let backend = Backend::bind(config).await.unwrap();
    let address = backend.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        backend.run(async { drop(stopped.await) }).await.unwrap();
    });
    (address, RunningBackend { _stop: stop, task })
}

impl Ground {
    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("cedargate.yaml")
    }

    /// With another value in the configuration file.
    #[must_use]
    pub fn with(self, path: &str, value: impl Into<Value>) -> Self {
        let mut config: Value = serde_json::from_slice(&fs::read(self.config()).unwrap()).unwrap();
        set(&mut config, path, value.into());
        fs::write(self.config(), format!("{config:#}")).unwrap();
        self
    }

    /// Starts the gate in this process.
    pub async fn start(self) -> Stand {
        let config = Config::load(Some(&self.config()), std::iter::empty()).unwrap();
        let gate = Gate::start(config).await.unwrap();
        Stand { ground: self, gate }
    }

    /// Starts the gate as a process of its own.
    pub async fn serve(&self) -> Binary {
        Binary::serve(self.directory.path(), None).await
    }

    /// The same, with a limit to the size of its files.
    pub async fn serve_with_file_limit(&self, bytes: u64) -> Binary {
        Binary::serve(self.directory.path(), Some(bytes)).await
    }
}

impl Stand {
    /// Two gates that have to answer alike: one remembers tokens and decisions, the other verifies and decides each
    /// request anew.
    pub async fn both_ways() -> [Self; 2] {
        [Self::sqlite().await, Self::builder().forgetting().start().await]
    }

    /// A stand to be told more about.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { database: Database::Sqlite, behind: Behind::Recorder, config: defaults() }
    }

    /// With SQLite and a recording upstream.
    pub async fn sqlite() -> Self {
        Self::builder().start().await
    }

    /// With PostgreSQL and a recording upstream.
    pub async fn postgres() -> Self {
        Self::builder().postgres().start().await
    }

    /// Where the gate listens for clients.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.gate.proxy_address()
    }

    /// Where it listens for operators.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.gate.admin_address()
    }

    /// Sends a request to the gate.
    pub async fn send(&self, request: &Request) -> Answer {
        client::send(self.proxy(), request).await
    }

    /// A GET by somebody.
    pub async fn get(&self, user: &str, target: &str) -> Answer {
        self.send(&Request::get(target).token(&token(user))).await
    }

    /// Sends the same GET until the answer has this status and reason.
    pub async fn until(&self, user: &str, target: &str, expected: (u16, &str)) {
        let request = Request::get(target).token(&token(user));
        eventually(&format!("{user} {target} is {expected:?}"), || async {
            let answer = self.send(&request).await;
            ((answer.status, answer.reason().as_str()) == expected).then_some(())
        })
        .await;
    }

    /// A request with a JSON body by somebody.
    pub async fn send_json(&self, user: &str, method: &str, target: &str, body: &Value) -> Answer {
        let request = Request::new(method, target).token(&token(user)).json(body.to_string());
        self.send(&request).await
    }

    /// A GET to the admin listener.
    pub async fn ask_admin(&self, target: &str) -> Answer {
        client::send(self.admin(), &Request::get(target)).await
    }

    /// What keeps the tasks of the gate alive.
    #[must_use]
    pub fn supervisor(&self) -> &Supervisor {
        self.gate.supervisor()
    }

    /// Stops the gate and gives back what it stood on.
    pub async fn stop(self) -> Ground {
        self.gate.stop().await;
        self.ground
    }
}
