//! Looks at the source of an issuer's keys, and those who wait for one.
//!
//! A token by a key that is not there may be signed by a key that its issuer has just begun to use.
//! The request that brings it waits for a look at the source, together with all that came
//! meanwhile. Anybody can write such a token, therefore:
//!
//! - looks that tokens cause are a while apart ([`Looks::begin`]);
//! - a wait has an end ([`WAIT`]);
//! - what a look did not bring is not waited for again before the next one may begin.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// A request waits this long for keys at the most: for its turn to have them fetched, and half a
/// second for the fetch.
const WAIT: Duration = Duration::from_millis(2500);
/// So many keys that are not there are remembered at the most, eight bytes each.
const MISSED: usize = 4096;

/// The looks at one source.
#[derive(Debug)]
pub(crate) struct Looks {
    state: watch::Sender<State>,
    wanted: Notify,
    missed: Mutex<Missed>,
    hasher: ahash::RandomState,
}

#[derive(Debug, Clone, Copy)]
struct State {
    begun: u64,
    ended: u64,
    /// From now on a token may cause a look.
    due: Instant,
}

/// What the latest look did not bring.
#[derive(Debug, Default)]
struct Missed {
    look: u64,
    sought: HashSet<u64>,
}

/// Ends a look when it is dropped, so that one that panics ends, too.
#[derive(Debug)]
pub(super) struct Look<'a>(&'a Looks);

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.ended = state.begun);
    }
}

impl Looks {
    pub(super) fn new() -> Self {
        let state = State { begun: 0, ended: 0, due: Instant::now() };
        Self {
            state: watch::Sender::new(state),
            wanted: Notify::new(),
            missed: Mutex::default(),
            hasher: ahash::RandomState::new(),
        }
    }

    /// Begins a look. If a token has caused it, the next one that a token causes begins `apart` from it
    /// at the earliest.
    pub(super) fn begin(&self, caused: bool, apart: Duration) -> Look<'_> {
        // Whoever wanted one up to now waits for this one.
        let _wanted = self.wanted.notified().now_or_never();
        self.state.send_modify(|state| {
            state.begun += 1;
            if caused {
                state.due = Instant::now() + apart;
            }
        });
        Look(self)
    }

    /// Waits until it is time for a look, or a token causes one. Gives whether one did.
    pub(super) async fn next(&self, regular: Duration) -> bool {
        let caused = timeout(regular, self.wanted.notified()).await.is_ok();
        if caused {
            let due = self.state.borrow().due;
            sleep_until(due).await;
        }
        caused
    }

    /// Begins to wait for the key that `sought` stands for. `None`: it was looked for just now, and no
    /// other look may begin yet.
    pub(crate) fn seek(&self, sought: impl Hash) -> Option<Seeking<'_>> {
        let sought = self.hasher.hash_one(sought);
        let receiver = self.state.subscribe();
        let state = *receiver.borrow();
        let can_begin = state.begun == state.ended && state.due <= Instant::now();
        if !can_begin {
            let missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
            if missed.look == state.ended && missed.sought.contains(&sought) {
                return None;
            }
        }
        let until = Instant::now() + WAIT;
        Some(Seeking { looks: self, receiver, sought, begun: state.begun, until })
    }

    fn missed(&self, look: u64, sought: u64) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.look != look {
            *missed = Missed { look, sought: HashSet::new() };
        }
        if missed.sought.len() < MISSED {
            missed.sought.insert(sought);
        }
    }
}

/// A request that waits for a key.
#[derive(Debug)]
pub(crate) struct Seeking<'a> {
    looks: &'a Looks,
    receiver: watch::Receiver<State>,
    sought: u64,
    /// How many looks had begun when the request began to wait.
    begun: u64,
    until: Instant,
}

impl Seeking<'_> {
    /// Waits for the end of a look that is under way, or else of one that it causes. `false`: the time
    /// is over, or a look that began after the request did not bring the key either.
    pub(crate) async fn look(&mut self) -> bool {
        let state = *self.receiver.borrow_and_update();
        if state.ended <= self.begun {
            if state.begun == state.ended {
                self.looks.wanted.notify_one();
            }
            let ended = self.receiver.wait_for(|now| now.ended > state.ended);
            if matches!(timeout_at(self.until, ended).await, Ok(Ok(_))) {
                return true;
            }
        }
        let look = self.receiver.borrow().ended;
        self.looks.missed(look, self.sought);
        false
    }
}
