//! How commands print: one way to write to standard output, and one way to write to standard error.
//!
//! If an answer cannot be written, the command exits with 1, whatever the answer was: `cedargate check > /dev/full`
//! must not look as if the policies were fine.

use std::fmt::Arguments;
use std::io::{self, StdoutLock, Write};

use super::Failure;
use proxy::logging;

/// Prints an answer and a line feed.
///
/// # Errors
///
/// Fails if standard output cannot be written, or its reader has closed it.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = standard_output();
    written(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")))?;
    finish(out)
}

/// Buffered standard output. The caller ends with [`finish`]: an error while the rest is written on drop is lost.
pub(super) fn standard_output() -> io::BufWriter<StdoutLock<'static>> {
    io::BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Writes what is left in the buffer.
///
/// # Errors
///
/// Fails if standard output cannot be written, or its reader has closed it.
pub(super) fn finish(mut out: impl Write) -> Result<(), Failure> {
    written(out.flush())
}

/// Turns the result of a write into that of a command.
///
/// # Errors
///
/// Fails if the write failed. A closed pipe is a failure without a message: the reader is often `head`.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::Unread;
        }
        Failure::NotFine(format!("the answer cannot be written: {error}"))
    })
}

/// Writes a complaint or a notice, which is not part of the answer, to standard error: as a line of the log if the
/// log is JSON, else as text. If that fails, nothing is left to report the failure to.
pub(super) fn complain(text: Arguments<'_>) {
    if logging::is_json() {
        tracing::error!("{text}");
    } else {
        let _unheard = writeln!(io::stderr(), "cedargate: {text}");
    }
}
