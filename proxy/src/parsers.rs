//! Entry points to the parsers of untrusted input, for the fuzz targets in `tests/fuzz`. The running gate does not
//! use them.

use std::sync::LazyLock;

use bytes::BytesMut;

use crate::accept::{self, Rules};
use crate::config::{Headers, Tenancy};
use crate::forward::relay::{Answer, AnswerRules};
use crate::http::framing::{self, Misframed, Span};
use crate::http::head;

/// The limit of a head in the fuzz targets, in bytes.
const HEADER_BYTES: usize = 32 * 1024;

/// The rules of a gate with the default configuration.
static RULES: LazyLock<Rules> =
    LazyLock::new(|| Rules::usual(Headers::default().hygiene(&Tenancy::default())));

/// The result of parsing the bytes at the start of a connection.
#[derive(Debug)]
pub enum Read {
    /// More bytes are needed.
    Incomplete,
    /// The bytes are not HTTP.
    NotHttp,
    /// The gate refuses the request itself and closes the connection.
    Refused,
    /// The request is valid and will be judged.
    Accepted(Request),
}

/// A valid request.
#[derive(Debug)]
pub struct Request {
    /// The length of the received head, including its empty line.
    pub length: usize,
    /// The head for the upstream, without the framing of the body, the identity and the empty line.
    pub head: Vec<u8>,
    /// The framing of the body.
    pub framing: Framing,
}

/// How the end of a body is determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The head announces no body.
    None,
    /// The length of the body in bytes.
    Length(u64),
    /// The body is chunked.
    Chunked,
}

/// Parses the head of a request.
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

/// A decoded chunked body.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    /// The content.
    pub content: Vec<u8>,
    /// The number of bytes that belong to the message.
    pub taken: usize,
    /// Whether the message is complete.
    pub whole: bool,
}

/// Decodes a chunked body given in `pieces`. `None`: the body is misframed.
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

/// The forwarded head of an upstream's response.
#[derive(Debug)]
pub struct Passed {
    /// The length of the received head, including its empty line.
    pub length: usize,
    /// The head for the client, including the framing of the body, without the empty line.
    pub head: Vec<u8>,
}

/// Parses the head of a response to a HEAD or another request. `None`: more bytes are needed.
///
/// # Errors
///
/// Fails with the fault of the head.
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
