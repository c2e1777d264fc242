//! A client's connection: heads are read here, strictly, and bodies are framed here; pingora's
//! parser sees one request at a time, whose head we have written.

mod outgoing;
mod stream;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::accept::{self, Accepted, Rules};
use crate::seats::Seat;
use crate::service::{Ctx, Front, Service, Whole};

pub(crate) use stream::ClientStream;

/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_mins(1);
/// What is answered to something that is no HTTP.
const NOT_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What is answered where there is no room for another connection.
pub(crate) const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

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
    (seat, (service, proxy)): (Seat, (Arc<Service>, Arc<HttpProxy<Front>>)),
    limits: Arc<Limits>,
    stopping: watch::Receiver<bool>,
    malformed: &(dyn Fn() + Send + Sync),
) {
    let _best_effort = socket.set_nodelay(true);
    let mut stream = Box::new(ClientStream::new(socket));
    let outgoing = stream.outgoing();
    let mut stopped = pin!(stopped(stopping.clone()));
    let mut told_to_close = pin!(seat.told_to_close());
    loop {
        seat.idle();
        let read = tokio::select! {
            biased;
            read = stream.read_head(&limits) => read,
            // A request whose first byte is here is still served.
            () = &mut stopped, if stream.is_idle() => return,
            () = &mut told_to_close => return,
        };
        let accepted = match read {
            Ok(Some(raw)) => {
                accept::accept(&raw.bytes, peer, (raw.too_large, stream.here()), &limits.rules)
            }
            Ok(None) | Err(_) => return,
        };
        if !seat.busy() {
            // Told to close at the moment when the request came: it is not served.
            let _gone = stream.write_all(FULL).await;
            let _gone = AsyncWriteExt::shutdown(&mut stream).await;
            return;
        }
        let Some(Accepted { arrival, head, framing, relayed, closes }) = accepted else {
            malformed();
            let _gone = stream.write_all(NOT_HTTP).await;
            let _gone = AsyncWriteExt::shutdown(&mut stream).await;
            return;
        };
        let closes = closes || stopping.has_changed().unwrap_or(true);
        if relayed {
            let body = stream.take(framing);
            if !service.serve(Whole { arrival, head, body, closes }, &mut stream).await {
                let _gone = AsyncWriteExt::shutdown(&mut stream).await;
                return;
            }
            continue;
        }
        stream.begin(framing);
        let mut session = ServerSession::new_http1(stream);
        session.set_keepalive((!closes).then_some(KEEP_ALIVE.as_secs()));
        session.set_abort_on_close(false);
        session.set_pipelined_prefix(head);
        session.set_connection_user_context(Some(Box::new(Ctx::begin(arrival))));
        let served = outgoing.attend(proxy.process_new_http(session, &stopping)).await;
        let Some(reused) = served else { return };
        let (next, _settings) = reused.consume();
        let Ok(next) = next.into_any().downcast::<ClientStream>() else { return };
        stream = next;
        if stream.flush().await.is_err() || closes || !stream.is_done() {
            return;
        }
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone has stopped, too.
    let _gone = stopping.wait_for(|stopping| *stopping).await;
}
