//! Bodies on their way: a request's to the upstream, an answer's to the client. Each is decoded and framed anew.

use std::io;

use bytes::Buf as _;

use super::Answer;
use super::link::{LinkIncoming, Turn};
use crate::http::connection::{BodyLost, Incoming, Outgoing, Part};
use crate::http::framing::{Framing, Span};

/// The side that has broken off an answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The upstream.
    Upstream(io::Error),
    /// The client, which nobody can tell of it.
    Client(io::Error),
}

/// Passes the body of `answer` on, whose head is on its way to the client already, in chunks if its length is not
/// known and the client knows `chunks`.
pub(crate) async fn pass_on(
    link: &mut LinkIncoming,
    answer: &Answer,
    client: &mut Outgoing,
    chunks: bool,
    turn: &Turn,
) -> Result<(), Broken> {
    let chunked = chunks && answer.is_open();
    // A body that ends with the connection is one of unlimited length.
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
        // Nothing is held back while the gate waits.
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

/// Why the body of a request was not sent whole.
#[derive(Debug)]
pub(crate) enum UploadEnd {
    /// The rest of it does not come.
    Client(BodyLost),
    /// The upstream does not take it: it may have answered already.
    Upstream(io::Error),
}

/// Sends a request: its `head`, and its body as it comes.
pub(crate) struct Upload<'a> {
    pub(crate) head: &'a [u8],
    /// Whether the client waits for the upstream to ask for the body.
    pub(crate) expects: bool,
}

/// Sends the head of a request, and its body as the client sends it.
///
/// # Errors
///
/// The side that has broken off.
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
                // Nothing is held back while the gate waits.
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
