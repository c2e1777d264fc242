//! A backend of a test's own, in a temporary directory, and a client that speaks as the gate does.

use std::{fs, net::SocketAddr, path::Path};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use backend::{Backend, BackendConfig, demo};
use base64::prelude::*;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{PgPool, SqlitePool};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(crate) const PASSWORD: &str = "a demo password";

/// A running backend with the demo data.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    /// The database itself, if it is `SQLite`.
    pub(crate) pool: SqlitePool,
    pub(crate) database: String,
    client: Client,
    _stop: oneshot::Sender<()>,
    _dir: TempDir,
}

impl World {
    /// One on `SQLite`.
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let database = format!("sqlite://{}", dir.path().join("demo.db").display());
        let pool = SqlitePool::connect(&format!("{database}?mode=rwc")).await.unwrap();
        sqlx::migrate!("../migrations/sqlite").run(&pool).await.unwrap();
        Self::on(database, pool, dir).await
    }

    /// One on a `PostgreSQL` database that is there and empty.
    pub(crate) async fn start_on(database: String) -> Self {
        let pool = PgPool::connect(&database).await.unwrap();
        sqlx::migrate!("../migrations/postgres").run(&pool).await.unwrap();
        pool.close().await;
        let none = SqlitePool::connect_lazy("sqlite::memory:").unwrap();
        Self::on(database, none, TempDir::new().unwrap()).await
    }

    async fn on(database: String, pool: SqlitePool, dir: TempDir) -> Self {
        demo::seed(&database, PASSWORD).await.unwrap();
        let backend = Backend::bind(config(dir.path(), &database)).await.unwrap();
        let address = backend.address();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(backend.run(async {
            let _ = stopped.await;
        }));
        Self { address, pool, database, client: Client::new(), _stop: stop, _dir: dir }
    }

    /// A request of nobody.
    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    /// Sends a request of nobody with a body.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        send(self.request("POST", path).json(&body)).await
    }

    /// Sends a request as the gate passes it on: `user` acts in `tenant`.
    pub(crate) async fn ask(&self, user: &str, tenant: &str, method: &str, path: &str) -> Reply {
        send(self.as_gate(user, tenant, method, path)).await
    }

    /// The same, with a body.
    pub(crate) async fn tell(&self, user: &str, tenant: &str, line: &str, body: Value) -> Reply {
        let (method, path) = line.split_once(' ').unwrap();
        send(self.as_gate(user, tenant, method, path).json(&body)).await
    }

    fn as_gate(&self, user: &str, tenant: &str, method: &str, path: &str) -> RequestBuilder {
        let request = self.request(method, path).header("x-auth-user-id", user);
        if tenant.is_empty() { request } else { request.header("x-auth-tenant-id", tenant) }
    }

    /// Signs somebody in.
    pub(crate) async fn login(&self, user: &str) -> Reply {
        let email = format!("{user}@cedargate.example");
        self.post("/api/auth/login", json!({ "email": email, "password": PASSWORD })).await
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) audit_user: Option<String>,
    pub(crate) content_type: String,
}

/// Sends a request.
pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let answer = request.send().await.unwrap();
    let header = |name| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (status, audit_user) = (answer.status().as_u16(), header("x-audit-user-id"));
    let content_type = header("content-type").unwrap_or_default();
    let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
    Reply { status, body, audit_user, content_type }
}

/// What an access token claims, without its signature being looked at.
pub(crate) fn claims(token: &Value) -> (Value, Value) {
    let part = |n: usize| {
        let text = token.as_str().unwrap().split('.').nth(n).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    (part(0), part(1))
}

/// A configuration with keys made for it.
pub(crate) fn config(dir: &Path, database: &str) -> BackendConfig {
    let pair = Ed25519KeyPair::generate().unwrap();
    let der = BASE64_STANDARD.encode(pair.to_pkcs8v1().unwrap());
    let (issuer_key, jwks) = (dir.join("issuer.pem"), dir.join("jwks.json"));
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    fs::write(&issuer_key, pem).unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key());
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k1", "alg": "EdDSA", "x": x });
    fs::write(&jwks, json!({ "keys": [key] }).to_string()).unwrap();
    BackendConfig {
        database: database.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        issuer_key,
        jwks,
        issuer: "https://auth.cedargate.example".to_owned(),
        audience: "cedargate".to_owned(),
    }
}
