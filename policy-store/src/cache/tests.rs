mod changes;
mod likeness;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Event, FactStore, Outcome, Settings};
use crate::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::{FactSource, FactsError};

/// A source that knows one organisation and all users whose ids begin with `known`. It counts the questions and
/// answers those about users and objects only when it has permits.
struct Slow {
    asked: AtomicUsize,
    go: Semaphore,
    down: AtomicBool,
    status: Mutex<&'static str>,
    heard: Mutex<Vec<Outcome>>,
    dropped: AtomicUsize,
}

#[async_trait]
impl FactSource for Slow {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Like a database, this answers with what is true when it is asked.
        let status = *self.status.lock().unwrap();
        let _go = self.go.acquire().await;
        assert!(id != "panic", "a load that panics");
        if id == "broken" || self.down.load(Ordering::SeqCst) {
            return Err(FactsError::Unavailable("broken".to_owned()));
        }
        let known = UserFacts {
            id: Arc::from(id),
            organization: None,
            roles: Vec::new(),
            features: Vec::new(),
            status: Arc::from(status),
            tokens_valid_after: None,
            revoked_tokens: Vec::new(),
        };
        Ok(id.starts_with("known").then_some(known))
    }

    /// Knows one organisation, `org`, whose slug is the current status.
    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let slug = *self.status.lock().unwrap();
        let found = match key {
            OrganizationKey::Id(id) => &**id == "org",
            OrganizationKey::Slug(wanted) => &**wanted == slug,
        };
        let facts = OrganizationFacts {
            id: Arc::from("org"),
            slug: Arc::from(slug),
            status: Arc::from("ACTIVE"),
            deleted: false,
            features: Vec::new(),
            workflows: Vec::new(),
            group: None,
        };
        Ok(found.then_some(facts))
    }

    async fn object(&self, _: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let status = *self.status.lock().unwrap();
        let _go = self.go.acquire().await;
        Ok((id == status).then_some(OwnedFacts { owner: None, workflow: None, roles: None }))
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

/// A source, and a store before it.
type Made = (Arc<Slow>, Arc<FactStore>);

fn store(ttl: Duration, permits: usize) -> Made {
    store_with(Settings::new(ttl, Duration::from_secs(20)), permits)
}

fn store_with(settings: Settings, permits: usize) -> Made {
    let source = Arc::new(Slow {
        asked: AtomicUsize::new(0),
        go: Semaphore::new(permits),
        down: AtomicBool::new(false),
        status: Mutex::new("ACTIVE"),
        heard: Mutex::default(),
        dropped: AtomicUsize::new(0),
    });
    let hears = Arc::clone(&source);
    let observer = move |event: Event| match event {
        Event::Lookup(lookup) => hears.heard.lock().unwrap().push(lookup.outcome),
        Event::Dropped(_) => {
            hears.dropped.fetch_add(1, Ordering::SeqCst);
        }
    };
    let store =
        FactStore::new(Arc::clone(&source) as Arc<dyn FactSource>, settings, Box::new(observer));
    (source, Arc::new(store))
}

impl Slow {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn now(&self, status: &'static str) {
        *self.status.lock().unwrap() = status;
    }

    /// Waits until the database was asked `times` times.
    async fn until_asked(&self, times: usize) {
        while self.asked() < times {
            tokio::task::yield_now().await;
        }
    }
}

const LONG: Duration = Duration::from_hours(1);

async fn ask(store: &FactStore, id: &str) -> Result<bool, FactsError> {
    Ok(status(store, id).await?.is_some())
}

async fn status(store: &FactStore, id: &str) -> Result<Option<Arc<str>>, FactsError> {
    let user = store.user(&Arc::from(id), &store.terms(true)).await?;
    Ok(user.map(|user| Arc::clone(&user.value.status)))
}

fn asking(store: &Arc<FactStore>, id: &'static str) -> JoinHandle<Option<Arc<str>>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { status(&store, id).await.unwrap() })
}

async fn version(store: &FactStore, id: &str) -> u64 {
    store.user(&Arc::from(id), &store.terms(true)).await.unwrap().unwrap().version
}

#[tokio::test]
async fn a_fresh_fact_is_asked_for_once() {
    let (source, store) = store(LONG, 100);
    for _ in 0..5 {
        assert!(ask(&store, "known").await.unwrap());
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn without_a_time_to_live_it_is_asked_for_each_time() {
    let (source, store) = store(Duration::ZERO, 100);
    for _ in 0..5 {
        assert!(ask(&store, "known").await.unwrap());
        assert!(!ask(&store, "nobody").await.unwrap());
    }
    assert_eq!(source.asked(), 10);
}

#[tokio::test]
async fn without_a_time_to_live_nobody_joins_a_question_that_was_put() {
    let (source, store) = store(Duration::ZERO, 0);
    let early = asking(&store, "known");
    source.until_asked(1).await;
    source.now("INACTIVE");
    let late = asking(&store, "known");
    source.until_asked(2).await;
    source.go.add_permits(10);
    assert_eq!(early.await.unwrap().as_deref(), Some("ACTIVE"));
    assert_eq!(late.await.unwrap().as_deref(), Some("INACTIVE"));
}

#[tokio::test]
async fn without_a_time_to_live_those_share_who_came_before_the_question_was_put() {
    let (source, store) = store(Duration::ZERO, 0);
    let busy: Vec<_> =
        ["known1", "known2", "known3", "known4", "known5", "known6", "known7", "known8"]
            .map(|id| asking(&store, id))
            .into();
    source.until_asked(super::shelf::LOADS).await;
    let waiting: Vec<_> = (0..20).map(|_| asking(&store, "known")).collect();
    tokio::task::yield_now().await;
    source.go.add_permits(1000);
    for asked in busy.into_iter().chain(waiting) {
        assert!(asked.await.unwrap().is_some());
    }
    assert_eq!(source.asked(), super::shelf::LOADS + 1);
}

#[tokio::test]
async fn errors_are_not_kept_and_who_is_unknown_is() {
    let (source, store) = store(LONG, 100);
    for _ in 0..3 {
        assert!(!ask(&store, "nobody").await.unwrap());
        assert!(ask(&store, "broken").await.is_err());
    }
    assert_eq!(source.asked(), 4);
}

#[tokio::test]
async fn strangers_fill_no_memory() {
    // 3,000 names of 8 KB are 24 MB; what is absent has a 24th of the memory.
    let memory = 6 << 20;
    let settings = Settings { memory, ..Settings::new(LONG, Duration::from_secs(20)) };
    let (source, store) = store_with(settings, 100);
    for stranger in 0..3_000 {
        assert!(!ask(&store, &format!("stranger-{stranger:08000}")).await.unwrap());
    }
    assert_eq!(source.asked(), 3_000);
    assert!(store.held() > 0 && store.held() <= memory / 24, "{}", store.held());
}

#[tokio::test]
async fn facts_are_kept_up_to_so_many_bytes_and_so_many_entries() {
    let memory = 4 << 20;
    for (entries, length) in [(1_000_000, 4_000), (100, 8)] {
        let usual = Settings::new(LONG, Duration::from_secs(20));
        let (_source, store) = store_with(Settings { entries, memory, ..usual }, 100);
        for known in 0..1_000 {
            assert!(ask(&store, &format!("known-{known:0length$}")).await.unwrap());
        }
        let (kept, held) = (store.users.kept.len() as u64, store.held());
        assert!(kept > 0 && kept <= entries, "{kept} of {entries}");
        assert!(held <= memory / 4, "{held} bytes of {length}");
    }
}

#[tokio::test]
async fn what_was_created_a_moment_ago_is_there() {
    let (source, store) = store(LONG, 0);
    let look = |store: &Arc<FactStore>| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let (kind, id) = (Arc::from("Patient"), Arc::from("CREATED"));
            store.object(&kind, &id, &store.terms(true)).await.unwrap().is_some()
        })
    };
    let before = look(&store);
    source.until_asked(1).await;
    source.now("CREATED");
    // This look-up finds a load in progress that asked before the object existed.
    let after = look(&store);
    tokio::task::yield_now().await;
    source.go.add_permits(10);
    assert!(!before.await.unwrap());
    assert!(after.await.unwrap());
    assert!(look(&store).await.unwrap());
}

