//! Stage 7: from the gate to the upstream and back.
//!
//! The head of a request was written by the gate ([`accept`](mod@crate::accept)), and is sent as it is: nobody parses
//! it again in between. Of an answer the head is read and written anew; the body is decoded and framed anew as it
//! comes. Bodies are streamed in both directions at the same time, through buffers of bounded size.

mod answer;
mod body;
mod link;
mod pool;
mod upstream;

use std::io;

use crate::judge::refusal::Refusal;

pub(crate) use answer::{Answer, AnswerRules};
pub(crate) use body::{Broken, Upload, UploadEnd, pass_on, upload};
pub(crate) use link::{Link, LinkIncoming, SENT, Turn};
pub(crate) use pool::Pool;
pub(crate) use upstream::{Addresses, Upstream};

/// What the client is told where the upstream cannot be talked to.
pub(crate) fn failure(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::TimedOut => Refusal::UpstreamTimeout(error.to_string()),
        _ => Refusal::Unreachable(error.to_string()),
    }
}

/// What the client is told where the upstream does not speak HTTP.
fn nonsense(problem: &'static str) -> Refusal {
    Refusal::Unreachable(format!("the upstream's answer cannot be read: {problem}"))
}
