//! A load: one question to the database, for all requests that wait for its answer.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::shelf::{Answered, Keeps, Kept, Nobody, Shelf, gone};
use super::weight::Weigh;
use crate::facts::Fact;
use crate::source::FactsError;

/// One load in progress. A load that is dropped before its end, for example by a panic, gives an error to the
/// waiting requests.
pub(super) struct Errand<K, T>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    T: PartialEq + Weigh + Send + Sync + 'static,
{
    pub(super) shelf: Arc<Shelf<K, T>>,
    pub(super) key: K,
    pub(super) ticket: u64,
    pub(super) answer: Arc<watch::Sender<Option<Answered<T>>>>,
    pub(super) asked_at: Instant,
}

impl<K, T> Errand<K, T>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    T: PartialEq + Weigh + Send + Sync + 'static,
{
    /// Waits for a free place among the loads, then asks the database if any request still waits.
    pub(super) async fn run(mut self, load: impl Future<Output = Result<Option<T>, FactsError>>) {
        let common = Arc::clone(&self.shelf.common);
        let Ok(_turn) = common.loads.acquire().await else { return };
        if !self.is_wanted() {
            return;
        }
        self.asked_at = Instant::now();
        let loaded = load.await;
        self.finish(loaded);
    }

    /// Whether any request still waits. From here on the question counts as asked: without a time to live, no
    /// later request joins the load.
    fn is_wanted(&self) -> bool {
        let mut loading = self.shelf.loading();
        let Some(own) = loading.get_mut(&self.key).filter(|it| it.ticket == self.ticket) else {
            return self.answer.receiver_count() > 0;
        };
        if self.answer.receiver_count() == 0 {
            loading.remove(&self.key);
            return false;
        }
        own.open = !self.shelf.common.settings.ttl.is_zero();
        true
    }

    /// Keeps the answer if that is allowed, and passes it to the waiting requests.
    fn finish(&self, loaded: Result<Option<T>, FactsError>) {
        let mut loading = self.shelf.loading();
        let current = loading.get(&self.key).is_some_and(|it| it.ticket == self.ticket);
        if current {
            loading.remove(&self.key);
        }
        let answer = loaded.map(|found| self.keep(found, current));
        drop(loading);
        self.answer.send_replace(Some(Answered { answer, asked_at: self.asked_at }));
    }

    fn keep(&self, found: Option<T>, current: bool) -> Option<Arc<Fact<T>>> {
        let Shelf { common, kept, nobody, keeps, numbers, epoch, .. } = &*self.shelf;
        let epoch = epoch.load(Ordering::Acquire);
        let Some(value) = found else {
            if current {
                kept.remove(&self.key);
            }
            if current && *keeps == Keeps::Absent && !common.settings.ttl.is_zero() {
                let until = self.asked_at + shortened(common.settings.ttl, self.ticket);
                let asked_at = self.asked_at;
                nobody.insert(self.key.clone(), Nobody { asked_at, until, epoch });
            }
            return None;
        };
        let before = kept.get(&self.key).filter(|it| it.fact.value == value);
        let version = before.map_or_else(|| common.number(), |before| before.fact.version);
        let likeness = numbers.likeness.as_ref().map_or(version, |number| number(&value));
        let gist = numbers.gist.as_ref().map_or(likeness, |number| number(&value));
        let fact = Arc::new(Fact { value, asked_at: self.asked_at, version, likeness, gist });
        let lasts = !common.settings.ttl.is_zero() || !common.settings.stale_for.is_zero();
        if current && lasts && *keeps != Keeps::Nothing {
            let until = self.asked_at + shortened(common.settings.ttl, self.ticket);
            let fact = Arc::clone(&fact);
            kept.insert(self.key.clone(), Kept { fact, until, epoch });
        }
        Some(fact)
    }
}

impl<K, T> Drop for Errand<K, T>
where
    K: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
    T: PartialEq + Weigh + Send + Sync + 'static,
{
    fn drop(&mut self) {
        if self.answer.borrow().is_none() {
            self.finish(Err(gone()));
        }
    }
}

/// Returns the time to live, shortened by up to an eighth, so that facts that were loaded together do not
/// expire together.
fn shortened(ttl: Duration, ticket: u64) -> Duration {
    // Fibonacci hashing: neighbouring tickets give distant results.
    let part = ticket.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
    ttl.saturating_sub(ttl * u32::try_from(part).unwrap_or(0) / (1 << 13))
}
