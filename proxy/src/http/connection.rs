//! A client's connection: heads are read strictly, one request at a time is served, and its body is framed here.

mod incoming;
mod outgoing;

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::accept::{self, Persistence, Rules};
use crate::http::date;
use crate::http::pace::Patience;
use crate::http::seats::Seat;
use crate::service::{Service, wall_clock};

pub(crate) use incoming::{BodyLost, Incoming, Part};
pub(crate) use outgoing::Outgoing;

/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// How long the rest of a request is read and thrown away, so that the client, which may still be sending, gets
/// the answer: a socket that is closed over unread bytes resets the connection.
const DRAINED: Duration = Duration::from_secs(2);

/// What is answered where there is no room for another connection.
pub(crate) const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a connection has to know.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) rules: Rules,
    pub(crate) header_bytes: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) patience: Patience,
}

/// Both halves of a client's connection.
#[derive(Debug)]
pub(crate) struct ClientStream {
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
    /// Whether the place at which the next request begins is unknown.
    lost: bool,
    /// Whether an answer without a length was cut off.
    cut: bool,
}

impl ClientStream {
    fn new(socket: TcpStream, patience: Patience) -> Self {
        let (incoming, outgoing) = socket.into_split();
        let incoming = Incoming::new(incoming, patience);
        Self { incoming, outgoing: Outgoing::new(outgoing, patience), lost: false, cut: false }
    }

    /// The place at which the next request begins is unknown: the connection ends with this request.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// An answer was cut off whose end is the end of the connection: the connection ends with a reset, which is the
    /// only way to tell an HTTP/1.0 client that the answer is not whole.
    pub(crate) fn cut(&mut self) {
        self.lost = true;
        self.cut = true;
    }

    /// Whether the place at which the next request begins is unknown.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Sends `bytes`. Whether the client is still there.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> bool {
        self.outgoing.send(bytes).await.is_ok() && self.outgoing.flush().await.is_ok()
    }

    /// Reads the rest of a request that was answered before it was read. Whether another request can follow.
    pub(crate) async fn drain(&mut self) -> bool {
        self.incoming.drain(DRAINED).await
    }

    /// Ends the connection, in such a way that the client gets what was sent last, and knows if that is not all.
    async fn close(mut self) {
        if self.cut {
            let _gone = self.outgoing.flush().await;
            return self.outgoing.reset();
        }
        let ended = self.outgoing.finish().await.is_ok();
        let quiet = !self.lost && self.incoming.is_done() && self.incoming.is_idle();
        if ended && !quiet {
            self.incoming.discard(DRAINED).await;
        }
    }
}

/// Serves one connection until either side ends it.
pub(crate) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    (service, limits): (&Service, &Limits),
    stopping: watch::Receiver<bool>,
    malformed: &(dyn Fn() + Send + Sync),
) {
    let _best_effort = socket.set_nodelay(true);
    let mut client = ClientStream::new(socket, limits.patience);
    let mut stopped = pin!(stopped(stopping.clone()));
    let mut told_to_close = pin!(seat.told_to_close());
    loop {
        seat.idle();
        let read = tokio::select! {
            biased;
            read = client.incoming.read_head(limits) => read,
            () = &mut stopped => {
                if client.incoming.is_idle() {
                    return;
                }
                // A request whose first byte is here is still served.
                client.incoming.read_head(limits).await
            }
            () = &mut told_to_close => return,
        };
        let Ok(Some(raw)) = read else { return };
        client.outgoing.begin();
        if !seat.busy() {
            // Told to close at the moment when the request came: it is not served.
            client.lose();
            client.say(FULL).await;
            return client.close().await;
        }
        let Some(mut accepted) = accept::accept(&raw, peer, &limits.rules) else {
            malformed();
            client.lose();
            client.say(not_http().as_bytes()).await;
            return client.close().await;
        };
        if stopping.has_changed().unwrap_or(true) {
            accepted.persistence = Persistence::Close;
        }
        if !service.serve(accepted, &mut client).await {
            return client.close().await;
        }
    }
}

/// The answer to what is no HTTP.
fn not_http() -> String {
    let date = date::spell(wall_clock());
    format!(
        "HTTP/1.1 400 Bad Request\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _gone = stopping.wait_for(|stopping| *stopping).await;
}
