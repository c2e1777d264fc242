use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::FactStore;
use crate::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::{FactSource, FactsError};

/// Knows one user, counts who asks, and answers when it is let to.
struct Slow {
    asked: AtomicUsize,
    go: Semaphore,
}

#[async_trait]
impl FactSource for Slow {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _go = self.go.acquire().await;
        if id == "broken" {
            return Err(FactsError::Unavailable("broken".to_owned()));
        }
        let known = UserFacts {
            id: Arc::from(id),
            organization: None,
            roles: Vec::new(),
            features: Vec::new(),
            status: Arc::from("ACTIVE"),
            tokens_valid_after: None,
            revoked_tokens: Vec::new(),
        };
        Ok((id == "known").then_some(known))
    }

    async fn organization(
        &self,
        _: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        Ok(None)
    }

    async fn object(&self, _: &str, _: &str) -> Result<Option<OwnedFacts>, FactsError> {
        Ok(None)
    }

    async fn ping(&self) -> Result<(), FactsError> {
        Ok(())
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        Ok(Vec::new())
    }

    fn knows(&self, _: &str) -> bool {
        true
    }
}

fn store(ttl: Duration, permits: usize) -> (Arc<Slow>, Arc<FactStore>) {
    let source = Arc::new(Slow { asked: AtomicUsize::new(0), go: Semaphore::new(permits) });
    let store = FactStore::new(
        Arc::clone(&source) as Arc<dyn FactSource>,
        ttl,
        Duration::from_secs(20),
        Box::new(|_| {}),
    );
    (source, Arc::new(store))
}

const LONG: Duration = Duration::from_hours(1);

async fn ask(store: &FactStore, id: &str) -> Result<bool, FactsError> {
    Ok(store.user(&Arc::from(id), store.deadline()).await?.is_some())
}

#[tokio::test]
async fn a_fresh_fact_is_asked_for_once() {
    let (source, store) = store(LONG, 100);
    for _ in 0..5 {
        assert!(ask(&store, "known").await.unwrap());
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn without_a_time_to_live_it_is_asked_for_each_time() {
    let (source, store) = store(Duration::ZERO, 100);
    for _ in 0..5 {
        assert!(ask(&store, "known").await.unwrap());
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn errors_and_absent_rows_are_not_kept() {
    let (source, store) = store(LONG, 100);
    for _ in 0..3 {
        assert!(!ask(&store, "nobody").await.unwrap());
        assert!(ask(&store, "broken").await.is_err());
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn many_who_wait_make_one_load_and_whoever_leaves_cancels_nothing() {
    let (source, store) = store(LONG, 0);
    let waiting = |store: &Arc<FactStore>| {
        let store = Arc::clone(store);
        tokio::spawn(async move { ask(&store, "known").await })
    };
    let first = waiting(&store);
    while source.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..50).map(|_| waiting(&store)).collect();
    tokio::task::yield_now().await;
    first.abort();
    let _aborted = first.await;
    source.go.add_permits(1);
    for other in others {
        assert!(other.await.unwrap().unwrap());
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_given_up_at_the_deadline() {
    let (_source, store) = store(LONG, 0);
    let deadline = std::time::Instant::now();
    let answer = store.user(&Arc::from("known"), deadline).await;
    assert!(matches!(answer, Err(FactsError::Timeout)));
}
