//! The body of an upstream's answer, passed on as it comes.

use std::io;

use bytes::{Buf as _, BytesMut};

use super::{Answer, Link};
use crate::connection::ClientStream;
use crate::framing::{Chunk, Framing};

/// The end of a chunked body, and of trailers: none are passed on.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
const EMPTY_LINE: &[u8] = b"\r\n";

/// Who has broken off a body.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The upstream.
    Upstream(io::Error),
    /// The client, whom nobody can be told of it.
    Client,
}

/// Passes the body of `answer` on, whose head is on its way to the client already.
pub(crate) async fn pass_on(
    link: &mut Link,
    answer: &Answer,
    client: &mut ClientStream,
) -> Result<(), Broken> {
    match answer.body {
        Some(framing) => framed(link, framing, client).await?,
        None => until_the_end(link, client).await?,
    }
    client.send_held().await.map_err(|_| Broken::Client)
}

async fn framed(
    link: &mut Link,
    mut framing: Framing,
    client: &mut ClientStream,
) -> Result<(), Broken> {
    while !framing.is_done() {
        if link.buffer.is_empty() {
            // Nothing is held back while we wait.
            client.send_held().await.map_err(|_| Broken::Client)?;
            more(link, framing).await?;
        }
        let (taken, passed) = framing
            .take_without_trailers(&link.buffer)
            .map_err(|error| Broken::Upstream(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let bytes = link.buffer.get(..passed).unwrap_or_default();
        client.send(bytes).await.map_err(|_| Broken::Client)?;
        link.buffer.advance(taken);
    }
    if matches!(framing, Framing::Chunked(Chunk::End)) {
        client.send(EMPTY_LINE).await.map_err(|_| Broken::Client)?;
    }
    Ok(())
}

async fn more(link: &mut Link, framing: Framing) -> Result<(), Broken> {
    let expected = match framing {
        Framing::Length(left) | Framing::Chunked(Chunk::Data { left }) => {
            usize::try_from(left).unwrap_or(usize::MAX)
        }
        Framing::Chunked(_) => 0,
    };
    match link.more(expected).await.map_err(Broken::Upstream)? {
        0 => Err(Broken::Upstream(io::ErrorKind::UnexpectedEof.into())),
        _ => Ok(()),
    }
}

/// A body that ends with the connection, for a client whose connection goes on.
async fn until_the_end(link: &mut Link, client: &mut ClientStream) -> Result<(), Broken> {
    loop {
        if link.buffer.is_empty() {
            client.send_held().await.map_err(|_| Broken::Client)?;
            if link.more(usize::MAX).await.map_err(Broken::Upstream)? == 0 {
                return client.send(LAST_CHUNK).await.map_err(|_| Broken::Client);
            }
        }
        let mut chunk = BytesMut::with_capacity(link.buffer.len() + 16);
        chunk.extend_from_slice(format!("{:x}\r\n", link.buffer.len()).as_bytes());
        chunk.extend_from_slice(&link.buffer);
        chunk.extend_from_slice(EMPTY_LINE);
        link.buffer.clear();
        client.send(&chunk).await.map_err(|_| Broken::Client)?;
    }
}
