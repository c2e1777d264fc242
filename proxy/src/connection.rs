//! A client's connection: heads are read here, strictly, and bodies are framed here; pingora's
//! parser sees one request at a time, whose head we have written.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, SocketDigest, TimingDigest,
};
use pingora::protocols::{Peek, Shutdown, Ssl, UniqueID, UniqueIDType};
use pingora::proxy::HttpProxy;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::io::poll_read_buf;

use crate::accept::{self, Accepted, Rules};
use crate::framing::Framing;
use crate::head::{self, Scan};
use crate::service::Service;

/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// Room for what is read at once: most heads, and most bodies that are judged, fit.
const CHUNK: usize = 4 * 1024;
/// What is answered to something that is no HTTP.
const NOT_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What a connection has to know.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) rules: Rules,
    pub(crate) header_bytes: usize,
    pub(crate) header_timeout: Duration,
}

/// Serves one connection until either side ends it.
pub(crate) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    proxy: Arc<HttpProxy<Service>>,
    limits: Arc<Limits>,
    mut stopping: watch::Receiver<bool>,
    malformed: &(dyn Fn() + Send + Sync),
) {
    let _best_effort = socket.set_nodelay(true);
    let mut stream = Box::new(ClientStream::new(socket));
    loop {
        let read = tokio::select! {
            biased;
            read = stream.read_head(&limits) => read,
            // A request whose first byte is here is still served.
            () = stopped(&mut stopping), if stream.buffer.is_empty() => return,
        };
        let accepted = match read {
            Ok(Some(raw)) => accept::accept(&raw.bytes, peer, raw.too_large, &limits.rules),
            Ok(None) | Err(_) => return,
        };
        let Some(Accepted { arrival, head, framing }) = accepted else {
            malformed();
            let _gone = stream.socket.write_all(NOT_HTTP).await;
            let _gone = stream.socket.flush().await;
            let _gone = AsyncWriteExt::shutdown(&mut stream.socket).await;
            return;
        };
        let closes = arrival.fault.is_some() || *stopping.borrow();
        stream.framing = framing;
        let mut session = ServerSession::new_http1(stream);
        session.set_keepalive((!closes).then_some(KEEP_ALIVE.as_secs()));
        session.set_abort_on_close(false);
        session.set_pipelined_prefix(head);
        session.set_connection_user_context(Some(Box::new(arrival)));
        let Some(reused) = proxy.process_new_http(session, &stopping).await else { return };
        let (next, _settings) = reused.consume();
        let Ok(next) = next.into_any().downcast::<ClientStream>() else { return };
        if closes || !next.framing.is_done() {
            return;
        }
        stream = next;
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _gone = stopping.wait_for(|stopping| *stopping).await;
}

/// A head as it came, or as much of it as the limits allow.
struct RawHead {
    bytes: Bytes,
    too_large: bool,
}

/// A socket that gives out the bytes of one request at a time.
#[derive(Debug)]
pub(crate) struct ClientStream {
    socket: Socket,
    /// What was read and not yet given out.
    buffer: BytesMut,
    /// What is left of the request that is being served.
    framing: Framing,
}

impl ClientStream {
    fn new(socket: TcpStream) -> Self {
        Self { socket: socket.into(), buffer: BytesMut::new(), framing: Framing::NONE }
    }

    /// Reads the next head, its empty line included. `None`: the client has no more to say.
    async fn read_head(&mut self, limits: &Limits) -> io::Result<Option<RawHead>> {
        if self.buffer.is_empty() {
            let first = tokio::time::timeout(KEEP_ALIVE, self.fill()).await;
            if first.map_err(|_| io::ErrorKind::TimedOut)?? == 0 {
                return Ok(None);
            }
        }
        let whole = tokio::time::timeout(limits.header_timeout, self.rest_of_head(limits)).await;
        whole.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn rest_of_head(&mut self, limits: &Limits) -> io::Result<Option<RawHead>> {
        let mut seen = 0;
        loop {
            // RFC 9112, 2.2: an empty line before the request line is passed over.
            while seen == 0 && self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
            }
            if self.buffer.first().is_some_and(|byte| !head::is_token(*byte) && *byte != b'\r') {
                return Ok(Some(RawHead { bytes: Bytes::new(), too_large: false }));
            }
            let end = match head::scan(&self.buffer, seen) {
                Scan::Complete(end) if end <= limits.header_bytes => Some((end, false)),
                Scan::BareLf(end) => Some((end, false)),
                _ if self.buffer.len() > limits.header_bytes => Some((self.buffer.len(), true)),
                _ => None,
            };
            if let Some((end, too_large)) = end {
                let bytes = self.buffer.split_to(end).freeze();
                return Ok(Some(RawHead { bytes, too_large }));
            }
            // The last three bytes may begin the end.
            seen = self.buffer.len().saturating_sub(3);
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(CHUNK);
        self.socket.read_buf(&mut self.buffer).await
    }

    /// Reads more into the buffer; how much.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buffer.reserve(CHUNK);
        poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.buffer)
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
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(&mut self.socket).await;
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.socket.id()
    }
}

impl Ssl for ClientStream {}
impl Peek for ClientStream {}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.socket.get_timing_digest()
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
