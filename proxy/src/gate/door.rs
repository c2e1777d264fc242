//! The proxy listener, and a task for each connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::seldom::Seldom;
use ipnet::IpNet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::StartError;
use crate::http::seats::{Beyond, Seat, Seats};
use crate::metrics::Metrics;
use crate::service::Service;
use crate::service::connection::{self, Terms};

/// The length of the accept queue. The system may allow less (`net.core.somaxconn`).
const QUEUE: u32 = 4096;
/// The number of idle connections that are closed when the process is out of descriptors.
const MAKE_ROOM: usize = 16;
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(20);
/// The maximum number of refused connections that are being answered; further ones are closed without an answer.
const ANSWERED: usize = 64;
/// How long, and for how many bytes at most, a refused client is read from: a client that is still sending when the
/// gate closes the connection would lose the answer.
const LINGER: Duration = Duration::from_secs(1);
const LISTENED: usize = 64 * 1024;

/// The proxy listener's state: accepts, bounds and serves connections.
pub(super) struct Door {
    pub(super) service: Arc<Service>,
    pub(super) terms: Arc<Terms>,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) seats: Arc<Seats>,
    pub(super) refused: Refused,
    pub(super) metrics: Arc<Metrics>,
}

/// The limits on answering and logging refused connections.
#[derive(Debug)]
pub(super) struct Refused {
    answers: Arc<Semaphore>,
    beyond: Seldom,
    failed: Seldom,
}

impl Default for Refused {
    fn default() -> Self {
        let answers = Arc::new(Semaphore::new(ANSWERED));
        Self { answers, beyond: Seldom::default(), failed: Seldom::default() }
    }
}

/// A guard that counts a connection while it is open.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Door {
    /// Accepts connections until `stopping` is true.
    pub(super) async fn open(&self, listener: TcpListener, mut stopping: watch::Receiver<bool>) {
        let stopped = stopping.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _stopped = stopping.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((socket, peer)) => match self.seats.take(self.bounded(peer)) {
                    Ok(seat) => self.let_in(socket, peer, seat, stopped.clone()),
                    Err(beyond) => self.refuse(socket, beyond),
                },
                Err(error) => {
                    // Most often the process is out of file descriptors: closing idle connections frees some.
                    self.seats.make_room(MAKE_ROOM);
                    if let Some(left_out) = self.refused.failed.now() {
                        tracing::error!(%error, left_out, "connections cannot be accepted");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
            self.seats.settled().await;
        }
    }

    /// The address that the per-client bound applies to; `None` for a trusted proxy, which carries many clients.
    fn bounded(&self, peer: SocketAddr) -> Option<IpAddr> {
        let address = peer.ip().to_canonical();
        let trusted = |net: &IpNet| net.contains(&address);
        (!self.terms.rules.trusted.iter().any(trusted)).then_some(address)
    }

    fn let_in(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        seat: Seat,
        stopping: watch::Receiver<bool>,
    ) {
        self.connections.fetch_add(1, Ordering::Acquire);
        let counted = Counted(Arc::clone(&self.connections));
        let (service, terms) = (Arc::clone(&self.service), Arc::clone(&self.terms));
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move {
            let _counted = counted;
            let malformed = move || metrics.traffic.malformed_request();
            let parts = (&*service, &*terms);
            connection::serve(socket, peer, seat, parts, stopping, &malformed).await;
        });
    }

    /// Answers a connection beyond a bound and closes it. With [`ANSWERED`] answers pending, only closes it.
    fn refuse(&self, socket: TcpStream, beyond: Beyond) {
        self.metrics.connections.refused(beyond);
        if let Some(left_out) = self.refused.beyond.now() {
            tracing::warn!(bound = beyond.word(), left_out, "connections are refused");
        }
        let Ok(answering) = Arc::clone(&self.refused.answers).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _answering = answering;
            let _gone = tokio::time::timeout(LINGER, send_off(socket, beyond)).await;
        });
    }
}

/// Answers a client that is beyond a bound, then reads until the client closes.
async fn send_off(mut socket: TcpStream, beyond: Beyond) -> io::Result<()> {
    let answer: &[u8] = match beyond {
        Beyond::Client => {
            b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        }
        Beyond::Total => connection::FULL,
    };
    socket.write_all(answer).await?;
    socket.shutdown().await?;
    let (mut buffer, mut heard) = ([0; 1024], 0);
    while heard < LISTENED {
        match socket.read(&mut buffer).await? {
            0 => break,
            more => heard += more,
        }
    }
    Ok(())
}

/// Listens on `address`, the value of the key `key`.
pub(super) fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    bind(address).map_err(|source| StartError::Listen { key, address, source })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // As the standard library does: an address can be bound again while its last connections are in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing accepts here. A connection that finds the queue full is retried by the client after 1 s or more.
    #[tokio::test]
    async fn a_burst_of_connections_waits_for_no_second_try() {
        let allowed = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let allowed: u32 = allowed.trim().parse().unwrap();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        for number in 0..allowed.min(400) {
            let connected =
                tokio::time::timeout(Duration::from_millis(900), TcpStream::connect(address));
            waiting.push(connected.await.unwrap_or_else(|_| panic!("the queue holds {number}")));
        }
    }
}
