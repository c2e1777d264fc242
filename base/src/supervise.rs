//! Keeps alive what has to live as long as the process: the watcher of policies, the accept loop, the fetching of
//! keys, the delivery of records.
//!
//! INVARIANT: no such task or thread ends silently. One that panics or fails is restarted after a pause, and reported
//! everywhere: in the log, the metrics, `/readyz`.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// The pause before the first restart; it doubles with each restart that follows soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Work that ran for this long has recovered: the next pause is the first one again.
const RECOVERED: Duration = Duration::from_mins(1);
/// How long a restart is reported as a warning.
const REMEMBERED: Duration = Duration::from_mins(10);

/// How supervised work has ended.
#[derive(Debug)]
pub enum End {
    /// The work is done: nothing is left to do.
    Done,
    /// The work failed before it was done; the reason.
    Failed(String),
}

impl From<()> for End {
    fn from((): ()) -> Self {
        Self::Done
    }
}

impl<E: std::error::Error> From<Result<(), E>> for End {
    fn from(result: Result<(), E>) -> Self {
        result.map_or_else(|error| Self::Failed(error.to_string()), |()| Self::Done)
    }
}

/// The health of the tasks and threads of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The name of the tasks and threads.
    pub name: &'static str,
    /// Whether all of them run; `None` if they have done all their work.
    pub up: Option<bool>,
    /// The number of restarts.
    pub restarts: u64,
}

/// Runs the tasks and threads of one gate.
#[derive(Debug, Default)]
pub struct Supervisor {
    watched: Mutex<Vec<Arc<Watched>>>,
}

/// One task or thread.
#[derive(Debug)]
struct Watched {
    name: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Whether it runs; `None` if it has done its work.
    up: Option<bool>,
    restarts: u64,
    /// The time and the reason of the last failure.
    fell: Option<(Instant, String)>,
    began: Instant,
    pause: Duration,
    /// Whether a test wants it to panic, and the waker that wakes it for that.
    drill: bool,
    waker: Option<Waker>,
}

impl Supervisor {
    /// A task that runs `work`, and runs it again whenever it panics or fails. To be spawned.
    pub fn task<W, F>(
        &self,
        name: &'static str,
        mut work: W,
    ) -> impl Future<Output = ()> + Send + 'static + use<W, F>
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output: Into<End>> + Send + 'static,
    {
        let watched = self.watch(name);
        async move {
            loop {
                let fell = match guarded(&watched, &mut work).await {
                    Ok(End::Done) => return watched.over(),
                    Ok(End::Failed(why)) => why,
                    Err(panic) => message(&*panic).to_owned(),
                };
                let pause = watched.fell(&fell);
                tokio::time::sleep(pause).await;
                watched.again();
            }
        }
    }

    /// A thread that runs `work`, and runs it again whenever it panics or fails.
    ///
    /// # Errors
    ///
    /// Fails if the system has no thread to give.
    pub fn thread<E: Into<End>>(
        &self,
        name: &'static str,
        mut work: impl FnMut() -> E + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let watched = self.watch(name);
        Builder::new().name(name.to_owned()).spawn(move || {
            loop {
                let fell = match catch_unwind(AssertUnwindSafe(|| work().into())) {
                    Ok(End::Done) => return watched.over(),
                    Ok(End::Failed(why)) => why,
                    Err(panic) => message(&*panic).to_owned(),
                };
                std::thread::sleep(watched.fell(&fell));
                watched.again();
            }
        })
    }

    /// The health of all tasks and threads, one entry per name.
    pub fn health(&self) -> Vec<Health> {
        let mut all: Vec<Health> = Vec::new();
        for watched in self.watched().iter() {
            let state = watched.state();
            let Some(known) = all.iter_mut().find(|it| it.name == watched.name) else {
                let (up, restarts) = (state.up, state.restarts);
                all.push(Health { name: watched.name, up, restarts });
                continue;
            };
            known.restarts += state.restarts;
            known.up = match (known.up, state.up) {
                (None, other) | (other, None) => other,
                (Some(one), Some(other)) => Some(one && other),
            };
        }
        all
    }

