//! The way to a client: what is written in one go is sent in one go.
//!
//! Pingora writes the head of an answer and its body one after the other, and a system call costs
//! more than all that the gate does for a request. So bytes are held until pingora flushes, or has
//! nothing more to do at this moment: nobody waits for them.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite as _;
use tokio::net::tcp::OwnedWriteHalf;

/// So much is held at the most.
const HELD: usize = 8 * 1024;

/// Shared by the request that is being served and the connection that outlives it. One task uses
/// both, so that nobody ever waits for the lock.
#[derive(Debug)]
pub(super) struct Outgoing(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    socket: OwnedWriteHalf,
    held: BytesMut,
}

impl Outgoing {
    pub(super) fn new(socket: OwnedWriteHalf) -> Self {
        Self(Mutex::new(Inner { socket, held: BytesMut::new() }))
    }

    /// Runs `serving`, and sends what it leaves whenever it waits.
    pub(super) async fn attend<F: Future>(&self, serving: F) -> F::Output {
        let mut serving = pin!(serving);
        std::future::poll_fn(|cx| {
            let polled = serving.as_mut().poll(cx);
            // A client that is gone is found by whoever reads or writes next.
            let _sent_or_waits = self.inner().poll_send(cx);
            polled
        })
        .await
    }

    /// Holds `bytes`, or sends them with what is held.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, bytes)
    }

    /// Sends what is held.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_send(cx)
    }

    /// Sends what is held, and the end.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.inner();
        ready!(inner.poll_send(cx))?;
        Pin::new(&mut inner.socket).poll_shutdown(cx)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.held.len() + bytes.len() <= HELD {
            self.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        loop {
            let both = [IoSlice::new(&self.held), IoSlice::new(bytes)];
            let sent = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, &both))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let held = sent.min(self.held.len());
            self.held.advance(held);
            if sent > held {
                return Poll::Ready(Ok(sent - held));
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.held))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                all if all == self.held.len() => self.held.clear(),
                sent => self.held.advance(sent),
            }
        }
        Poll::Ready(Ok(()))
    }
}
