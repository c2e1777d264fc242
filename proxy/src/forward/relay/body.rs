//! Streams bodies: of a request to the upstream, of a response to the client. Each is decoded and framed anew.

use std::io;

use bytes::Buf as _;

use super::Answer;
use super::link::{LinkIncoming, Turn};
use crate::http::connection::{BodyLost, Incoming, Outgoing, Part};
use crate::http::framing::{Framing, Span};

/// The side that broke off a response.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The upstream.
    Upstream(io::Error),
    /// The client, which can no longer be told.
    Client(io::Error),
}

/// Streams the body of `answer`, whose head was sent already, to the client. Uses chunks if the length is unknown and
/// `chunks` says that the client supports them.
pub(crate) async fn pass_on(
    link: &mut LinkIncoming,
    answer: &Answer,
    client: &mut Outgoing,
    chunks: bool,
    turn: &Turn,
) -> Result<(), Broken> {
    let chunked = chunks && answer.is_open();
    // A body that ends with the connection counts as one of unlimited length.
    let mut framing = answer.body.unwrap_or(Framing::Length(u64::MAX));
    while !framing.is_done() {
        let Span { skip, data } = framing
            .next(&link.buffer)
            .map_err(|error| Broken::Upstream(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        if data > 0 {
            let content = link.buffer.get(skip..skip + data).unwrap_or_default();
            let sent =
                if chunked { client.send_chunk(content).await } else { client.send(content).await };
            sent.map_err(Broken::Client)?;
        }
        link.buffer.advance(skip + data);
        if framing.is_done() || !link.buffer.is_empty() {
            continue;
        }
        // Sends all buffered bytes before waiting for more.
        client.flush().await.map_err(Broken::Client)?;
        if link.more(framing.expected(), turn).await.map_err(Broken::Upstream)? == 0 {
            if answer.body.is_none() {
                break;
            }
            return Err(Broken::Upstream(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    if chunked {
        client.send_last_chunk().await.map_err(Broken::Client)?;
    }
    client.flush().await.map_err(Broken::Client)
}

/// The reason why the body of a request was not sent completely.
#[derive(Debug)]
pub(crate) enum UploadEnd {
    /// The client does not send the rest of the body.
    Client(BodyLost),
    /// The upstream does not accept the body; it may have responded already.
    Upstream(io::Error),
}

/// A request to send.
pub(crate) struct Upload<'a> {
    pub(crate) head: &'a [u8],
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expects: bool,
}

/// Sends the head of a request, and streams the body from the client.
///
/// # Errors
///
/// Fails with the side that broke off.
pub(crate) async fn upload(
    upload: Upload<'_>,
    client: &mut Incoming,
    link: &mut Outgoing,
    turn: &Turn,
) -> Result<(), UploadEnd> {
    let chunked = client.body().is_chunked();
    link.begin();
    link.send(upload.head).await.map_err(UploadEnd::Upstream)?;
    link.flush().await.map_err(UploadEnd::Upstream)?;
    turn.give(upload.expects);
    loop {
        match client.part_here().map_err(|fault| UploadEnd::Client(fault.into()))? {
            Part::Content(content) => {
                let sent = if chunked {
                    link.send_chunk(&content).await
                } else {
                    link.send(&content).await
                };
                sent.map_err(UploadEnd::Upstream)?;
                turn.give(false);
            }
            Part::Awaited => {
                // Sends all buffered bytes before waiting for more.
                link.flush().await.map_err(UploadEnd::Upstream)?;
                client.more(|| turn.is_upstreams()).await.map_err(UploadEnd::Client)?;
            }
            Part::End => break,
        }
    }
    if chunked {
        link.send_last_chunk().await.map_err(UploadEnd::Upstream)?;
    }
    link.flush().await.map_err(UploadEnd::Upstream)?;
    turn.finish();
    Ok(())
}
