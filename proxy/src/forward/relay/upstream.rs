//! The upstream: its addresses, and connections to them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::{Link, Pool, failure};
use crate::judge::ledger::Recorded;
use crate::judge::refusal::Refusal;

/// The addresses of the upstream's name, as last resolved. There may be several: `localhost` is `::1` and `127.0.0.1`,
/// and the application may listen on only one of them.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    known: ArcSwap<Vec<SocketAddr>>,
    /// The index of the address that accepted a connection last.
    good: AtomicUsize,
}

impl Addresses {
    /// Starts with an address that needs no look-up, if there is one.
    pub(crate) fn new(known: Option<SocketAddr>) -> Self {
        Self {
            known: ArcSwap::from_pointee(known.into_iter().collect()),
            good: AtomicUsize::new(0),
        }
    }

    /// Replaces the addresses after a look-up.
    pub(crate) fn resolved(&self, found: Vec<SocketAddr>) {
        if **self.known.load() != found {
            self.good.store(0, Ordering::Relaxed);
            self.known.store(Arc::new(found));
        }
    }
}

impl Addresses {
    /// Connects to the first address that accepts a connection within its share of `within`, starting with the one
    /// that accepted last. Nothing has been sent yet, so trying the next address repeats nothing. The error is `None`
    /// if no address is known.
    async fn connect(
        &self,
        within: Duration,
        read_timeout: Duration,
    ) -> Result<Link, Option<io::Error>> {
        let addresses = self.known.load_full();
        let (count, good) = (addresses.len(), self.good.load(Ordering::Relaxed));
        let share = u32::try_from(count).ok().and_then(|count| within.checked_div(count));
        let mut last = None;
        for place in (0..count).map(|step| (good + step) % count) {
            let Some(address) = addresses.get(place) else { continue };
            match Link::open(*address, share.unwrap_or(within), read_timeout).await {
                Ok(link) => {
                    self.good.store(place, Ordering::Relaxed);
                    return Ok(link);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last)
    }
}

/// The upstream: the application behind the gate.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) addresses: Arc<Addresses>,
    /// The maximum time to connect, shared by all addresses.
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    /// The pool of idle connections.
    pub(crate) idle: Arc<Pool>,
}

impl Upstream {
    /// Sends `request`, whose permit is recorded, and waits for the first bytes of the response. On an idle
    /// connection that has died, a `safe` request (RFC 9110, 9.2.1) is retried once; any other may have been acted on
    /// and is not.
    ///
    /// # Errors
    ///
    /// Fails with the refusal for the client.
    pub(crate) async fn ask(
        &self,
        permit: &Recorded,
        request: &[u8],
        safe: bool,
    ) -> Result<Link, Refusal> {
        if let Some(mut link) = self.idle.take(&self.addresses.known.load()) {
            match link.ask(request).await {
                Ok(()) => return Ok(link),
                Err(error) if !safe || error.kind() == io::ErrorKind::TimedOut => {
                    return Err(failure(&error));
                }
                Err(_aged) => {}
            }
        }
        let mut link = self.connect(permit).await?;
        link.ask(request).await.map_err(|error| failure(&error))?;
        Ok(link)
    }

    /// A connection for a request whose permit is recorded and whose body is streamed.
    ///
    /// # Errors
    ///
    /// Fails with the refusal for the client.
    pub(crate) async fn link(&self, permit: &Recorded) -> Result<Link, Refusal> {
        let idle = self.idle.take(&self.addresses.known.load());
        match idle {
            Some(link) => Ok(link),
            None => self.connect(permit).await,
        }
    }

    async fn connect(&self, _permit: &Recorded) -> Result<Link, Refusal> {
        let opened = self.addresses.connect(self.connect_timeout, self.read_timeout).await;
        opened.map_err(|error| match error {
            Some(error) => failure(&error),
            None => Refusal::Unreachable("the upstream's name is not resolved".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A timeout that even a busy machine does not reach.
    const LONG: Duration = Duration::from_mins(1);

    /// An address that refuses connections while the socket lives, because the socket keeps its port reserved.
    fn dead() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[tokio::test]
    async fn the_address_that_accepts_is_found_and_remembered() {
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = alive.local_addr().unwrap();
        let addresses = Addresses::new(None);
        assert!(matches!(addresses.connect(LONG, LONG).await, Err(None)));
        let ((_one, one), (_other, other)) = (dead(), dead());
        addresses.resolved(vec![one, other, address]);
        assert_eq!(addresses.connect(LONG, LONG).await.unwrap().address, address);
        assert_eq!(addresses.good.load(Ordering::Relaxed), 2);
        // The same addresses again change nothing.
        let known = addresses.known.load_full();
        addresses.resolved(known.to_vec());
        assert_eq!(addresses.good.load(Ordering::Relaxed), 2);
        addresses.resolved(vec![one]);
        let refused = addresses.connect(LONG, LONG).await.unwrap_err();
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::ConnectionRefused);
    }
}
