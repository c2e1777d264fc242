//! Stage 7 by the short way: a request that is whole when it is judged goes to the upstream from here.
//!
//! Its head was written by us ([`accept`](mod@crate::accept)), and is sent as it is: nobody parses it again
//! in between. Of the answer the head is read and written anew; the body is passed on as it comes. What is not
//! whole, or not HTTP/1.1, is forwarded by pingora.

mod answer;
mod body;
mod link;
mod pool;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::ledger::Recorded;
use crate::refusal::Refusal;

pub(crate) use answer::{Answer, Hygiene};
pub(crate) use body::{Broken, pass_on};
pub(crate) use link::Link;
pub(crate) use pool::Pool;

/// The application behind the gate.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Its address, as last resolved.
    pub(crate) address: Arc<ArcSwapOption<SocketAddr>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    /// Connections that nobody uses at the moment.
    pub(crate) idle: Arc<Pool>,
}

impl Upstream {
    /// Sends `request`, whose permit is recorded, and waits for an answer to begin. One that is `safe` (RFC 9110, 9.2.1) is sent
    /// once more where a connection may have died of age; another is not: it may have been acted on.
    ///
    /// # Errors
    ///
    /// What the client is told.
    pub(crate) async fn ask(
        &self,
        _permit: &Recorded,
        request: &[u8],
        safe: bool,
    ) -> Result<Link, Refusal> {
        let address = self.address.load();
        let Some(address) = address.as_deref().copied() else {
            return Err(Refusal::Unreachable("the upstream's name is not resolved".to_owned()));
        };
        if let Some(mut link) = self.idle.take(address) {
            match link.ask(request).await {
                Ok(()) => return Ok(link),
                Err(error) if !safe || error.kind() == io::ErrorKind::TimedOut => {
                    return Err(failure(&error));
                }
                Err(_aged) => {}
            }
        }
        let opened = Link::open(address, self.connect_timeout, self.read_timeout).await;
        let mut link = opened.map_err(|error| failure(&error))?;
        link.ask(request).await.map_err(|error| failure(&error))?;
        Ok(link)
    }
}

/// What is told where the upstream cannot be talked to.
pub(crate) fn failure(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::TimedOut => Refusal::UpstreamTimeout(error.to_string()),
        _ => Refusal::Unreachable(error.to_string()),
    }
}

/// What is told where it does not speak HTTP.
fn nonsense(problem: &'static str) -> Refusal {
    Refusal::Unreachable(format!("the upstream's answer cannot be read: {problem}"))
}
