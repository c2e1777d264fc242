//! How commands print: the one way to standard output, and the one way to complain.
//!
//! An answer that cannot be written was not given: the command ends with status 1, whatever the
//! answer was. `cedargate check > /dev/full` must not look as if the policies were fine.

use std::fmt::Arguments;
use std::io::{self, StdoutLock, Write};

use super::Failure;
use proxy::logging;

/// Prints an answer, and a line end after it.
///
/// # Errors
///
/// When it cannot be written, or nobody reads it.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = standard_output();
    written(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")))?;
    finish(out)
}

/// Standard output, in large pieces. Ends with [`finish`]: what is left in it when it is dropped
/// is lost without a word.
pub(super) fn standard_output() -> io::BufWriter<StdoutLock<'static>> {
    io::BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Writes what is left, and makes sure that all of it is out.
///
/// # Errors
///
/// When it cannot be written, or nobody reads it.
pub(super) fn finish(mut out: impl Write) -> Result<(), Failure> {
    written(out.flush())
}

/// What an attempt to write means for the command.
///
/// # Errors
///
/// When it has failed. A reader that has had enough is told nothing: it is often `head`.
pub(super) fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::Unread;
        }
        Failure::NotFine(format!("the answer cannot be written: {error}"))
    })
}

/// Writes a complaint or a notice, which is no answer, to standard error: as a line of the log while the log is JSON,
/// else as text. If that fails, there is nobody left to tell.
pub(super) fn complain(text: Arguments<'_>) {
    if logging::is_json() {
        tracing::error!("{text}");
    } else {
        let _unheard = writeln!(io::stderr(), "cedargate: {text}");
    }
}
