//! Room for Cedar's parser.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

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
