//! A client connection: strict reading of heads, framing of bodies.

mod incoming;
mod outgoing;

use std::time::Duration;

use tokio::net::TcpStream;

use crate::http::pace::Patience;

pub(crate) use incoming::{BodyLost, Incoming, Part};
pub(crate) use outgoing::Outgoing;

/// The maximum time that a connection is idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// The maximum time for which the rest of a request is read and discarded. A client that is still sending would lose
/// the answer otherwise: closing a socket with unread bytes resets the connection.
const DRAINED: Duration = Duration::from_secs(2);

/// The limits of a client connection.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) header_bytes: usize,
    pub(crate) header_timeout: Duration,
    pub(crate) patience: Patience,
}

/// Both halves of a client connection.
#[derive(Debug)]
pub(crate) struct ClientStream {
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
    /// Whether the start of the next request in the byte stream is unknown.
    lost: bool,
    /// Whether a response without a length was cut off.
    cut: bool,
}

impl ClientStream {
    pub(crate) fn new(socket: TcpStream, patience: Patience) -> Self {
        let (incoming, outgoing) = socket.into_split();
        let incoming = Incoming::new(incoming, patience);
        Self { incoming, outgoing: Outgoing::new(outgoing, patience), lost: false, cut: false }
    }

    /// Marks the start of the next request as unknown: the connection ends with this request.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// Marks a response without a length as cut off: the connection ends with a reset, which is the only way to tell an
    /// HTTP/1.0 client that the response is incomplete.
    pub(crate) fn cut(&mut self) {
        self.lost = true;
        self.cut = true;
    }

    /// Whether the start of the next request is unknown.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Sends `bytes`. Returns whether the client is still there.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> bool {
        self.outgoing.send(bytes).await.is_ok() && self.outgoing.flush().await.is_ok()
    }

    /// Reads the rest of a request that was answered early. Returns whether another request can follow.
    pub(crate) async fn drain(&mut self) -> bool {
        self.incoming.drain(DRAINED).await
    }

    /// Closes the connection so that the client receives the last bytes sent, and notices if the response was cut off.
    pub(crate) async fn close(mut self) {
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
