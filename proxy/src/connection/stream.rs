//! A socket that gives out the bytes of one request at a time.

use std::io;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, SocketDigest, TimingDigest,
};
use pingora::protocols::{Peek, Shutdown, Ssl, UniqueID, UniqueIDType};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio_util::io::poll_read_buf;

use super::outgoing::Outgoing;
use super::{KEEP_ALIVE, Limits};
use crate::framing::Framing;
use crate::head::{self, Scan};
use crate::idle::Idle;

/// Room for what is read at once: most heads, and most bodies that are judged, fit.
const CHUNK: usize = 4 * 1024;

/// A head as it came, or as much of it as the limits allow.
pub(super) struct RawHead {
    pub(super) bytes: Bytes,
    pub(super) too_large: bool,
}

/// A socket that gives out the bytes of one request at a time.
#[derive(Debug)]
pub(crate) struct ClientStream {
    incoming: OwnedReadHalf,
    outgoing: Arc<Outgoing>,
    /// What was read and not yet given out.
    buffer: BytesMut,
    /// What is left of the request that is being served.
    framing: Framing,
    idle: Idle,
}

impl ClientStream {
    pub(super) fn new(socket: TcpStream) -> Self {
        let (incoming, outgoing) = socket.into_split();
        let outgoing = Arc::new(Outgoing::new(outgoing));
        let (buffer, idle) = (BytesMut::new(), Idle::new(KEEP_ALIVE));
        Self { incoming, outgoing, buffer, framing: Framing::NONE, idle }
    }

    /// The way to the client, which outlives the request that is being served.
    pub(super) fn outgoing(&self) -> Arc<Outgoing> {
        Arc::clone(&self.outgoing)
    }

    /// Whether nothing was read that is not given out.
    pub(super) fn is_idle(&self) -> bool {
        self.buffer.is_empty()
    }

    /// How much was read that is not given out.
    pub(super) fn here(&self) -> usize {
        self.buffer.len()
    }

    /// Takes a body that is here whole.
    pub(super) fn take(&mut self, body: Framing) -> Bytes {
        let length = match body {
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Framing::Chunked(_) => 0,
        };
        self.buffer.split_to(length.min(self.buffer.len())).freeze()
    }

    /// From now on, what is read is the body of a request.
    pub(super) fn begin(&mut self, body: Framing) {
        self.framing = body;
    }

    /// Whether all of the request was given out.
    pub(super) fn is_done(&self) -> bool {
        self.framing.is_done()
    }

    /// Reads the next head, its empty line included. `None`: the client has no more to say.
    pub(super) async fn read_head(&mut self, limits: &Limits) -> io::Result<Option<RawHead>> {
        if self.buffer.is_empty() {
            self.idle.begin();
            if std::future::poll_fn(|cx| self.poll_first(cx)).await? == 0 {
                return Ok(None);
            }
        }
        let mut seen = 0;
        if let Some(head) = self.take_head(limits, &mut seen) {
            return Ok(Some(head));
        }
        let whole = tokio::time::timeout(limits.header_timeout, self.rest_of_head(limits, seen));
        whole.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Sends `bytes`, or holds them until [`Self::send_held`]. A client that takes nothing for as long as a
    /// connection may be idle is given up.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        self.idle.begin();
        std::future::poll_fn(|cx| {
            while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
                let Poll::Ready(more) = self.outgoing.poll_write(cx, rest) else {
                    return self.poll_stuck(cx);
                };
                sent += more?;
                self.idle.begin();
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Sends what is held.
    pub(crate) async fn send_held(&mut self) -> io::Result<()> {
        self.idle.begin();
        std::future::poll_fn(|cx| match self.outgoing.poll_flush(cx) {
            Poll::Pending => self.poll_stuck(cx),
            sent @ Poll::Ready(_) => sent,
        })
        .await
    }

    fn poll_stuck(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.idle.poll_over(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Waits for the next request as long as a connection may be idle.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(read) = self.poll_fill(cx) {
            return Poll::Ready(read);
        }
        self.idle.poll_over(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn rest_of_head(
        &mut self,
        limits: &Limits,
        mut seen: usize,
    ) -> io::Result<Option<RawHead>> {
        loop {
            if self.fill().await? == 0 {
                return Ok(None);
            }
            if let Some(head) = self.take_head(limits, &mut seen) {
                return Ok(Some(head));
            }
        }
    }

    /// Takes a head out of the buffer, if it is whole or goes beyond the limits. Its end is not among
    /// the first `seen` bytes.
    fn take_head(&mut self, limits: &Limits, seen: &mut usize) -> Option<RawHead> {
        // RFC 9112, 2.2: an empty line before the request line is passed over.
        while *seen == 0 && self.buffer.starts_with(b"\r\n") {
            self.buffer.advance(2);
        }
        if self.buffer.first().is_some_and(|byte| !head::is_token(*byte) && *byte != b'\r') {
            return Some(RawHead { bytes: Bytes::new(), too_large: false });
        }
        let (end, too_large) = match head::scan(&self.buffer, *seen) {
            Scan::Complete(end) if end <= limits.header_bytes => (end, false),
            Scan::BareLf(end) => (end, false),
            _ if self.buffer.len() > limits.header_bytes => (self.buffer.len(), true),
            _ => {
                // The last three bytes may begin the end.
                *seen = self.buffer.len().saturating_sub(3);
                return None;
            }
        };
        Some(RawHead { bytes: self.buffer.split_to(end).freeze(), too_large })
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(CHUNK);
        self.incoming.read_buf(&mut self.buffer).await
    }

    /// Reads more into the buffer; how much.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(CHUNK);
        poll_read_buf(Pin::new(&mut self.incoming), cx, &mut self.buffer)
    }
}

impl AsyncRead for ClientStream {
    /// Gives out bytes of the request that is being served, and of no other. Once it is whole,
    /// what comes is kept for the next one; only the end of the connection is told.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.framing.is_done() {
            if self.buffer.is_empty() && ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
            return Poll::Pending;
        }
        if self.buffer.is_empty() && ready!(self.poll_fill(cx))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        let most = this.buffer.len().min(out.remaining());
        let bytes = this.buffer.get(..most).unwrap_or_default();
        let taken = this
            .framing
            .take(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        out.put_slice(bytes.get(..taken).unwrap_or_default());
        this.buffer.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.outgoing.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        let _gone = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.incoming.as_ref().as_raw_fd()
    }
}

impl Ssl for ClientStream {}
impl Peek for ClientStream {}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}
