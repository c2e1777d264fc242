//! Threads with enough stack for Cedar's parser, and a pace that leaves the cores to requests.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

/// The stack size of threads that parse or evaluate policies. Cedar's parser recurses: 64 brackets take more
/// than 2 MiB of stack in a debug build, and a stack that overflows ends the process. The depth of a bundle is
/// limited (`depth.rs`), so this size is enough. It is address space: only the part in use takes memory.
pub const STACK: usize = 64 << 20;

/// Runs `work`, which may recurse deeply, on a thread with a large stack. Returns `None` if no thread can be
/// started.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    scope(|scope| {
        let deep = Builder::new().name("bundle".to_owned()).stack_size(STACK);
        let thread = deep.spawn_scoped(scope, work).ok()?;
        Some(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

/// A thread with a large stack that runs one job after the other. Cedar's parser builds some tables once for
/// each thread, so they are built once here. The thread starts with the first job and ends when the `Room` is
/// dropped.
#[derive(Debug, Default)]
pub(super) struct Room {
    thread: Option<Sender<Job>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Room {
    /// Runs `work` on the thread and waits for its result. Returns `None` if no thread can be started. A panic
    /// of `work` continues in the caller.
    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
    {
        let (answer, answered) = channel();
        let job = move || {
            // Sending fails only if the caller no longer waits.
            let _heard = answer.send(catch_unwind(AssertUnwindSafe(work)));
        };
        self.thread()?.send(Box::new(job)).ok()?;
        answered.recv().ok().map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
    }

    fn thread(&mut self) -> Option<&Sender<Job>> {
        if self.thread.is_none() {
            let (jobs, given) = channel::<Job>();
            let deep = Builder::new().name("bundle".to_owned()).stack_size(STACK);
            deep.spawn(move || given.iter().for_each(|job| job())).ok()?;
            self.thread = Some(jobs);
        }
        self.thread.as_ref()
    }
}

/// The duration after which a thread that yields rests.
const SPELL: Duration = Duration::from_micros(250);
/// The length of a rest, as a multiple of the work before it: on a machine with a single core, the thread takes
/// a quarter of that core at most.
const REST: u32 = 3;
/// The maximum duration that counts as work: in a longer one, the core was running another thread.
const LONGEST: Duration = Duration::from_millis(2);

thread_local! {
    /// When this thread last rested; `None` for a thread that does not yield.
    static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs `work` on a thread that rests in each loop that calls [`breathe`]: reading a bundle while requests are
/// served must not slow them down.
pub(crate) fn giving_way<T>(work: impl FnOnce() -> T) -> T {
    struct Over(Option<Instant>);
    impl Drop for Over {
        fn drop(&mut self) {
            GAVE_WAY.set(self.0);
        }
    }
    let _over = Over(GAVE_WAY.replace(Some(Instant::now())));
    work()
}

/// Rests, if this thread yields and has worked for a while. The scheduler alone would leave the thread on the
/// core for several milliseconds, and share the core evenly with a worker that has more to do.
pub fn breathe() {
    if let Some(worked) = GAVE_WAY.get().map(|last| last.elapsed())
        && worked > SPELL
    {
        sleep(worked.min(LONGEST) * REST);
        GAVE_WAY.set(Some(Instant::now()));
    }
}
