//! The same pingora with no gate in it: what a gate is measured against.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::l4::stream::Stream;
use pingora::proxy::{ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::TcpListener;

use super::subject::{Judges, Peer, Setting, Subject};
use super::{listening, on_first_core, program};

struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

/// Proxies to `upstream` with one worker, until it is killed.
pub(crate) fn run(upstream: SocketAddr) {
    let workers =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    workers.unwrap().block_on(serve(upstream));
}

async fn serve(upstream: SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("bare: proxy on http://{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    let proxy = Arc::new(http_proxy(&Arc::new(ServerConf::default()), Bare(upstream)));
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let (proxy, stopping) = (Arc::clone(&proxy), stopping.clone());
        tokio::spawn(
            async move { proxy.process_new(Box::new(Stream::from(socket)), &stopping).await },
        );
    }
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
    let lock = include_str!("../../../../Cargo.lock");
    let package = lock.split("[[package]]").find(|it| it.contains("name = \"pingora\"\n"));
    package.unwrap().split("version = \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}
