use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::{Breaker, DOUBTED};
use crate::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::{FactSource, FactsError};

/// A database whose tables can be locked and whose connections can be refused, independently.
struct Database {
    down: AtomicBool,
    locked: AtomicBool,
    never: Semaphore,
    asked: AtomicUsize,
    probed: AtomicUsize,
    /// The number of probes that fail although the database is up.
    unlucky: AtomicUsize,
    /// The number of the probe that panics, or 0 for none.
    panics_at: AtomicUsize,
}

#[async_trait]
impl FactSource for Database {
    async fn user(&self, _: &str) -> Result<Option<UserFacts>, FactsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.locked.load(Ordering::SeqCst) {
            let _never = self.never.acquire().await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(FactsError::Unavailable("gone".to_owned()));
        }
        Ok(None)
    }

    async fn organization(
        &self,
        _: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        Err(FactsError::Refused("no such table".to_owned()))
    }

    async fn object(&self, _: &str, _: &str) -> Result<Option<OwnedFacts>, FactsError> {
        Ok(None)
    }

    async fn ping(&self) -> Result<(), FactsError> {
        let number = self.probed.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(number != self.panics_at.load(Ordering::SeqCst), "a probe that panics");
        let unlucky = self.unlucky.load(Ordering::SeqCst);
        if unlucky > 0 {
            self.unlucky.store(unlucky - 1, Ordering::SeqCst);
            return Err(FactsError::Timeout);
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(FactsError::Unavailable("gone".to_owned()));
        }
        Ok(())
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        Ok(Vec::new())
    }

    fn knows(&self, _: &str) -> bool {
        true
    }
}

fn made() -> (Arc<Database>, Arc<Breaker>, Arc<AtomicUsize>) {
    let database = Arc::new(Database {
        down: AtomicBool::new(false),
        locked: AtomicBool::new(false),
        never: Semaphore::new(0),
        asked: AtomicUsize::new(0),
        probed: AtomicUsize::new(0),
        unlucky: AtomicUsize::new(0),
        panics_at: AtomicUsize::new(0),
    });
    let opened = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&opened);
    let hears = Box::new(move |open| {
        counter.fetch_add(usize::from(open), Ordering::SeqCst);
    });
    let source: Arc<dyn FactSource> = database.clone();
    (database, Breaker::new(source, Duration::from_secs(20), hears), opened)
}

/// The maximum time that a wait in these tests may take before the test fails.
const DEADLINE: Duration = Duration::from_mins(1);

/// Waits until `what` holds; panics after the deadline.
async fn until(what: impl AsyncFn() -> bool) {
    let holds = async {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, holds).await.expect("it happens before the deadline");
}

#[tokio::test]
async fn a_database_that_is_down_is_asked_by_probes_alone_until_it_is_back() {
    let (database, breaker, opened) = made();
    assert!(breaker.user("somebody").await.is_ok());
    database.down.store(true, Ordering::SeqCst);
    assert!(breaker.user("somebody").await.is_err());
    until(async || opened.load(Ordering::SeqCst) == 1).await;
    let asked = database.asked.load(Ordering::SeqCst);
    for _ in 0..1_000 {
        assert!(matches!(breaker.user("somebody").await, Err(FactsError::Unavailable(_))));
    }
    assert!(breaker.ping().await.is_err());
    assert_eq!(database.asked.load(Ordering::SeqCst), asked);
    database.down.store(false, Ordering::SeqCst);
    until(async || breaker.user("somebody").await.is_ok()).await;
    assert!(breaker.ping().await.is_ok());
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}

/// A probe may panic before or after the circuit has opened: in neither case do loads or `/readyz` report for
/// ever that the database is down.
#[tokio::test]
async fn a_probe_that_panics_is_begun_anew() {
    for panics_at in [1, 2, 5] {
        let (database, breaker, _opened) = made();
        database.panics_at.store(panics_at, Ordering::SeqCst);
        database.down.store(true, Ordering::SeqCst);
        until(async || {
            let _refused = breaker.user("somebody").await;
            database.probed.load(Ordering::SeqCst) > panics_at
        })
        .await;
        database.down.store(false, Ordering::SeqCst);
        // No load is made here: the probes that readiness starts close the circuit.
        until(async || breaker.ping().await.is_ok()).await;
        assert!(breaker.user("somebody").await.is_ok(), "{panics_at}");
    }
}

#[tokio::test]
async fn whoever_waits_is_told_when_it_goes_down() {
    let (database, breaker, _opened) = made();
    database.locked.store(true, Ordering::SeqCst);
    let waiting = tokio::spawn({
        let breaker = Arc::clone(&breaker);
        async move { breaker.user("somebody").await }
    });
    until(async || database.probed.load(Ordering::SeqCst) > 0).await;
    assert!(!waiting.is_finished());
    // The load was slow, so it was probed. Now another load finds the database down.
    database.down.store(true, Ordering::SeqCst);
    database.locked.store(false, Ordering::SeqCst);
    assert!(breaker.user("somebody").await.is_err());
    assert!(matches!(waiting.await.unwrap(), Err(FactsError::Unavailable(_))));
}

#[tokio::test]
async fn neither_a_lock_nor_a_bad_statement_nor_one_unlucky_probe_opens_it() {
    let (database, breaker, opened) = made();
    let unlucky = usize::try_from(DOUBTED - 1).unwrap();
    database.unlucky.store(unlucky, Ordering::SeqCst);
    database.locked.store(true, Ordering::SeqCst);
    let waiting = tokio::spawn({
        let breaker = Arc::clone(&breaker);
        async move { breaker.user("somebody").await }
    });
    until(async || database.probed.load(Ordering::SeqCst) > unlucky).await;
    assert!(breaker.object("Patient", "one").await.is_ok());
    let by_id = OrganizationKey::Id(Arc::from("one"));
    assert!(matches!(breaker.organization(&by_id).await, Err(FactsError::Refused(_))));
    database.never.add_permits(1);
    assert!(waiting.await.unwrap().is_ok());
    assert_eq!(opened.load(Ordering::SeqCst), 0);
}
