//! The cache before the source: a short time to live, one load per key at a time.
//!
//! INVARIANT: no fact leaves here that the database was asked for longer ago than the time to
//! live. Errors and absent rows are never kept. A load runs in a task of its own, so that a client
//! that goes away cancels nothing for those who wait for the same row.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::future::Cache;

use crate::facts::{Fact, ObjectFacts, OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::{FactSource, FactsError};

/// How many entries each of the caches holds at the most.
const ENTRIES: u64 = 100_000;

/// What is said of each lookup, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the cache.
    Hit,
    /// The database was asked.
    Miss,
    /// Somebody else was asking already.
    Coalesced,
    /// No answer.
    Error,
}

/// What is said of one lookup.
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

/// Hears about each lookup.
pub type Observer = dyn Fn(Lookup) + Send + Sync;

/// One cache: facts by their keys.
type Kept<K, T> = Cache<K, Arc<Fact<T>>>;

/// Facts, at most a time to live old.
pub struct FactStore {
    source: Arc<dyn FactSource>,
    ttl: Duration,
    timeout: Duration,
    users: Kept<Arc<str>, UserFacts>,
    organizations: Kept<OrganizationKey, OrganizationFacts>,
    objects: Kept<(Arc<str>, Arc<str>), OwnedFacts>,
    versions: Arc<AtomicU64>,
    observer: Box<Observer>,
}

impl std::fmt::Debug for FactStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FactStore").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// Why a load gave nothing to keep.
#[derive(Debug, Clone)]
enum Nothing {
    Absent,
    Failed(FactsError),
}

impl FactStore {
    /// A store before `source` whose facts live for `ttl`; a request waits `timeout` for them.
    pub fn new(
        source: Arc<dyn FactSource>,
        ttl: Duration,
        timeout: Duration,
        observer: Box<Observer>,
    ) -> Self {
        Self {
            source,
            ttl,
            timeout,
            users: cache(ttl),
            organizations: cache(ttl),
            objects: cache(ttl),
            versions: Arc::default(),
            observer,
        }
    }

    /// The source behind the cache.
    pub fn source(&self) -> &Arc<dyn FactSource> {
        &self.source
    }

    /// The moment until which a request that starts now may wait for facts, all together.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// What is true about the user `id`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When that cannot be had before `deadline`.
    pub async fn user(
        &self,
        id: &Arc<str>,
        deadline: Instant,
    ) -> Result<Option<Arc<Fact<UserFacts>>>, FactsError> {
        let (source, wanted) = (Arc::clone(&self.source), Arc::clone(id));
        self.fetch("user", &self.users, id, deadline, async move { source.user(&wanted).await })
            .await
    }

    /// What is true about an organisation; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When that cannot be had before `deadline`.
    pub async fn organization(
        &self,
        key: &OrganizationKey,
        deadline: Instant,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, FactsError> {
        let (source, wanted) = (Arc::clone(&self.source), key.clone());
        let load = async move { source.organization(&wanted).await };
        self.fetch("organization", &self.organizations, key, deadline, load).await
    }

    /// What is true about the object `id` of type `kind`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When that cannot be had before `deadline`, or nobody has said how.
    pub async fn object(
        &self,
        kind: &Arc<str>,
        id: &Arc<str>,
        deadline: Instant,
    ) -> Result<Option<ObjectFacts>, FactsError> {
        match &**kind {
            "User" => Ok(self.user(id, deadline).await?.map(ObjectFacts::User)),
            "Organization" => {
                let key = OrganizationKey::Id(Arc::clone(id));
                Ok(self.organization(&key, deadline).await?.map(ObjectFacts::Organization))
            }
            _ => {
                let (source, key) = (Arc::clone(&self.source), (Arc::clone(kind), Arc::clone(id)));
                let wanted = key.clone();
                let load = async move { source.object(&wanted.0, &wanted.1).await };
                let found = self.fetch("object", &self.objects, &key, deadline, load).await?;
                Ok(found.map(ObjectFacts::Owned))
            }
        }
    }

    /// The one way through a cache: a fresh entry, or a load that all who ask now share.
    async fn fetch<K, T, L>(
        &self,
        kind: &'static str,
        cache: &Kept<K, T>,
        key: &K,
        deadline: Instant,
        load: L,
    ) -> Result<Option<Arc<Fact<T>>>, FactsError>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Send + Sync + 'static,
        L: Future<Output = Result<Option<T>, FactsError>> + Send + 'static,
    {
        if let Some(fact) = cache.get(key).await {
            let age = fact.asked_at.elapsed();
            if age < self.ttl {
                let outcome = Outcome::Hit;
                (self.observer)(Lookup { kind, outcome, load: None, age: Some(age) });
                return Ok(Some(fact));
            }
            cache.invalidate(key).await;
        }
        let began = Instant::now();
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let kept = (!self.ttl.is_zero()).then(|| (cache.clone(), key.clone()));
        // In a task of its own: whoever goes away drops neither the query nor those who share it.
        let task = tokio::spawn(load_once(kept, load, version));
        let (answer, mine) = match tokio::time::timeout_at(deadline.into(), task).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(panic)) => (Err(failed(FactsError::Internal(panic.to_string()))), true),
            Err(_elapsed) => (Err(failed(FactsError::Timeout)), true),
        };
        let outcome = match answer.as_ref().map_err(|nothing| &**nothing) {
            Err(Nothing::Failed(_)) => Outcome::Error,
            _ if mine => Outcome::Miss,
            _ => Outcome::Coalesced,
        };
        let age = answer.as_ref().ok().map(|fact| fact.asked_at.elapsed());
        let load = mine.then(|| began.elapsed());
        (self.observer)(Lookup { kind, outcome, load, age });
        match answer.map_err(|nothing| (*nothing).clone()) {
            Ok(fact) => Ok(Some(fact)),
            Err(Nothing::Absent) => Ok(None),
            Err(Nothing::Failed(error)) => Err(error),
        }
    }
}

/// An answer, and whether it was this call that asked the database.
type Loaded<T> = (Result<Arc<Fact<T>>, Arc<Nothing>>, bool);

/// Asks the database once for all who want `key` now; without a cache, once for this call.
async fn load_once<K, T, L>(kept: Option<(Kept<K, T>, K)>, load: L, version: u64) -> Loaded<T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
    L: Future<Output = Result<Option<T>, FactsError>> + Send + 'static,
{
    let mut mine = false;
    let run = async {
        mine = true;
        let asked_at = Instant::now();
        match load.await {
            Ok(Some(value)) => Ok(Arc::new(Fact { value, asked_at, version })),
            Ok(None) => Err(Nothing::Absent),
            Err(error) => Err(Nothing::Failed(error)),
        }
    };
    let answer = match kept {
        Some((cache, key)) => cache.try_get_with(key, run).await,
        None => run.await.map_err(Arc::new),
    };
    (answer, mine)
}

fn failed(error: FactsError) -> Arc<Nothing> {
    Arc::new(Nothing::Failed(error))
}

/// Entries go when their time is up whether or not anybody asks, so that memory follows use.
fn cache<K, T>(ttl: Duration) -> Kept<K, T>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    Cache::builder().max_capacity(ENTRIES).time_to_live(ttl).build()
}

#[cfg(test)]
mod tests;