#[tokio::test]
async fn many_who_wait_make_one_load_and_whoever_leaves_cancels_nothing() {
    let (source, store) = store(LONG, 0);
    let first = asking(&store, "known");
    source.until_asked(1).await;
    let others: Vec<_> = (0..1_000).map(|_| asking(&store, "known")).collect();
    tokio::task::yield_now().await;
    first.abort();
    let _aborted = first.await;
    source.go.add_permits(1);
    for other in others {
        assert!(other.await.unwrap().is_some());
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn a_load_that_nobody_waits_for_any_more_is_not_begun() {
    let (source, store) = store(LONG, 0);
    let ids = ["known1", "known2", "known3", "known4", "known5", "known6", "known7", "known8"];
    let busy = ids.map(|id| asking(&store, id));
    source.until_asked(super::shelf::LOADS).await;
    let gone = asking(&store, "known");
    tokio::task::yield_now().await;
    gone.abort();
    let _aborted = gone.await;
    source.go.add_permits(100);
    for asked in busy {
        asked.await.unwrap();
    }
    assert!(ask(&store, "known").await.unwrap());
    assert_eq!(source.asked(), super::shelf::LOADS + 1);
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_given_up_at_the_deadline() {
    let (_source, store) = store_with(Settings::new(LONG, Duration::ZERO), 0);
    assert!(matches!(ask(&store, "known").await, Err(FactsError::Timeout)));
}

#[tokio::test]
async fn a_load_that_panics_is_an_error_and_leaves_nothing_behind() {
    let (source, store) = store(LONG, 100);
    for _ in 0..2 {
        assert!(matches!(ask(&store, "panic").await, Err(FactsError::Internal(_))));
    }
    assert_eq!(source.asked(), 2);
    assert!(ask(&store, "known").await.unwrap());
}

#[tokio::test]
async fn an_answer_that_is_too_old_when_it_comes_is_not_used() {
    let (source, store) =
        store_with(Settings::new(Duration::from_millis(1), Duration::from_secs(20)), 0);
    let asked = tokio::spawn({
        let store = Arc::clone(&store);
        async move { ask(&store, "known").await }
    });
    source.until_asked(1).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
    source.go.add_permits(1);
    assert!(matches!(asked.await.unwrap(), Err(FactsError::Late)));
}
