//! The interface of the cache: its settings, the terms of one request, and its events.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The settings of the cache.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The maximum age of a fact by which a request is judged.
    pub ttl: Duration,
    /// The timeout of a request for all its facts together.
    pub timeout: Duration,
    /// The additional age that a fact may have for a read while the database is down.
    pub stale_for: Duration,
    /// The maximum number of kept facts of each kind.
    pub entries: u64,
    /// The maximum number of bytes of all facts together. The caches divide it: a quarter each for users,
    /// organisations and objects, the rest for absent rows and for the tables that compare facts.
    pub memory: u64,
}

impl Settings {
    /// Returns settings with this time to live and this timeout of a request.
    pub const fn new(ttl: Duration, timeout: Duration) -> Self {
        Self { ttl, timeout, stale_for: Duration::ZERO, entries: 100_000, memory: 256 << 20 }
    }
}

/// The outcome of a lookup of facts, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the cache.
    Hit,
    /// The database was asked by this request.
    Miss,
    /// Another request was already asking the database.
    Coalesced,
    /// The database is down, and an older fact was used.
    Stale,
    /// The database gave no answer.
    Error,
}

/// A lookup of facts that has ended: its kind, outcome and times.
#[derive(Debug, Clone, Copy)]
pub struct Lookup {
    /// `user`, `organization` or `object`.
    pub kind: &'static str,
    /// The outcome of the lookup.
    pub outcome: Outcome,
    /// How long the database took, if this lookup asked it.
    pub load: Option<Duration>,
    /// The age of the returned fact, if there was one.
    pub age: Option<Duration>,
}

/// An event in the cache.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A fact was looked up.
    Lookup(Lookup),
    /// Facts were dropped before their time: `user`, `organization`, `object` or `all`.
    Dropped(&'static str),
}

/// A callback that receives each event of the cache.
pub type Observer = dyn Fn(Event) + Send + Sync;

/// The terms on which one request asks for facts.
#[derive(Debug)]
pub struct Terms {
    /// When the request stops waiting for facts, for all of them together.
    pub(super) deadline: Instant,
    /// The remaining time for facts, while the request waits for something else.
    pub(super) left: Duration,
    /// When the request began: facts that were asked for since then are fresh, whatever the time to live.
    pub(super) since: Instant,
    /// Whether the request only reads.
    pub(super) reads: bool,
    /// Whether the request got a fact that is older than the time to live.
    pub(super) bridged: AtomicBool,
    /// The number of the request's lookups that the cache could not answer.
    pub(super) questions: AtomicU32,
}

impl Terms {
    /// Limits the time of a request that asks for its facts again to what was left the first time.
    #[must_use]
    pub fn within(mut self, left: Option<Duration>) -> Self {
        let limit = left.map(|left| self.since + left);
        self.deadline = limit.map_or(self.deadline, |limit| limit.min(self.deadline));
        self
    }

    /// Returns how long the request may still wait for facts.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Stops the clock: the request now waits for something that is not a fact, its body.
    pub fn pause(&mut self) {
        self.left = self.left();
    }

    /// Restarts the clock: the request asks for facts again.
    pub fn resume(&mut self) {
        self.deadline = Instant::now() + self.left;
    }

    /// Returns how many of the request's lookups had to wait for the database so far.
    pub fn questions(&self) -> u32 {
        self.questions.load(Ordering::Relaxed)
    }

    /// Whether the request got a fact that is older than the time to live, because the database is down.
    pub fn bridged(&self) -> bool {
        self.bridged.load(Ordering::Relaxed)
    }
}
