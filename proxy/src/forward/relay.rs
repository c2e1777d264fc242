//! Stage 7: exchanges requests and responses with the upstream.
//!
//! The gate itself wrote the head of a request ([`accept`](mod@crate::accept)), and sends it without parsing it
//! again. The head of a response is parsed and written anew; its body is decoded and framed anew as it arrives.
//! Bodies are streamed in both directions at the same time, through buffers of bounded size.

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

/// The refusal for an upstream that cannot be reached or breaks off.
pub(crate) fn failure(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::TimedOut => Refusal::UpstreamTimeout(error.to_string()),
        _ => Refusal::Unreachable(error.to_string()),
    }
}

/// The refusal for an upstream whose response is not HTTP.
fn nonsense(problem: &'static str) -> Refusal {
    Refusal::Unreachable(format!("the upstream's answer cannot be read: {problem}"))
}
