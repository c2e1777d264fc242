//! Serves a client connection: one request after the other, until either side closes it.

use std::net::SocketAddr;
use std::pin::pin;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::accept::{self, Persistence, Rules};
use crate::http::connection::{ClientStream, Limits};
use crate::http::date;
use crate::http::seats::Seat;
use crate::service::{Service, wall_clock};

/// The response if there is no room for another connection.
pub(crate) const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The rules and limits for every connection of a listener.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) rules: Rules,
    pub(crate) limits: Limits,
}

/// Serves one connection until either side closes it.
pub(crate) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    (service, terms): (&Service, &Terms),
    stopping: watch::Receiver<bool>,
    malformed: &(dyn Fn() + Send + Sync),
) {
    let _best_effort = socket.set_nodelay(true);
    let mut client = ClientStream::new(socket, terms.limits.patience);
    let mut stopped = pin!(stopped(stopping.clone()));
    let mut told_to_close = pin!(seat.told_to_close());
    loop {
        seat.idle();
        let read = tokio::select! {
            biased;
            read = client.incoming.read_head(&terms.limits) => read,
            () = &mut stopped => {
                if client.incoming.is_idle() {
                    return;
                }
                // A request whose first byte has arrived is still served.
                client.incoming.read_head(&terms.limits).await
            }
            () = &mut told_to_close => return,
        };
        let Ok(Some(raw)) = read else { return };
        client.outgoing.begin();
        if !seat.busy() {
            // The connection was told to close just before the request arrived: the request is not served.
            client.lose();
            client.say(FULL).await;
            return client.close().await;
        }
        let Some(mut accepted) = accept::accept(&raw, peer, &terms.rules) else {
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

/// The response to bytes that are not HTTP.
fn not_http() -> String {
    let date = date::spell(wall_clock());
    format!(
        "HTTP/1.1 400 Bad Request\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A dropped sender counts as a stop.
    let _gone = stopping.wait_for(|stopping| *stopping).await;
}
