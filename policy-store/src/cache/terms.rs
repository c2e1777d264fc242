//! How the cache is asked, and what it tells: settings, the terms of one request, and events.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How the cache keeps facts.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How old a fact may be when somebody is judged by it.
    pub ttl: Duration,
    /// How long a request may wait for all its facts.
    pub timeout: Duration,
    /// How much older a fact may be for a read while the database is down.
    pub stale_for: Duration,
    /// How many facts of each kind are kept at the most.
    pub entries: u64,
    /// How many bytes all facts together may take. The caches divide it between them: a quarter each for
    /// users, organisations and objects, the rest for what is absent and for what facts are compared by.
    pub memory: u64,
}

impl Settings {
    /// Facts that live for `ttl`, for which a request waits `timeout`.
    pub const fn new(ttl: Duration, timeout: Duration) -> Self {
        Self { ttl, timeout, stale_for: Duration::ZERO, entries: 100_000, memory: 256 << 20 }
    }
}

/// The outcome of a lookup of facts, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the cache.
    Hit,
    /// The database was asked.
    Miss,
    /// Somebody else was asking already.
    Coalesced,
    /// The database is down, and an older fact has to do.
    Stale,
    /// No answer.
    Error,
}

/// A lookup of facts that has ended: its kind, outcome and times.
#[derive(Debug, Clone, Copy)]
pub struct Lookup {
    /// `user`, `organization` or `object`.
    pub kind: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long the database took, where this lookup asked it.
    pub load: Option<Duration>,
    /// How old the fact was that was given, if one was.
    pub age: Option<Duration>,
}

/// What happens in the cache.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A fact was asked for.
    Lookup(Lookup),
    /// Facts were dropped before their time: `user`, `organization`, `object` or `all`.
    Dropped(&'static str),
}

/// Hears each event of the cache.
pub type Observer = dyn Fn(Event) + Send + Sync;

/// On which terms one request asks for facts.
#[derive(Debug)]
pub struct Terms {
    /// Until when it waits, for all of them together.
    pub(super) deadline: Instant,
    /// How long it may still wait, while it waits for something else.
    pub(super) left: Duration,
    /// Facts that were asked for since are fresh, whatever the time to live.
    pub(super) since: Instant,
    /// Whether it only reads.
    pub(super) reads: bool,
    /// Whether it was given a fact that is older than it should be.
    pub(super) bridged: AtomicBool,
    /// How many of its lookups the cache could not answer.
    pub(super) questions: AtomicU32,
}

impl Terms {
    /// A request that asks for its facts anew has no longer for it than was left of the first time.
    #[must_use]
    pub fn within(mut self, left: Option<Duration>) -> Self {
        let limit = left.map(|left| self.since + left);
        self.deadline = limit.map_or(self.deadline, |limit| limit.min(self.deadline));
        self
    }

    /// How long it may still wait for facts.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The request now waits for something that is not a fact: its body.
    pub fn pause(&mut self) {
        self.left = self.left();
    }

    /// It asks for facts again.
    pub fn resume(&mut self) {
        self.deadline = Instant::now() + self.left;
    }

    /// How many of its lookups had to wait for the database so far.
    pub fn questions(&self) -> u32 {
        self.questions.load(Ordering::Relaxed)
    }

    /// Whether it was given a fact that is older than the time to live: the database is down.
    pub fn bridged(&self) -> bool {
        self.bridged.load(Ordering::Relaxed)
    }
}
