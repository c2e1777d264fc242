//! Coordinates looks at the source of an issuer's keys with the requests that wait for one.
//!
//! A token with an unknown key may be signed by a key that its issuer has just begun to use.
//! Its request waits for a look at the source, together with all others that arrive
//! meanwhile. Anyone can write such a token, therefore:
//!
//! - looks that tokens cause have a minimum interval ([`Looks::begin`]);
//! - a wait has a timeout ([`WAIT`]);
//! - a key that a look did not find is not waited for again until the next look may begin.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// The maximum time that a request waits for keys: for its turn to have them fetched, and half a
/// second for the fetch.
const WAIT: Duration = Duration::from_millis(2500);
/// The maximum number of missing keys that are remembered, eight bytes each.
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
    /// The earliest time at which a token may cause a look.
    due: Instant,
}

/// The keys that the latest look did not find.
#[derive(Debug, Default)]
struct Missed {
    look: u64,
    sought: HashSet<u64>,
}

/// A look in progress. Dropping it ends the look, so that a look that panics ends too.
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

    /// Begins a look. If a token caused it, the next look that a token causes begins at least `apart` later.
    pub(super) fn begin(&self, caused: bool, apart: Duration) -> Look<'_> {
        // All requests that have asked for a look so far wait for this one.
        let _wanted = self.wanted.notified().now_or_never();
        self.state.send_modify(|state| {
            state.begun += 1;
            if caused {
                state.due = Instant::now() + apart;
            }
        });
        Look(self)
    }

    /// Waits until a look is due or a token causes one. Returns whether a token caused it.
    pub(super) async fn next(&self, regular: Duration) -> bool {
        let caused = timeout(regular, self.wanted.notified()).await.is_ok();
        if caused {
            let due = self.state.borrow().due;
            sleep_until(due).await;
        }
        caused
    }

    /// Starts waiting for the key `sought`. `None`: the key was looked for just now, and no
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
    /// The number of looks that had begun when the request started waiting.
    begun: u64,
    until: Instant,
}

impl Seeking<'_> {
    /// Waits for the end of the look in progress, or else causes one. `false`: the wait has timed out,
    /// or a look that began after the request did not find the key either.
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
