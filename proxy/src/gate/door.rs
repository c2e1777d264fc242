//! The way in: the listener, and a task for each connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pingora::proxy::HttpProxy;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::StartError;
use crate::connection::{self, Limits};
use crate::metrics::Metrics;
use crate::service::{Front, Service};

/// The way in.
pub(super) struct Door {
    pub(super) service: Arc<Service>,
    pub(super) proxy: Arc<HttpProxy<Front>>,
    pub(super) limits: Arc<Limits>,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) metrics: Arc<Metrics>,
}

/// Counts a connection for as long as it is held.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Door {
    /// Lets clients in until it is stopped.
    pub(super) async fn open(&self, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _stopped = stopping.wait_for(|stop| *stop) => return,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most often: those who are in may leave meanwhile.
                    tracing::error!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            self.connections.fetch_add(1, Ordering::Acquire);
            let counted = Counted(Arc::clone(&self.connections));
            let judges = (Arc::clone(&self.service), Arc::clone(&self.proxy));
            let limits = Arc::clone(&self.limits);
            let (metrics, stopping) = (Arc::clone(&self.metrics), stopping.clone());
            tokio::spawn(async move {
                let _counted = counted;
                let malformed = move || metrics.traffic.malformed_request();
                connection::serve(socket, peer, judges, limits, stopping, &malformed).await;
            });
        }
    }
}

/// Listens on `address`, the value of the key `key`.
pub(super) async fn listen(
    key: &'static str,
    address: SocketAddr,
) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { key, address, source })
}
