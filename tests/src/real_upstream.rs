//! Upstreams that other people wrote, from the registries: small applications that answer with what they were
//! told. `tests/upstreams/install` installs what they need.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::wait::{eventually, in_time};

/// What an application is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Express, with `express.json()` and the extended query parser.
    Express,
    /// Flask, behind a WSGI server.
    Flask,
    /// Django REST framework, behind a WSGI server.
    Django,
    /// A CGI program under lighttpd.
    Cgi,
    /// PHP under lighttpd, by `FastCGI`.
    Php,
}

/// A running application.
#[derive(Debug)]
pub struct RealUpstream {
    child: Child,
    address: SocketAddr,
    place: TempDir,
}

impl RealUpstream {
    /// Starts one on a port that the system chooses.
    pub async fn start(kind: Kind) -> Self {
        let place = tempfile::Builder::new().prefix("cedargate-upstream-").tempdir().unwrap();
        let mut command = command(kind, place.path());
        let errors = fs::File::create(place.path().join("stderr.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().expect("an upstream: run tests/upstreams/install");
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = in_time("an upstream is ready", output.next_line()).await.unwrap();
        let Some(port) = port.and_then(|port| port.parse().ok()) else {
            let errors = fs::read_to_string(place.path().join("stderr.log")).unwrap();
            panic!("{kind:?} does not start; was tests/upstreams/install run? {errors}");
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let upstream = Self { child, address, place };
        eventually("an upstream answers", async || {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        upstream
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it was sent so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        fs::read_to_string(log(self.place.path())).unwrap_or_default().lines().count()
    }
}

impl Drop for RealUpstream {
    /// Ends it well: lighttpd ends its own children then.
    fn drop(&mut self) {
        let Some(id) = self.child.id() else { return };
        let _ended =
            std::process::Command::new("kill").args(["-s", "TERM", &id.to_string()]).status();
    }
}

fn log(place: &Path) -> PathBuf {
    place.join("requests.log")
}

fn command(kind: Kind, place: &Path) -> Command {
    let sources = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/upstreams"));
    let installed = installed();
    let python = installed.join("python/bin/python");
    let mut command = match kind {
        Kind::Express => Command::new("node"),
        _ => Command::new(python),
    };
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("NODE_PATH", installed.join("express/node_modules"));
    match kind {
        Kind::Express => command.arg(sources.join("express/app.js")),
        Kind::Flask => command.arg(sources.join("python/flask_app.py")),
        Kind::Django => command.arg(sources.join("python/django_app.py")),
        Kind::Cgi => command.arg(sources.join("lighttpd/start.py")).arg("echo.py").arg(place),
        Kind::Php => command.arg(sources.join("lighttpd/start.py")).arg("echo.php").arg(place),
    };
    command.arg(log(place));
    command
}

/// Where `tests/upstreams/install` has put what it installed: beside the folder of this build.
fn installed() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    target.join("upstreams")
}
