//! A gate with the files of `deploy/examples/`, before a database made from them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use proxy::{Gate, config::Config};
use tempfile::TempDir;

use crate::{
    client::{self, Answer, Request},
    postgres,
    sql::execute,
    stand,
    tokens::{TRUSTED, token},
    upstream::Upstream,
};

/// One of the examples, ready to run.
#[derive(Debug)]
pub struct Example {
    /// A copy of `deploy/examples/`.
    pub directory: TempDir,
    /// The database with the example's tables in it.
    pub database: String,
    name: &'static str,
    upstream: Upstream,
}

/// One of the examples, running.
#[derive(Debug)]
pub struct Running {
    /// What it runs on.
    pub example: Example,
    gate: Gate,
}

impl Example {
    /// Copies the example `name` and makes its database.
    pub async fn prepare(name: &'static str) -> Self {
        let database = postgres::shared().await.create_database(None).await;
        Self::prepare_at(name, &database).await
    }

    /// The same with a database that is empty.
    pub async fn prepare_at(name: &'static str, database: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("cedargate-").tempdir().unwrap();
        let from = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples"));
        stand::copy_tree(&from, directory.path());
        TRUSTED.write(&directory.path().join(name).join("keys"));
        let example =
            Self { directory, database: database.to_owned(), name, upstream: Upstream::start() };
        let schema = fs::read_to_string(example.folder().join("schema.sql")).unwrap();
        execute(database, &schema).await;
        example
    }

    /// The example's folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }

    /// Its configuration, with what differs here from where its reader is.
    #[must_use]
    pub fn config(&self) -> Config {
        let flags = [
            ("facts.database", self.database.clone()),
            ("facts.ttl", "0s".to_owned()),
            ("facts.timeout", "30s".to_owned()),
            ("listen.proxy", "127.0.0.1:0".to_owned()),
            ("listen.admin", "127.0.0.1:0".to_owned()),
            ("upstream.address", self.upstream.address().to_string()),
        ];
        let flags = flags.map(|(key, value)| (key.to_owned(), value));
        let file = self.folder().join("cedargate.yaml");
        Config::load_with(Some(Path::new(&file)), std::iter::empty(), &flags).unwrap()
    }

    /// The upstream, which keeps what it is sent.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Starts its gate.
    pub async fn start(self) -> Running {
        let config = self.config();
        self.start_with(config).await
    }

    /// Starts its gate with another configuration.
    pub async fn start_with(self, config: Config) -> Running {
        let gate = Gate::start(config).await.unwrap();
        Running { example: self, gate }
    }
}

impl Running {
    /// An example with its gate.
    pub async fn start(name: &'static str) -> Self {
        Example::prepare(name).await.start().await
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

    /// A GET to the admin listener.
    pub async fn ask_admin(&self, target: &str) -> Answer {
        client::send(self.gate.admin_address(), &Request::get(target)).await
    }

    /// Status and reason of a GET by somebody.
    pub async fn get(&self, user: &str, target: &str) -> (u16, String) {
        let answer = client::send(self.proxy(), &Request::get(target).token(&token(user))).await;
        (answer.status, answer.reason())
    }

    /// Runs SQL in its database.
    pub async fn execute(&self, sql: &str) {
        execute(&self.example.database, sql).await;
    }
}
