//! One kind of facts: the kept facts and the loads in progress.
//!
//! INVARIANT: the answer of a load is kept only if no change of the fact was reported since the load began.
//! Both are decided under one lock, which is taken when the database is asked or reports a change, never for a
//! fact that is kept.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::time::timeout_at;

use super::errand::Errand;
use super::likeness::Numbers;
use super::weight::{Bounded, Weigh, bounded};
use super::{Event, Lookup, Observer, Outcome, Settings, Terms};
use crate::facts::Fact;
use crate::source::FactsError;

/// The maximum number of loads in progress: as many as there are connections.
pub(super) const LOADS: usize = 8;
/// Each of the three shelves that keep facts may take a quarter of the memory for facts.
const FACTS: u64 = 4;
/// The part of the memory for keys known to be absent is small: strangers choose how many there are.
const ABSENT: u64 = 24;

/// The parts that all shelves share.
pub(super) struct Common {
    pub(super) settings: Settings,
    pub(super) observer: Box<Observer>,
    numbers: AtomicU64,
    pub(super) loads: Semaphore,
}

impl Common {
    pub(super) fn new(settings: Settings, observer: Box<Observer>) -> Self {
        let loads = Semaphore::new(LOADS);
        Self { settings, observer, numbers: AtomicU64::new(0), loads }
    }

    /// Returns a number that was never given out before: versions and likenesses never collide.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// The kinds of answers that a shelf keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// No answer: the shelf only combines equal questions that are asked at the same time.
    Nothing,
    /// The rows that exist.
    Present,
    /// The rows that exist, and that a row is absent.
    Absent,
}

/// The kept answers that a request may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// Kept facts, and the knowledge that a row is absent: strangers with a valid token for an unknown user
    /// must not reach the database each time.
    Caller,
    /// Kept facts. If a row was absent, the database is asked each time: the row may have been created since.
    Thing,
    /// No answer to a question that was asked before.
    Anew,
}

/// A kept fact.
pub(super) struct Kept<T> {
    pub(super) fact: Arc<Fact<T>>,
    pub(super) until: Instant,
    pub(super) epoch: u64,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { fact: Arc::clone(&self.fact), until: self.until, epoch: self.epoch }
    }
}

/// The knowledge that a row is absent.
#[derive(Clone, Copy)]
pub(super) struct Nobody {
    pub(super) asked_at: Instant,
    pub(super) until: Instant,
    pub(super) epoch: u64,
}

/// The answer of the database: a fact, or `None` if there is no such row.
pub(super) type Answer<T> = Result<Option<Arc<Fact<T>>>, FactsError>;

/// An answer, and when its question was asked.
pub(super) struct Answered<T> {
    pub(super) answer: Answer<T>,
    pub(super) asked_at: Instant,
}

/// A load in progress.
pub(super) struct Load<T> {
    pub(super) ticket: u64,
    /// Whether new requests may still wait for the load.
    pub(super) open: bool,
    pub(super) answer: Arc<watch::Sender<Option<Answered<T>>>>,
}

/// What the shelf knows without asking the database.
enum Known<T> {
    Fact(Arc<Fact<T>>),
    Nobody,
    Unknown,
}

/// The facts of one kind.
pub(super) struct Shelf<K, T> {
    kind: &'static str,
    pub(super) keeps: Keeps,
    pub(super) numbers: Numbers<T>,
    pub(super) common: Arc<Common>,
    /// The kept facts. They stay after their time to live until there is no more room: a fact that is loaded
    /// again unchanged keeps its version, and with it all conclusions from it.
    pub(super) kept: Bounded<K, Kept<T>>,
    pub(super) nobody: Bounded<K, Nobody>,
    loading: Mutex<HashMap<K, Load<T>>>,
    tickets: AtomicU64,
    /// The current epoch: what was kept in an earlier one no longer counts.
    pub(super) epoch: AtomicU64,
    /// What was kept in an epoch before this one is known to be wrong.
    condemned: AtomicU64,
}

impl<K, T> Shelf<K, T>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    T: PartialEq + Weigh + Send + Sync + 'static,
{
    pub(super) fn new(
        kind: &'static str,
        keeps: Keeps,
        numbers: Numbers<T>,
        common: &Arc<Common>,
    ) -> Arc<Self> {
        let settings = &common.settings;
        Arc::new(Self {
            kind,
            keeps,
            numbers,
            common: Arc::clone(common),
            kept: bounded(settings, FACTS),
            nobody: bounded(settings, ABSENT),
            loading: Mutex::default(),
            tickets: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            condemned: AtomicU64::new(0),
        })
    }

    /// Returns a fact: a fresh one that is kept, or the answer of a load that all requests at this time share.
    pub(super) async fn fetch<L>(
        self: &Arc<Self>,
        wants: Wants,
        key: &K,
        terms: &Terms,
        load: impl Fn() -> L,
    ) -> Result<Option<Arc<Fact<T>>>, FactsError>
    where
        L: Future<Output = Result<Option<T>, FactsError>> + Send + 'static,
    {
        match self.known(wants, key) {
            Known::Fact(fact) => return Ok(Some(fact)),
            Known::Nobody => return Ok(None),
            Known::Unknown => {}
        }
        terms.questions.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let (answer, mine) = self.ask(wants, key, terms, &load).await;
        let answer = answer.and_then(|found| match found {
            Some(fact) if !self.counts(&fact) => Err(FactsError::Late),
            found => Ok(found),
        });
        let took = mine.then(|| began.elapsed());
        match answer {
            Ok(found) => {
                let outcome = if mine { Outcome::Miss } else { Outcome::Coalesced };
                self.tell(outcome, took, found.as_ref().map(|it| it.asked_at.elapsed()));
                Ok(found)
            }
            Err(error) => {
                let Some(fact) = self.bridge(key, terms, &error) else {
                    self.tell(Outcome::Error, took, None);
                    return Err(error);
                };
                self.tell(Outcome::Stale, took, Some(fact.asked_at.elapsed()));
                Ok(Some(fact))
            }
        }
    }

