//! A connection to the upstream.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncWrite as _;
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use super::answer::{Answer, Hygiene};
use super::{failure, nonsense};
use crate::idle::Idle;
use crate::refusal::Refusal;

/// Room for what is read at once: most answers fit whole.
const CHUNK: usize = 8 * 1024;
/// Room for what is read at once of a long body.
const LARGE_CHUNK: usize = 64 * 1024;

/// The largest head of an answer that is read.
const HEAD: usize = 256 * 1024;

/// A connection to the upstream, used by one request at a time.
#[derive(Debug)]
pub(crate) struct Link {
    socket: TcpStream,
    pub(super) address: SocketAddr,
    /// What was read and not yet passed on.
    pub(super) buffer: BytesMut,
    /// Ends a wait for the upstream.
    patience: Idle,
    /// How often it was found unused.
    pub(super) unused: u32,
}

impl Link {
    /// Connects to `address`, within a time; each wait for the upstream is limited from then on.
    pub(super) async fn open(
        address: SocketAddr,
        within: Duration,
        patience: Duration,
    ) -> io::Result<Self> {
        let connected = tokio::time::timeout(within, TcpStream::connect(address)).await;
        let socket = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let _best_effort = socket.set_nodelay(true);
        let (buffer, patience) = (BytesMut::new(), Idle::new(patience));
        Ok(Self { socket, address, buffer, patience, unused: 0 })
    }

    /// Sends a request, and waits for the first bytes of an answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.patience.begin();
        let mut sent = 0;
        std::future::poll_fn(|cx| self.poll_send(cx, request, &mut sent)).await?;
        if self.more(0).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upstream has hung up"));
        }
        Ok(())
    }

    /// Reads the head of an answer; what of it goes on is written to `out`, which lacks the empty line.
    ///
    /// # Errors
    ///
    /// What the client is told.
    pub(crate) async fn head(
        &mut self,
        hygiene: Hygiene,
        out: &mut BytesMut,
    ) -> Result<Answer, Refusal> {
        loop {
            if let Some((length, answer)) =
                Answer::read(&self.buffer, hygiene, out).map_err(nonsense)?
            {
                self.buffer.advance(length);
                return Ok(answer);
            }
            if self.buffer.len() > HEAD {
                return Err(nonsense("its head is too large"));
            }
            if self.more(0).await.map_err(|error| failure(&error))? == 0 {
                return Err(nonsense("it ends in the middle of its head"));
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.socket).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(more)) => {
                    *sent += more;
                    self.patience.begin();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_lost(cx).map(Err),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more into the buffer, of which so many bytes are known to come; how many. 0: the upstream
    /// has hung up.
    pub(super) async fn more(&mut self, expected: usize) -> io::Result<usize> {
        self.buffer.reserve(if expected > CHUNK { LARGE_CHUNK } else { CHUNK });
        self.patience.begin();
        std::future::poll_fn(|cx| {
            match poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.buffer) {
                Poll::Pending => self.poll_lost(cx).map(Err),
                read @ Poll::Ready(_) => read,
            }
        })
        .await
    }

    /// Waits until the upstream has not moved for too long.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        ready!(self.patience.poll_over(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    /// Whether it can be used once more, as far as can be known without asking: nothing has come, nor the
    /// end.
    pub(super) fn is_quiet(&self) -> bool {
        let nothing = self.socket.try_read(&mut [0]);
        self.buffer.is_empty()
            && nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Nobody uses it any more. What a long body needed is given back.
    pub(super) fn park(&mut self) {
        self.unused = 0;
        if self.buffer.capacity() > CHUNK {
            self.buffer = BytesMut::new();
        }
    }
}
