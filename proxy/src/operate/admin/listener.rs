//! The connections of the admin listener. Heads have a timeout, and the number of connections is limited.
//!
//! Connections take seats like those of clients. At the limit the longest idle connection is closed, so that a client
//! that only holds connections open cannot keep probes out.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use base::seldom::Seldom;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access::Ends;
use crate::http::seats::{Bounds, Seat, Seats};

/// The maximum number of connections. Probes and scrapers need a few.
const CONNECTIONS: usize = 64;
/// The age at which a connection takes no more requests. It is dropped [`LAST_ANSWER`] later.
const LONGEST: Duration = Duration::from_mins(10);
const LAST_ANSWER: Duration = Duration::from_secs(30);
/// The time that connections have to end after the listener was stopped.
const GRACE: Duration = Duration::from_secs(1);
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(20);

/// The routes, and the timeout of a head.
pub(super) struct Listener {
    pub(super) router: Router,
    pub(super) header_timeout: Duration,
    failed: Seldom,
    full: Seldom,
}

impl Listener {
    pub(super) fn new(router: Router, header_timeout: Duration) -> Self {
        Self { router, header_timeout, failed: Seldom::default(), full: Seldom::default() }
    }

    /// Serves until `stop` completes, then gives the connections [`GRACE`] to end.
    pub(super) async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let bounds = Bounds { total: CONNECTIONS, client: CONNECTIONS };
        let (seats, stopping) = (Seats::new(bounds, |_| {}), watch::Sender::new(false));
        let (mut connections, mut stop) = (JoinSet::new(), pin!(stop));
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => {
                        if let Ok(seat) = seats.take(None) {
                            connections.spawn(self.connection(accepted, seat, stopping.subscribe()));
                        } else if let Some(left_out) = self.full.now() {
                            tracing::warn!(left_out, "connections to the admin listener are refused");
                        }
                        seats.settled().await;
                    }
                    Err(error) => {
                        if let Some(left_out) = self.failed.now() {
                            tracing::error!(%error, left_out, "admin connections cannot be accepted");
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(_ended) = connections.join_next() => {}
                () = &mut stop => break,
            }
        }
        drop(listener);
        stopping.send_replace(true);
        // Does not wait any longer for a client that holds a connection open without a request.
        let _over =
            tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} })
                .await;
    }

    /// Serves one connection until it ends, is told to close, or is too old.
    fn connection(
        &self,
        (socket, peer): (TcpStream, SocketAddr),
        seat: Seat,
        mut stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let ends = Ends { peer, local: socket.local_addr().ok() };
        let seat = Arc::new(seat);
        let router = self.router.clone().layer(from_fn_with_state(Arc::clone(&seat), mark));
        let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(ends))));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.header_timeout);
        async move {
            let mut connection = pin!(http.serve_connection(TokioIo::new(socket), service));
            let last = async {
                tokio::select! {
                    () = tokio::time::sleep(LONGEST) => {}
                    _stopped = stopping.wait_for(|stop| *stop) => {}
                }
            };
            tokio::select! {
                _ended = &mut connection => return,
                () = seat.told_to_close() => return,
                () = last => connection.as_mut().graceful_shutdown(),
            }
            let _ended = tokio::time::timeout(LAST_ANSWER, connection).await;
        }
    }
}

/// Marks a connection as busy during a request. While the response is being sent the connection counts as idle, so a
/// client that reads nothing can be closed to make room.
async fn mark(State(seat): State<Arc<Seat>>, request: Request, next: Next) -> Response {
    // A connection that was told to close is closed without a response.
    let _told = seat.busy();
    let response = next.run(request).await;
    seat.idle();
    response
}