    /// A warning about tasks and threads that are down, or were restarted lately, if there are any.
    pub fn warning(&self) -> Option<String> {
        let told = |watched: &Arc<Watched>| {
            let (name, state) = (watched.name, watched.state());
            let (at, why) = state.fell.as_ref()?;
            let ago = at.elapsed();
            match state.up {
                Some(false) => Some(format!("`{name}` is down, and is started again soon: {why}")),
                Some(true) if ago < REMEMBERED => {
                    let (times, ago) = (state.restarts, ago.as_secs());
                    Some(format!(
                        "`{name}` was started again, {times} times in all, last {ago} s ago: {why}"
                    ))
                }
                Some(true) | None => None,
            }
        };
        let warnings: Vec<String> = self.watched().iter().filter_map(told).collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }

    /// Makes the tasks of this name panic where they wait, for tests of the consequences. A thread cannot be made to
    /// panic. Returns the number of tasks.
    #[doc(hidden)]
    pub fn drill(&self, name: &str) -> usize {
        let watched = self.watched();
        let named = watched.iter().filter(|it| it.name == name);
        let woken = named.filter_map(|it| {
            let mut state = it.state();
            state.drill = state.waker.is_some();
            state.waker.take()
        });
        woken.map(Waker::wake).count()
    }

    fn watch(&self, name: &'static str) -> Arc<Watched> {
        let state = State {
            up: Some(true),
            restarts: 0,
            fell: None,
            began: Instant::now(),
            pause: FIRST_PAUSE,
            drill: false,
            waker: None,
        };
        let watched = Arc::new(Watched { name, state: Mutex::new(state) });
        self.watched().push(Arc::clone(&watched));
        watched
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    // The state is consistent between any two statements.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self) {
        self.state().up = None;
    }

    /// Notes a failure. Returns the pause before the restart.
    fn fell(&self, why: &str) -> Duration {
        let mut state = self.state();
        if state.began.elapsed() >= RECOVERED {
            state.pause = FIRST_PAUSE;
        }
        let pause = state.pause;
        state.pause = (pause * 2).min(LONGEST_PAUSE);
        state.up = Some(false);
        let restarts = state.restarts;
        state.fell = Some((Instant::now(), why.to_owned()));
        // The lock is released before logging: a reader of the metrics waits for it.
        drop(state);
        let name = self.name;
        let pause_ms = pause.as_millis();
        tracing::error!(task = name, restarts, pause_ms, "has ended, and is started again: {why}");
        pause
    }

    fn again(&self) {
        let mut state = self.state();
        state.up = Some(true);
        state.restarts += 1;
        state.began = Instant::now();
    }

    /// Whether the task is to panic now. If not, it is woken when a drill wants that.
    fn is_drilled(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        state.waker = Some(context.waker().clone());
        std::mem::take(&mut state.drill)
    }
}

/// Runs `work` once. Returns the panic that ended it, if there was one.
async fn guarded<F>(
    watched: &Watched,
    work: &mut (impl FnMut() -> F + Send),
) -> Result<End, Box<dyn Any + Send>>
where
    F: Future<Output: Into<End>> + Send,
{
    let mut begun = Box::pin(catch_unwind(AssertUnwindSafe(work))?);
    let ended = poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| poll_once(begun.as_mut(), watched, context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(end)) => Poll::Ready(Ok(end.into())),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    // The values that it held may panic, too, when they are dropped.
    catch_unwind(AssertUnwindSafe(|| drop(begun)))?;
    ended
}

fn poll_once<F: Future>(
    work: Pin<&mut F>,
    watched: &Watched,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    if watched.is_drilled(context) {
        resume_unwind(Box::new("this is a drill"));
    }
    work.poll(context)
}

/// The message of a panic.
pub fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
