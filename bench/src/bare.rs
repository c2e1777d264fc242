//! The same pingora with no gate in it: what a gate is measured against.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::l4::stream::Stream;
use pingora::proxy::{ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::TcpListener;

struct Bare(SocketAddr);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.0, false, String::new())))
    }
}

/// Proxies what comes in at `listener` to `upstream`, until it is dropped.
pub async fn serve(listener: TcpListener, upstream: SocketAddr) {
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
