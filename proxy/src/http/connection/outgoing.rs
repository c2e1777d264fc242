//! The sending half of a connection. Bytes are buffered so that a head and its body leave in one system call.
//!
//! The head of a message and its body are written one after the other, and a system call costs more than all
//! other work of the gate for a request. So bytes are held until they are flushed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncWrite as _;
use tokio::net::tcp::OwnedWriteHalf;

use crate::http::pace::{Pace, Patience};

/// The maximum number of bytes that are held.
const HELD: usize = 8 * 1024;
/// The end of a chunked body, without trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The hexadecimal digits of the longest chunk size, and the CR LF after it.
const SIZE_LINE: usize = 18;

/// The sending half of a connection.
#[derive(Debug)]
pub(crate) struct Outgoing {
    socket: OwnedWriteHalf,
    held: BytesMut,
    pace: Pace,
}

impl Outgoing {
    pub(crate) fn new(socket: OwnedWriteHalf, patience: Patience) -> Self {
        Self { socket, held: BytesMut::new(), pace: Pace::new(patience) }
    }

    /// Starts another message: the pace of the last one is forgotten.
    pub(crate) fn begin(&mut self) {
        self.pace.begin();
    }

    /// Sends `bytes`, or holds them until [`Self::flush`].
    ///
    /// # Errors
    ///
    /// Fails if the peer is gone, or takes the bytes too slowly (`TimedOut`).
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.held.len() + bytes.len() <= HELD {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        let mut sent = 0;
        std::future::poll_fn(|cx| self.poll_both(cx, bytes, &mut sent)).await
    }

    /// Sends non-empty `data` as one chunk of a chunked body.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::send`] does.
    pub(crate) async fn send_chunk(&mut self, data: &[u8]) -> io::Result<()> {
        let mut line = [0; SIZE_LINE];
        self.send(size_line(data.len(), &mut line)).await?;
        self.send(data).await?;
        self.send(b"\r\n").await
    }

    /// Sends the end of a chunked body.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::send`] does.
    pub(crate) async fn send_last_chunk(&mut self) -> io::Result<()> {
        self.send(LAST_CHUNK).await
    }

    /// Sends the held bytes.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::send`] does.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        std::future::poll_fn(|cx| self.poll_both(cx, &[], &mut 0)).await
    }

    /// Whether no bytes are held.
    pub(crate) fn is_flushed(&self) -> bool {
        self.held.is_empty()
    }

    /// Makes the connection end with a reset once its other half is dropped, too.
    pub(super) fn reset(self) {
        let _best_effort = self.socket.as_ref().set_zero_linger();
        // Dropping the half would first shut it down, which the peer would take for a complete response.
        self.socket.forget();
    }

    /// Sends the held bytes, and shuts this direction of the connection down.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::send`] does.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.flush().await?;
        std::future::poll_fn(|cx| Pin::new(&mut self.socket).poll_shutdown(cx)).await
    }

    /// Sends the held bytes and then the part of `bytes` after the first `sent` bytes.
    fn poll_both(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        loop {
            let rest = bytes.get(*sent..).unwrap_or_default();
            if self.held.is_empty() && rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.pace.is_too_slow() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let written = if rest.is_empty() || self.held.is_empty() {
                let one = if rest.is_empty() { &self.held } else { rest };
                Pin::new(&mut self.socket).poll_write(cx, one)
            } else {
                let both = [IoSlice::new(&self.held), IoSlice::new(rest)];
                Pin::new(&mut self.socket).poll_write_vectored(cx, &both)
            };
            let Poll::Ready(written) = written else {
                ready!(self.pace.poll_over(cx));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            };
            let written = written?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pace.moved(written);
            let held = written.min(self.held.len());
            if held == self.held.len() {
                self.held.clear();
            } else {
                self.held.advance(held);
            }
            *sent += written - held;
        }
    }
}

/// Writes the size of a chunk, in hexadecimal digits, and CR LF into `line`.
fn size_line(size: usize, line: &mut [u8; SIZE_LINE]) -> &[u8] {
    let (mut at, mut rest) = (SIZE_LINE - 2, size);
    let [.., cr, lf] = line;
    (*cr, *lf) = (b'\r', b'\n');
    loop {
        at -= 1;
        let digit = u32::try_from(rest % 16).ok().and_then(|digit| char::from_digit(digit, 16));
        if let (Some(place), Some(digit)) = (line.get_mut(at), digit) {
            *place = digit as u8;
        }
        rest /= 16;
        if rest == 0 || at == 0 {
            return line.get(at..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZE_LINE, size_line};

    #[test]
    fn sizes_are_spelled_in_hexadecimal_digits() {
        for size in [0, 1, 9, 10, 15, 16, 255, 256, 4096, 65535, 1 << 20, usize::MAX] {
            let mut line = [0; SIZE_LINE];
            assert_eq!(size_line(size, &mut line), format!("{size:x}\r\n").as_bytes());
        }
    }
}
