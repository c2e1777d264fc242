//! Bare pingora in a process of its own: the baseline of every ratio.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::net::TcpListener;

use super::subject::{Judges, Peer, Setting, Subject};
use super::{listening, on_first_core, program};

/// Proxies to `upstream` with one worker, which is one thread as it is in the gate, until it is killed.
pub(crate) fn run(upstream: SocketAddr) {
    let worker = tokio::runtime::Builder::new_current_thread().enable_all().build();
    worker.unwrap().block_on(serve(upstream));
}

async fn serve(upstream: SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("bare: proxy on http://{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    bench::bare::serve(listener, upstream).await;
}

/// What `--only` calls it.
pub(crate) const NAME: &str = "pingora";

/// Bare pingora as a subject: what ratios are to.
pub(crate) fn peer() -> Peer {
    let label = "pingora, bare: the same version, one worker";
    let start = move |setting: &Setting| {
        let own = program("bench");
        let mut command = on_first_core(&own);
        command.arg("bare").arg(setting.upstream.to_string()).stderr(Stdio::null());
        let (child, addresses) = listening(&mut command)?;
        Ok(Subject {
            name: NAME,
            label,
            version: version(),
            judges: Judges::Nothing,
            exact: true,
            address: addresses[0],
            admin: None,
            processes: vec![child],
        })
    };
    Peer { name: NAME, label, start: Box::new(start) }
}

fn version() -> String {
    let lock = include_str!("../../Cargo.lock");
    let package = lock.split("[[package]]").find(|it| it.contains("name = \"pingora\"\n"));
    package.unwrap().split("version = \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}