    fn tell(&self, outcome: Outcome, load: Option<Duration>, age: Option<Duration>) {
        let lookup = Lookup { kind: self.kind, outcome, load, age };
        (self.common.observer)(Event::Lookup(lookup));
    }

    /// Returns the kept answer, if it still counts.
    fn known(&self, wants: Wants, key: &K) -> Known<T> {
        if wants == Wants::Anew {
            return Known::Unknown;
        }
        let epoch = self.epoch.load(Ordering::Acquire);
        let now = Instant::now();
        let told = |asked_at| self.tell(Outcome::Hit, None, Some(now.duration_since(asked_at)));
        if let Some(kept) = self.kept.get(key) {
            if kept.epoch == epoch && now < kept.until {
                told(kept.fact.asked_at);
                return Known::Fact(kept.fact);
            }
        } else if self.keeps == Keeps::Absent
            && wants == Wants::Caller
            && let Some(nobody) = self.nobody.get(key)
            && nobody.epoch == epoch
            && now < nobody.until
        {
            told(nobody.asked_at);
            return Known::Nobody;
        }
        Known::Unknown
    }

    /// Waits for the answer of a load, and returns whether this request began the load.
    async fn ask<L>(
        self: &Arc<Self>,
        wants: Wants,
        key: &K,
        terms: &Terms,
        load: &impl Fn() -> L,
    ) -> (Answer<T>, bool)
    where
        L: Future<Output = Result<Option<T>, FactsError>> + Send + 'static,
    {
        let began = Instant::now();
        loop {
            let (mut answer, mine) = self.join(key, load);
            let answered =
                timeout_at(terms.deadline.into(), answer.wait_for(Option::is_some)).await;
            let (answer, asked_at) = match &answered {
                Err(_elapsed) => return (Err(FactsError::Timeout), mine),
                Ok(Ok(answered)) => match &**answered {
                    Some(it) => (it.answer.clone(), it.asked_at),
                    None => return (Err(gone()), mine),
                },
                Ok(Err(_)) => return (Err(gone()), mine),
            };
            // The row may have been created after the question was asked and before this request asked.
            let counts = match wants {
                Wants::Caller => true,
                Wants::Thing => !matches!(answer, Ok(None)),
                Wants::Anew => answer.is_err(),
            };
            if counts || asked_at >= began {
                return (answer, mine);
            }
        }
    }

    /// Joins the load in progress, or begins one.
    fn join<L>(
        self: &Arc<Self>,
        key: &K,
        load: &impl Fn() -> L,
    ) -> (watch::Receiver<Option<Answered<T>>>, bool)
    where
        L: Future<Output = Result<Option<T>, FactsError>> + Send + 'static,
    {
        let mut loading = self.loading();
        if let Some(under_way) = loading.get(key).filter(|it| it.open) {
            return (under_way.answer.subscribe(), false);
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = watch::channel(None);
        let answer = Arc::new(sender);
        loading.insert(key.clone(), Load { ticket, open: true, answer: Arc::clone(&answer) });
        drop(loading);
        let asked_at = Instant::now();
        let errand = Errand { shelf: Arc::clone(self), key: key.clone(), ticket, answer, asked_at };
        // The load has a task of its own: a client that goes away cancels neither the query nor the requests
        // that share it.
        tokio::spawn(errand.run(load()));
        (receiver, true)
    }

    pub(super) fn loading(&self) -> MutexGuard<'_, HashMap<K, Load<T>>> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a fact that was just loaded may be used. Without a time to live, any fact that was asked for
    /// since the request came may be used.
    fn counts(&self, fact: &Fact<T>) -> bool {
        let ttl = self.common.settings.ttl;
        ttl.is_zero() || fact.asked_at.elapsed() < ttl
    }

    /// Returns an older fact for a request that may be judged by one while the database does not answer.
    fn bridge(&self, key: &K, terms: &Terms, error: &FactsError) -> Option<Arc<Fact<T>>> {
        let Settings { ttl, stale_for, .. } = self.common.settings;
        let down = matches!(error, FactsError::Unavailable(_) | FactsError::Timeout);
        if stale_for.is_zero() || !terms.reads || !down {
            return None;
        }
        let kept = self.kept.get(key)?;
        let valid = kept.epoch >= self.condemned.load(Ordering::Acquire);
        if !valid || kept.fact.asked_at.elapsed() >= ttl + stale_for {
            return None;
        }
        terms.bridged.store(true, Ordering::Relaxed);
        Some(kept.fact)
    }

    /// Returns how many bytes the shelf holds.
    pub(super) fn held(&self) -> u64 {
        self.kept.weight() + self.nobody.weight()
    }

    /// Drops what is known about `key`, which has changed.
    pub(super) fn drop_one(&self, key: &K) {
        let mut loading = self.loading();
        // The requests that wait for this load asked before the change was known; no later request joins it.
        loading.remove(key);
        self.kept.remove(key);
        self.nobody.remove(key);
    }

    /// Drops everything, because everything may have changed.
    pub(super) fn drop_all(&self) {
        let mut loading = self.loading();
        loading.clear();
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.condemned.store(epoch, Ordering::Release);
        self.kept.clear();
        self.nobody.clear();
    }

    /// Stops using all kept facts, without declaring them wrong.
    pub(super) fn distrust(&self) {
        let mut loading = self.loading();
        loading.clear();
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

pub(super) fn gone() -> FactsError {
    FactsError::Internal("it was dropped".to_owned())
}
