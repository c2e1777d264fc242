//! One kind of facts: what is kept of it, and the loads that are under way.
//!
//! INVARIANT: what a load answers is kept only if nobody has said since it began that the fact has
//! changed. Both are decided under one lock, which is taken where the database is asked or has
//! spoken, never for a fact that is kept.

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

/// How many loads are under way at a time: as many as there are connections.
pub(super) const LOADS: usize = 8;
/// Each of the three shelves that keep facts has a quarter of the memory for them.
const FACTS: u64 = 4;
/// What is known to be absent has little: strangers choose how much of it there is.
const ABSENT: u64 = 24;

/// What all shelves share.
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

    /// One that nobody else has: versions and likenesses are never taken for each other.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is done with what was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Nothing: it only saves asking twice at a time.
    Nothing,
    /// The rows that are there.
    Present,
    /// And that there is none.
    Absent,
}

/// What whoever asks may be answered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// By what is kept, and by what is remembered not to be there: strangers with a good token for
    /// nobody must not reach the database each time.
    Caller,
    /// By what is kept. That there is nothing is asked each time: it may have been created since.
    Thing,
    /// By nothing that was asked for before.
    Anew,
}

/// A fact, as long as it is kept.
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

/// That there is no such row, as long as that is remembered.
#[derive(Clone, Copy)]
pub(super) struct Nobody {
    pub(super) asked_at: Instant,
    pub(super) until: Instant,
    pub(super) epoch: u64,
}

/// What the database said, or that it said that there is nothing, when it was asked.
pub(super) type Answer<T> = Result<Option<Arc<Fact<T>>>, FactsError>;

/// An answer, and when its question was put.
pub(super) struct Answered<T> {
    pub(super) answer: Answer<T>,
    pub(super) asked_at: Instant,
}

/// A load that is under way.
pub(super) struct Load<T> {
    pub(super) ticket: u64,
    /// Whether whoever comes now may still wait for it.
    pub(super) open: bool,
    pub(super) answer: Arc<watch::Sender<Option<Answered<T>>>>,
}

/// What is known without asking.
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
    /// For longer than they count, until there is no more room: one that comes back unchanged keeps its
    /// version, and with it all that was concluded from it.
    pub(super) kept: Bounded<K, Kept<T>>,
    pub(super) nobody: Bounded<K, Nobody>,
    loading: Mutex<HashMap<K, Load<T>>>,
    tickets: AtomicU64,
    /// What was kept in an earlier epoch does not count any more.
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

    /// The one way to a fact: one that is fresh, or a load that all who ask now share.
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

    /// What is kept and counts.
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

    /// Waits for the answer of a load, and says whether it was begun here.
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
            // It may have been created since the question was put, and before this one was.
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

    /// Joins the load that is under way, or begins one.
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
        // In a task of its own: whoever goes away drops neither the query nor those who share it.
        tokio::spawn(errand.run(load()));
        (receiver, true)
    }

    pub(super) fn loading(&self) -> MutexGuard<'_, HashMap<K, Load<T>>> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a fact may be used that was just loaded. Without a time to live any that was asked
    /// for since the request came may.
    fn counts(&self, fact: &Fact<T>) -> bool {
        let ttl = self.common.settings.ttl;
        ttl.is_zero() || fact.asked_at.elapsed() < ttl
    }

    /// An older fact for a request that may be judged by one, while the database does not answer.
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

    /// How many bytes it holds.
    pub(super) fn held(&self) -> u64 {
        self.kept.weight() + self.nobody.weight()
    }

    /// Drops what is known of `key`: it has changed.
    pub(super) fn drop_one(&self, key: &K) {
        let mut loading = self.loading();
        // Those who wait for it asked before the change was known; nobody else joins them.
        loading.remove(key);
        self.kept.remove(key);
        self.nobody.remove(key);
    }

    /// Drops everything: it may all have changed.
    pub(super) fn drop_all(&self) {
        let mut loading = self.loading();
        loading.clear();
        let epoch = self.epoch.fetch_add(1, Ordering::AcqRel) + 1;
        self.condemned.store(epoch, Ordering::Release);
        self.kept.clear();
        self.nobody.clear();
    }

    /// Nothing that is kept counts any more; but nobody has said that it is wrong.
    pub(super) fn distrust(&self) {
        let mut loading = self.loading();
        loading.clear();
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

pub(super) fn gone() -> FactsError {
    FactsError::Internal("it was dropped".to_owned())
}
