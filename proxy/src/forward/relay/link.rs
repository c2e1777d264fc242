//! A connection to the upstream.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_util::io::poll_read_buf;

use super::answer::{Answer, AnswerRules};
use super::{failure, nonsense};
use crate::http::connection::Outgoing;
use crate::http::idle::Idle;
use crate::http::pace::Patience;
use crate::judge::refusal::Refusal;

/// The read size in bytes. Most responses fit.
const CHUNK: usize = 8 * 1024;
/// The read size in bytes for a long body.
const LARGE_CHUNK: usize = 64 * 1024;

/// The maximum length of the head of a response, in bytes.
const HEAD: usize = 256 * 1024;
const TOO_LARGE: &str = "its head is too large";

/// A connection to the upstream, used by one request at a time.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) incoming: LinkIncoming,
    pub(crate) outgoing: Outgoing,
    pub(super) address: SocketAddr,
    /// How many times the pool found the connection unused.
    pub(super) unused: u32,
}

/// The receiving half of a connection to the upstream.
#[derive(Debug)]
pub(crate) struct LinkIncoming {
    socket: OwnedReadHalf,
    /// The bytes that were read but not yet forwarded.
    pub(super) buffer: BytesMut,
    /// The timeout of a wait for the upstream.
    patience: Idle,
}

/// Tracks which side has to act next while a body is streamed and the response may start at any time. The timeout of
/// the upstream counts only while the upstream has all that it waits for.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Whether it is the upstream's turn: it has what it needs to respond.
    upstream: AtomicBool,
    /// Whether the body was sent completely.
    sent: AtomicBool,
    /// Counts the sends to the upstream.
    progress: AtomicU32,
}

/// The turn of an upstream that has the whole request.
pub(crate) static SENT: Turn = Turn::new(true);

impl Turn {
    /// The client's turn while its body is still to be sent, or the upstream's if all was `sent`.
    pub(crate) const fn new(sent: bool) -> Self {
        Self {
            upstream: AtomicBool::new(sent),
            sent: AtomicBool::new(sent),
            progress: AtomicU32::new(0),
        }
    }

    /// Gives the turn to the upstream, or to the client.
    pub(crate) fn give(&self, to_upstream: bool) {
        self.progress.fetch_add(1, Ordering::Relaxed);
        self.upstream.store(to_upstream, Ordering::Relaxed);
    }

    /// Marks the body as sent completely, and gives the turn to the upstream.
    pub(crate) fn finish(&self) {
        self.sent.store(true, Ordering::Relaxed);
        self.give(true);
    }

    /// Whether the body was sent completely.
    pub(crate) fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether it is the upstream's turn.
    pub(crate) fn is_upstreams(&self) -> bool {
        self.upstream.load(Ordering::Relaxed)
    }

    fn state(&self) -> (bool, u32) {
        (self.upstream.load(Ordering::Relaxed), self.progress.load(Ordering::Relaxed))
    }
}

impl Link {
    /// Connects to `address` within a time. `timeout` then limits each wait for the upstream.
    pub(super) async fn open(
        address: SocketAddr,
        within: Duration,
        timeout: Duration,
    ) -> io::Result<Self> {
        let connected = tokio::time::timeout(within, TcpStream::connect(address)).await;
        let socket = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let _best_effort = socket.set_nodelay(true);
        let (socket, outgoing) = socket.into_split();
        let (buffer, patience) = (BytesMut::new(), Idle::new(timeout));
        Ok(Self {
            incoming: LinkIncoming { socket, buffer, patience },
            outgoing: Outgoing::new(outgoing, Patience { timeout, rate: 0 }),
            address,
            unused: 0,
        })
    }

    /// Sends a request, and waits for the first bytes of the response.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.outgoing.begin();
        self.outgoing.send(request).await?;
        self.outgoing.flush().await?;
        if self.incoming.more(0, &SENT).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upstream has hung up"));
        }
        Ok(())
    }

    /// Whether the connection seems usable once more: neither bytes nor the end of the stream
    /// have arrived.
    pub(super) fn is_quiet(&self) -> bool {
        let nothing = self.incoming.socket.try_read(&mut [0]);
        self.incoming.buffer.is_empty()
            && nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Prepares the connection for the pool. Frees a buffer that has grown for a long body.
    pub(super) fn park(&mut self) {
        self.unused = 0;
        if self.incoming.buffer.capacity() > CHUNK {
            self.incoming.buffer = BytesMut::new();
        }
    }
}

impl LinkIncoming {
    /// Reads the head of a response, and writes the forwarded part to `out`, without the framing of the body and
    /// the empty line.
    ///
    /// # Errors
    ///
    /// Fails with the refusal for the client.
    pub(crate) async fn head(
        &mut self,
        rules: AnswerRules,
        out: &mut BytesMut,
        turn: &Turn,
    ) -> Result<Answer, Refusal> {
        loop {
            if let Some((length, answer)) =
                Answer::read(&self.buffer, rules, out).map_err(nonsense)?
            {
                if length > HEAD {
                    return Err(nonsense(TOO_LARGE));
                }
                self.buffer.advance(length);
                return Ok(answer);
            }
            if self.buffer.len() > HEAD {
                return Err(nonsense(TOO_LARGE));
            }
            if self.more(0, turn).await.map_err(|error| failure(&error))? == 0 {
                return Err(nonsense("it ends in the middle of its head"));
            }
        }
    }

    /// Reads more into the buffer; at least `expected` bytes of a body are still to come. Returns the number of bytes
    /// read; 0: the upstream has closed the connection.
    pub(super) async fn more(&mut self, expected: usize, turn: &Turn) -> io::Result<usize> {
        self.buffer.reserve(if expected > CHUNK { LARGE_CHUNK } else { CHUNK });
        self.patience.begin();
        let mut state = turn.state();
        std::future::poll_fn(|cx| {
            match poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.buffer) {
                Poll::Pending => poll_lost(&mut self.patience, cx, turn, &mut state).map(Err),
                read @ Poll::Ready(_) => read,
            }
        })
        .await
    }
}

/// Completes when the upstream was idle for too long during its turn.
fn poll_lost(
    patience: &mut Idle,
    cx: &mut Context<'_>,
    turn: &Turn,
    state: &mut (bool, u32),
) -> Poll<io::Error> {
    loop {
        let now = turn.state();
        if now != *state {
            *state = now;
            patience.begin();
        }
        ready!(patience.poll_over(cx));
        if now.0 {
            return Poll::Ready(io::ErrorKind::TimedOut.into());
        }
        patience.begin();
    }
}
