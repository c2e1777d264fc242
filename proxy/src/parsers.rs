//! Doors to the parsers that read what strangers send, for the fuzz targets in `tests/fuzz`. Nothing that serves
//! comes through here.

use std::sync::LazyLock;

use bytes::BytesMut;

use crate::accept::{self, Rules};
use crate::config::{Headers, Tenancy};
use crate::forward::relay::{Answer, AnswerRules};
use crate::http::framing::{self, Misframed, Span};
use crate::http::head;

/// The limit of a head in the fuzz targets, in bytes.
const HEADER_BYTES: usize = 32 * 1024;

/// The rules of a gate without configuration.
static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::usual(Headers::default().hygiene(&Tenancy::default())));

/// What the gate makes of the bytes at the start of a connection.
#[derive(Debug)]
pub enum Read {
    /// More bytes are needed.
    Incomplete,
    /// The bytes are no HTTP.
    NotHttp,
    /// The request is answered by the gate, and the connection ends.
    Refused,
    /// The request is judged.
    Accepted(Request),
}

/// A request that is judged.
#[derive(Debug)]
pub struct Request {
    /// The length of the head as it came, its empty line included.
    pub length: usize,
    /// The head that the upstream gets, without the framing of the body, the identity and the empty line.
    pub head: Vec<u8>,
    /// Where the body ends.
    pub framing: Framing,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The head says nothing of a body.
    None,
    /// The length of the body in bytes.
    Length(u64),
    /// The body comes in chunks.
    Chunked,
}

/// Reads the head of a request.
#[must_use]
pub fn request(bytes: &[u8]) -> Read {
    let mut buffer = BytesMut::from(bytes);
    let Some(raw) = head::take(&mut buffer, HEADER_BYTES, &mut 0) else { return Read::Incomplete };
    let peer = ([127, 0, 0, 1], 1).into();
    let Some(accepted) = accept::accept(&raw, peer, &RULES) else { return Read::NotHttp };
    if accepted.arrival.fault.is_some() {
        return Read::Refused;
    }
    Read::Accepted(Request {
        length: bytes.len() - buffer.len(),
        head: accepted.head.to_vec(),
        framing: match accepted.framing {
            None => Framing::None,
            Some(framing::Framing::Length(length)) => Framing::Length(length),
            Some(framing::Framing::Chunked(_)) => Framing::Chunked,
        },
    })
}

/// What the gate makes of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    /// The content.
    pub content: Vec<u8>,
    /// The number of bytes that belong to the message.
    pub taken: usize,
    /// Whether the message is whole.
    pub whole: bool,
}

/// Decodes a chunked body that comes in `pieces`. `None`: the body is misframed.
#[must_use]
pub fn chunked<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Body> {
    let mut framing = framing::Framing::CHUNKED;
    let mut body = Body { content: Vec::new(), taken: 0, whole: false };
    for piece in pieces {
        piece_of(&mut framing, piece, &mut body).ok()?;
    }
    body.whole = framing.is_done();
    Some(body)
}

fn piece_of(
    framing: &mut framing::Framing,
    mut piece: &[u8],
    body: &mut Body,
) -> Result<(), Misframed> {
    while !piece.is_empty() && !framing.is_done() {
        let Span { skip, data } = framing.next(piece)?;
        body.content.extend_from_slice(piece.get(skip..skip + data).unwrap_or_default());
        body.taken += skip + data;
        piece = piece.get(skip + data..).unwrap_or_default();
    }
    Ok(())
}

/// What the gate makes of the head of an upstream's answer.
#[derive(Debug)]
pub struct Passed {
    /// The length of the head as it came, its empty line included.
    pub length: usize,
    /// The head that the client gets, its framing included, without the empty line.
    pub head: Vec<u8>,
}

/// Reads the head of an answer, to a HEAD request or another. `None`: more bytes are needed.
///
/// # Errors
///
/// What is wrong with the head.
pub fn answer(bytes: &[u8], head_only: bool) -> Option<Result<Passed, &'static str>> {
    let mut head = BytesMut::new();
    let read = Answer::read(bytes, AnswerRules { head_only, own_cors: false }, &mut head);
    let (length, answer) = match read.transpose()? {
        Ok(read) => read,
        Err(fault) => return Some(Err(fault)),
    };
    answer.write_framing(true, &mut head);
    Some(Ok(Passed { length, head: head.to_vec() }))
}
