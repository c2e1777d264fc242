//! Room for Cedar's parser.

use std::cell::Cell;
use std::panic::resume_unwind;
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

/// Cedar's parser recurses: 64 brackets take more than 2 MiB of stack in a debug build, and a stack
/// that overflows ends the process. How deep a bundle may be is bounded (`statement.rs`), so that
/// this is enough for all that is parsed, and where policies are evaluated, for that too. It is
/// reserved, and used only as far as is needed.
pub const STACK: usize = 64 << 20;

/// Does what may go deep on a thread with a large stack. `None` when there is no thread to be had.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    scope(|scope| {
        let deep = Builder::new().name("bundle".to_owned()).stack_size(STACK);
        let thread = deep.spawn_scoped(scope, work).ok()?;
        Some(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// A thread that gives way works for so long at a time.
const SPELL: Duration = Duration::from_micros(250);
/// And then leaves the core to whoever waits for it, for so many times as long as it has worked: where there
/// is one core for everything, it takes a third of it at the most.
const REST: u32 = 2;
/// What seems to be longer was no work: the core was somebody else's.
const LONGEST: Duration = Duration::from_millis(2);

thread_local! {
    /// When this thread last gave way, if it is one that does.
    static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// From now on this thread gives way to others, in each loop that calls [`breathe`]: a bundle that is
/// read while requests are served must not be seen in how long they take.
pub(crate) fn give_way() {
    GAVE_WAY.set(Some(Instant::now()));
}

/// From now on it does not any more.
pub(crate) fn stand_firm() {
    GAVE_WAY.set(None);
}

/// Gives way, if this thread does and has worked for a while. A scheduler alone would leave it on the
/// core for several milliseconds, and share that evenly with a worker that has more to do.
pub(super) fn breathe() {
    if let Some(worked) = GAVE_WAY.get().map(|last| last.elapsed())
        && worked > SPELL
    {
        sleep(worked.min(LONGEST) * REST);
        GAVE_WAY.set(Some(Instant::now()));
    }
}
