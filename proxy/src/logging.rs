//! The log, on standard error. A line that cannot be written is counted and dropped.
//!
//! INVARIANT: logging never panics and never blocks for long. Requests, the policy watcher and the
//! accept loop all log: none of them may end or stop because a disk is full, or because the
//! reader of the log has ended or is too slow.
//!
//! The thread that logs a line also writes it. A separate log thread would lose the last lines of a process that dies.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, LogLevel};

/// The number of bytes that a writable pipe takes without blocking (`PIPE_BUF`, pipe(7)).
const PIECE: usize = 4096;
/// The maximum time that a line waits for a slow reader. After a lost line the following lines do not wait at all,
/// until one can be written again.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
const NO_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The number of lines of this process that could not be written.
static LOST: AtomicU64 = AtomicU64::new(0);
static STATE: Mutex<State> = Mutex::new(State::new(LogFormat::Text));

/// The format of the log, and the lines that were lost or cut off.
struct State {
    /// The format of lines: text until the configuration was read.
    format: LogFormat,
    /// The number of lost lines that the log does not mention yet.
    untold: u64,
    /// Whether the last line was written only in part.
    torn: bool,
}

/// The number of log lines that this process could not write.
pub(crate) fn lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Starts logging to standard error. Panics are logged too, instead of printed by the standard library.
pub fn begin(log: Log) {
    STATE.lock().unwrap_or_else(PoisonError::into_inner).format = log.format;
    // Without the library's own error reports: it prints them in a way that can panic.
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Line).log_internal_errors(false);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // Fails only if a program that embeds the gate has already set a logger.
    let _first = tracing_subscriber::registry().with(filter(log.level)).with(lines).try_init();
    std::panic::set_hook(Box::new(tell_of_panic));
}

/// Whether lines are written as JSON, so that other output to standard error can match.
pub fn is_json() -> bool {
    STATE.lock().unwrap_or_else(PoisonError::into_inner).format == LogFormat::Json
}

/// A filter that passes lines of `level` and of higher severity.
fn filter(level: LogLevel) -> Targets {
    let least = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // The database library logs a line per statement; at `debug` those would drown all other lines.
    let statements = if level == LogLevel::Trace { least } else { least.min(LevelFilter::WARN) };
    Targets::new().with_default(least).with_target("sqlx", statements)
}

fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let (thread, said) = (thread.name().unwrap_or("unnamed"), panic.payload_as_str());
    let said = said.unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // Empty unless `RUST_BACKTRACE` is set.
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!(thread, place, %backtrace, "panic: {said}");
    } else {
        tracing::error!(thread, place, "panic: {said}");
    }
}

/// The writer of one log line. It never fails.
struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = io::stderr().lock();
        if state.put(line, &mut |piece, patience| write_some(&mut out, piece, patience)).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    const fn new(format: LogFormat) -> Self {
        Self { format, untold: 0, torn: false }
    }

    /// Writes a line, preceded by a note about lost lines, if any.
    fn put(&mut self, line: &[u8], write: &mut Piecewise<'_>) -> io::Result<()> {
        let written = self.put_all(line, write);
        if written.is_err() {
            self.untold = self.untold.saturating_add(1);
        }
        written
    }

    fn put_all(&mut self, line: &[u8], write: &mut Piecewise<'_>) -> io::Result<()> {
        let patience = if self.untold == 0 { PATIENCE } else { NO_PATIENCE };
        if self.torn {
            write(b"\n", patience)?;
            self.torn = false;
        }
        if self.untold > 0 {
            let gap = gap(self.format, self.untold);
            self.put_bytes(gap.as_bytes(), patience, write)?;
            self.untold = 0;
        }
        self.put_bytes(line, patience, write)
    }

    fn put_bytes(
        &mut self,
        mut bytes: &[u8],
        patience: Timespec,
        write: &mut Piecewise<'_>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let piece = bytes.get(..PIECE).unwrap_or(bytes);
            let written = write(piece, patience)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(written..).unwrap_or_default();
            self.torn = !bytes.is_empty();
        }
        Ok(())
    }
}

/// The line that tells how many lines before it were lost.
#[expect(
    clippy::disallowed_methods,
    reason = "a line of the log is written now, whatever any request says"
)]
fn gap(format: LogFormat, lost: u64) -> String {
    let message = format!("{lost} log lines before this one could not be written");
    match format {
        LogFormat::Text => format!("{message}\n"),
        LogFormat::Json => {
            let timestamp = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
            let line = json!({
                "timestamp": timestamp, "level": "WARN", "message": message, "lost": lost, "target": module_path!(),
            });
            format!("{line}\n")
        }
    }
}

/// A function that writes as much of a piece as fits, after waiting up to the given time for room.
type Piecewise<'a> = dyn FnMut(&[u8], Timespec) -> io::Result<usize> + 'a;

fn write_some(
    out: &mut (impl Write + AsFd),
    piece: &[u8],
    patience: Timespec,
) -> io::Result<usize> {
    // If the poll itself fails, the write is tried anyway and reports the error.
    let asked = poll(&mut [PollFd::new(out, PollFlags::OUT)], Some(&patience));
    if asked.is_ok_and(|ready| ready == 0) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    loop {
        match out.write(piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests;
