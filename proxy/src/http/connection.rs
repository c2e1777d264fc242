//! Both halves of a client's connection: heads are read strictly, and bodies are framed here.

mod incoming;
mod outgoing;

use std::time::Duration;

use tokio::net::TcpStream;

use crate::http::pace::Patience;

pub(crate) use incoming::{BodyLost, Incoming, Part};
pub(crate) use outgoing::Outgoing;

/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// How long the rest of a request is read and thrown away, so that the client, which may still be sending, gets
/// the answer: a socket that is closed over unread bytes resets the connection.
const DRAINED: Duration = Duration::from_secs(2);

/// The bounds of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
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
    pub(crate) fn new(socket: TcpStream, patience: Patience) -> Self {
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
