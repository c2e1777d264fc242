//! `cedargate demo`: the product in one command.

mod files;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use backend::{Backend, BackendConfig};
use base::chain;
use database::migrate;
use proxy::Gate;
use proxy::config::{Config, JwksSource};
use proxy::logging;
use tokio::sync::watch;

use super::printing::print;
use super::serve::{Signals, say};
use super::{Done, Failure, environment, runtime};

pub(super) use files::new_password;

/// Run a complete demo: the gate, a plain backend, demo users and data, on embedded SQLite
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// The directory of the demo; an existing demo is used as it is
    #[arg(long, value_name = "DIR", default_value = ".cedargate-demo")]
    dir: PathBuf,
    /// Use this database instead of an SQLite file in the directory; a new demo stores it in its configuration
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The address for clients; a new demo stores this and the next two in its configuration
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The address for operators
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Put the gate in front of this application instead of the plain backend
    #[arg(long, value_name = "ADDR")]
    upstream: Option<String>,
    /// Stop after writing the files and the data
    #[arg(long)]
    prepare: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<Done, Failure> {
        runtime(None)?.block_on(self.demo())
    }

    async fn demo(self) -> Result<Done, Failure> {
        let mut signals = Signals::new()?;
        let new = !self.dir.join("cedargate.yaml").exists();
        let password = files::write(&self.dir, &self.values())?;
        let dir = self.dir.canonicalize().map_err(|error| unusable(&self.dir, &error))?;
        let mut flags = self.flags();
        let file = dir.join("cedargate.yaml");
        let config = Config::load_with(Some(&file), environment(), &flags)?;
        logging::begin(config.log);
        let database = config.facts.database.expose();
        migrate(database).await.map_err(|error| Failure::NotFine(chain(&error)))?;
        let seeded = backend::demo::seed(database, &password).await;
        seeded.map_err(|error| Failure::NotFine(chain(&error)))?;
        if self.prepare {
            print(&format!("the demo is prepared in {}", dir.display()))?;
            if !new && !flags.is_empty() {
                print(
                    "`cedargate.yaml` was there already and is left as it is: it does not say what the flags say",
                )?;
            }
            return Ok(Done::Fine);
        }
        let (stop, stopping) = watch::channel(false);
        let mut backend = None;
        if self.upstream.is_none() {
            let bound = bind_backend(&config, &dir).await?;
            flags.push(("upstream.address".to_owned(), bound.address().to_string()));
            let mut stopping = stopping;
            let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
            backend = Some(tokio::spawn(bound.run(stopped)));
        }
        let config = Config::load_with(Some(&file), environment(), &flags)?;
        let upstream = config.upstream.address.clone();
        let gate = Gate::start(config).await.map_err(|error| Failure::NotFine(chain(&error)))?;
        welcome(&gate, &dir, &upstream, &password);
        signals.until_told_to_stop(&gate).await;
        // No load balancer is in front of a demo, so there is no drain: only the requests under way are finished.
        gate.stop().await;
        stop.send_replace(true);
        if let Some(backend) = backend
            && let Ok(Err(error)) = backend.await
        {
            tracing::warn!(%error, "the backend has failed");
        }
        Ok(Done::Fine)
    }

    fn values(&self) -> files::Values {
        files::Values {
            listen: self.listen,
            admin: self.admin,
            upstream: self.upstream.clone(),
            database: self.database.clone(),
        }
    }

    fn flags(&self) -> Vec<(String, String)> {
        let listen = self.listen.map(|it| ("listen.proxy", it.to_string()));
        let admin = self.admin.map(|it| ("listen.admin", it.to_string()));
        let upstream = self.upstream.clone().map(|it| ("upstream.address", it));
        let database = self.database.clone().map(|it| ("facts.database", it));
        let given = [listen, admin, upstream, database].into_iter().flatten();
        // Quoted, because a value is parsed as YAML and must stay the given text.
        given.map(|(key, value)| (key.to_owned(), files::quoted(&value))).collect()
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage(format!("`{}` cannot be used: {error}", path.display()))
}

/// Binds the plain backend to the upstream address of the configuration, or to a free port if that fails.
async fn bind_backend(config: &Config, dir: &Path) -> Result<Backend, Failure> {
    let issuer = config.jwt.issuers.first();
    let jwks = issuer.map(|issuer| &issuer.jwks);
    let Some((issuer, JwksSource::File(jwks))) = issuer.zip(jwks) else {
        return Err(Failure::NotFine(
            "the demo's issuer has to have its keys in a file".to_owned(),
        ));
    };
    let wanted = config.upstream.address.parse().ok();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let backend = |listen| BackendConfig {
        database: config.facts.database.expose().to_owned(),
        listen,
        issuer_key: dir.join("keys/issuer.pem"),
        jwks: jwks.clone(),
        issuer: issuer.issuer.to_string(),
        audience: issuer.audiences.first().cloned().unwrap_or_default(),
    };
    if let Some(listen) = wanted
        && let Ok(bound) = Backend::bind(backend(listen)).await
    {
        return Ok(bound);
    }
    Backend::bind(backend(anywhere)).await.map_err(|error| Failure::NotFine(chain(&error)))
}

/// Prints the addresses, how to sign in, and requests to try.
fn welcome(gate: &Gate, dir: &Path, upstream: &str, password: &str) {
    let base = format!("http://{}", gate.proxy_address());
    let binary = std::env::current_exe()
        .map_or_else(|_| "cedargate".to_owned(), |path| path.display().to_string());
    let key = dir.join("keys/issuer.pem");
    let token = |user: &str| format!("$({binary} token --key {} --sub {user})", key.display());
    let curl = |user: &str, path: &str| {
        format!("  curl -i -H \"Authorization: Bearer {}\" \"{base}{path}\"", token(user))
    };
    say(&format!("cedargate: proxy on {base}, admin on http://{}", gate.admin_address()));
    say(&format!("upstream on http://{upstream}; everything is kept in {}", dir.display()));
    say("");
    say(&format!("Everybody's password is {password}; for example"));
    for user in ["kauvery-coder", "kauvery-doctor", "kauvery-admin", "platform-admin"] {
        say(&format!("  {user}@cedargate.example"));
    }
    say("To sign in as one of them:");
    say(&format!(
        "  curl -s -H 'Content-Type: application/json' -d '{{\"email\":\"kauvery-coder@cedargate.example\",\"password\":\"{password}\"}}' {base}/api/auth/login"
    ));
    say("");
    say("The coder searches codes: 200");
    say(&curl("kauvery-coder", "/api/codes/icd10/search?q=fever"));
    say("The coder asks for patients: 403 outside_boundary");
    say(&curl("kauvery-coder", "/api/patients"));
    say("The coder of Beta, which has not bought the tool: 403 org_feature_disabled");
    say(&curl("beta-coder", "/api/codes/icd10/search?q=fever"));
    say("The doctor of Alpha asks for a patient of Beta: 404 not_found");
    say(&curl("alpha-doctor", "/api/patients/patient-beta-1"));
    say("");
    say("Ctrl-C ends it.");
}
