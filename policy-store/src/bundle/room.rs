//! Room for Cedar's parser.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
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

/// A thread with a large stack that does one thing after the other: what Cedar's parser makes once for
/// each thread is then made once. It is started when there is something to do, and ends with this.
#[derive(Debug, Default)]
pub(super) struct Room {
    thread: Option<Sender<Job>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Room {
    /// Does it there, and waits for it. `None` when there is no thread to be had. A panic goes on in
    /// whoever called.
    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Option<T>
    where
        T: Send + 'static,
    {
        let (answer, answered) = channel();
        let job = move || {
            // Nobody listens any more only if the caller is gone.
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

/// A thread that gives way works for so long at a time.
const SPELL: Duration = Duration::from_micros(250);
/// And then leaves the core to whoever waits for it, for so many times as long as it has worked: where there
/// is one core for everything, it takes a quarter of it at the most.
const REST: u32 = 3;
/// What seems to be longer was no work: the core was somebody else's.
const LONGEST: Duration = Duration::from_millis(2);

thread_local! {
    /// When this thread last gave way, if it is one that does.
    static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Does it giving way to others, in each loop that calls [`breathe`]: a bundle that is read while
/// requests are served must not be seen in how long they take.
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

/// Gives way, if this thread does and has worked for a while. A scheduler alone would leave it on the
/// core for several milliseconds, and share that evenly with a worker that has more to do.
pub fn breathe() {
    if let Some(worked) = GAVE_WAY.get().map(|last| last.elapsed())
        && worked > SPELL
    {
        sleep(worked.min(LONGEST) * REST);
        GAVE_WAY.set(Some(Instant::now()));
    }
}
