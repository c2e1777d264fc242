//! The receiving half of a client connection: heads, and the bodies that follow them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::net::tcp::OwnedReadHalf;
use tokio_util::io::poll_read_buf;

use super::{KEEP_ALIVE, Limits};
use crate::http::framing::{Framing, Misframed, Span};
use crate::http::head::{self, RawHead};
use crate::http::idle::Idle;
use crate::http::pace::{Pace, Patience};

/// The read size in bytes. Most heads, and most bodies that are judged, fit.
const CHUNK: usize = 4 * 1024;
/// The read size in bytes for a long body.
const LARGE_CHUNK: usize = 64 * 1024;

/// The receiving half of a client connection.
#[derive(Debug)]
pub(crate) struct Incoming {
    socket: OwnedReadHalf,
    /// The bytes that were read but not yet consumed.
    buffer: BytesMut,
    /// The remaining body of the current request.
    body: Framing,
    idle: Idle,
    pace: Pace,
}

/// The next part of a body.
#[derive(Debug)]
pub(crate) enum Part {
    /// Content; never empty.
    Content(Bytes),
    /// More bytes must be read first.
    Awaited,
    /// The body is complete.
    End,
}

/// The reason why the body of a request does not arrive completely.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyLost {
    /// The client has closed the connection, or reading failed.
    #[error("the client is gone: {0}")]
    Gone(io::Error),
    /// The client sends too slowly.
    #[error("the client sends its body too slowly")]
    Slow,
    /// The client's chunked framing is invalid.
    #[error(transparent)]
    Misframed(#[from] Misframed),
}

impl Incoming {
    pub(super) fn new(socket: OwnedReadHalf, patience: Patience) -> Self {
        let (idle, pace) = (Idle::new(KEEP_ALIVE), Pace::new(patience));
        Self { socket, buffer: BytesMut::new(), body: Framing::NONE, idle, pace }
    }

    /// Whether all bytes read were consumed.
    pub(crate) fn is_idle(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Whether the current request was consumed completely.
    pub(crate) fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Starts a body: the next bytes are framed as `body`.
    pub(crate) fn begin(&mut self, body: Framing) {
        self.body = body;
        self.pace.begin();
    }

    /// The framing of the rest of the body, which was not consumed yet.
    pub(crate) fn body(&self) -> Framing {
        self.body
    }

    /// The whole body, if its length is known and all of it was read.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let Framing::Length(length) = self.body else { return None };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.buffer.len())?;
        self.body = Framing::NONE;
        Some(self.buffer.split_to(length).freeze())
    }

    /// The next part of the body among the bytes already read.
    ///
    /// # Errors
    ///
    /// Fails if the body is misframed.
    pub(crate) fn part_here(&mut self) -> Result<Part, Misframed> {
        let Span { skip, data } = self.body.next(&self.buffer)?;
        self.buffer.advance(skip);
        Ok(match (data, self.body.is_done()) {
            (0, true) => Part::End,
            (0, false) => Part::Awaited,
            _ => Part::Content(self.buffer.split_to(data).freeze()),
        })
    }

    /// Reads the next content of the body. `None`: the body is complete.
    ///
    /// # Errors
    ///
    /// Fails if the rest of the body does not arrive.
    pub(crate) async fn part(&mut self) -> Result<Option<Bytes>, BodyLost> {
        loop {
            match self.part_here()? {
                Part::Content(content) => return Ok(Some(content)),
                Part::End => return Ok(None),
                Part::Awaited => self.more(|| false).await?,
            }
        }
    }

    /// Reads and discards the rest of the body, for at most `within`. Returns whether the body was complete.
    pub(super) async fn drain(&mut self, within: Duration) -> bool {
        if self.body.is_done() {
            return true;
        }
        let rest = async {
            loop {
                match self.part().await {
                    Ok(Some(_unread)) => {}
                    Ok(None) => return true,
                    Err(_lost) => return false,
                }
            }
        };
        tokio::time::timeout(within, rest).await.unwrap_or(false)
    }

    /// Reads and discards all bytes until the client closes, for at most `within`.
    pub(super) async fn discard(&mut self, within: Duration) {
        let rest = async {
            self.buffer.clear();
            while self.fill(LARGE_CHUNK).await.is_ok_and(|read| read > 0) {
                self.buffer.clear();
            }
        };
        let _over_either_way = tokio::time::timeout(within, rest).await;
    }

    /// Reads the next head, including its empty line. `None`: the client has closed the connection.
    pub(crate) async fn read_head(&mut self, limits: &Limits) -> io::Result<Option<RawHead>> {
        if self.buffer.is_empty() {
            self.idle.begin();
            if std::future::poll_fn(|cx| self.poll_first(cx)).await? == 0 {
                return Ok(None);
            }
        }
        let mut seen = 0;
        if let Some(head) = head::take(&mut self.buffer, limits.header_bytes, &mut seen) {
            return Ok(Some(head));
        }
        let whole = tokio::time::timeout(limits.header_timeout, self.rest_of_head(limits, seen));
        whole.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn rest_of_head(
        &mut self,
        limits: &Limits,
        mut seen: usize,
    ) -> io::Result<Option<RawHead>> {
        loop {
            if self.fill(CHUNK).await? == 0 {
                return Ok(None);
            }
            if let Some(head) = head::take(&mut self.buffer, limits.header_bytes, &mut seen) {
                return Ok(Some(head));
            }
        }
    }

    /// Waits for the next request, for at most [`KEEP_ALIVE`].
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(CHUNK);
        if let Poll::Ready(read) = self.poll_fill(cx) {
            return Poll::Ready(read);
        }
        self.idle.poll_over(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Waits for more of the body. While `excused` is true the client is waiting for `100 Continue`, and its
    /// silence does not count.
    ///
    /// # Errors
    ///
    /// Fails if the client is gone or too slow.
    pub(crate) async fn more(&mut self, excused: impl Fn() -> bool) -> Result<(), BodyLost> {
        let room = if self.body.expected() > CHUNK { LARGE_CHUNK } else { CHUNK };
        self.buffer.reserve(room);
        let read = std::future::poll_fn(|cx| {
            if let Poll::Ready(read) = self.poll_fill(cx) {
                return Poll::Ready(Some(read));
            }
            if excused() {
                self.pace.begin();
                return Poll::Pending;
            }
            self.pace.poll_over(cx).map(|()| None)
        });
        match read.await {
            Some(Ok(0)) => Err(BodyLost::Gone(io::ErrorKind::UnexpectedEof.into())),
            Some(Ok(read)) => {
                self.pace.moved(read);
                if self.pace.is_too_slow() { Err(BodyLost::Slow) } else { Ok(()) }
            }
            Some(Err(error)) => Err(BodyLost::Gone(error)),
            None => Err(BodyLost::Slow),
        }
    }

    async fn fill(&mut self, room: usize) -> io::Result<usize> {
        self.buffer.reserve(room);
        std::future::poll_fn(|cx| self.poll_fill(cx)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = ready!(poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.buffer));
        Poll::Ready(read)
    }
}
