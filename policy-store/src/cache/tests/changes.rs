//! Which facts are dropped, which keep their version, and which bridge an outage.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{LONG, ask, asking, status, store, store_with, version};
use crate::cache::{Change, Outcome, Settings};
use crate::facts::OrganizationKey;

#[tokio::test]
async fn a_change_is_seen_at_once_and_concerns_nobody_else() {
    let (source, store) = store(LONG, 100);
    for id in ["known", "known too", "nobody"] {
        ask(&store, id).await.unwrap();
    }
    source.now("INACTIVE");
    store.changed(&Change::parse("user known"));
    store.changed(&Change::parse("user nobody"));
    assert_eq!(status(&store, "known").await.unwrap().as_deref(), Some("INACTIVE"));
    assert_eq!(status(&store, "known too").await.unwrap().as_deref(), Some("ACTIVE"));
    assert!(!ask(&store, "nobody").await.unwrap());
    assert_eq!(source.asked(), 5);
    store.changed(&Change::Everything);
    assert_eq!(status(&store, "known too").await.unwrap().as_deref(), Some("INACTIVE"));
    assert_eq!(source.dropped.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_load_that_began_before_a_change_puts_nothing_back() {
    for change in ["user known", "all"] {
        let (source, store) = store(LONG, 0);
        let before = asking(&store, "known");
        source.until_asked(1).await;
        source.now("INACTIVE");
        store.changed(&Change::parse(change));
        let after = asking(&store, "known");
        source.until_asked(2).await;
        source.go.add_permits(10);
        assert_eq!(before.await.unwrap().as_deref(), Some("ACTIVE"));
        assert_eq!(after.await.unwrap().as_deref(), Some("INACTIVE"));
        assert_eq!(status(&store, "known").await.unwrap().as_deref(), Some("INACTIVE"));
        assert_eq!(source.asked(), 2, "{change}");
    }
}

#[tokio::test]
async fn what_was_asked_before_a_change_is_not_kept_when_it_comes_after_it() {
    for change in ["user known", "all"] {
        let (source, store) = store(LONG, 0);
        let before = asking(&store, "known");
        source.until_asked(1).await;
        source.now("INACTIVE");
        store.changed(&Change::parse(change));
        source.go.add_permits(10);
        assert_eq!(before.await.unwrap().as_deref(), Some("ACTIVE"));
        assert_eq!(status(&store, "known").await.unwrap().as_deref(), Some("INACTIVE"), "{change}");
    }
}

#[tokio::test]
async fn a_slug_follows_its_organization() {
    let (source, store) = store(LONG, 100);
    let find = async |slug: &str| {
        let key = OrganizationKey::Slug(Arc::from(slug));
        store.organization(&key, &store.terms(true)).await.unwrap().map(|it| it.value.id.clone())
    };
    assert_eq!(find("ACTIVE").await.as_deref(), Some("org"));
    assert_eq!(find("ACTIVE").await.as_deref(), Some("org"));
    assert_eq!(find("ACTIVE").await.as_deref(), Some("org"));
    assert_eq!(source.asked(), 2);
    source.now("RENAMED");
    store.changed(&Change::parse("organization org"));
    assert_eq!(find("ACTIVE").await, None);
    assert_eq!(find("RENAMED").await.as_deref(), Some("org"));
}

#[tokio::test]
async fn what_comes_back_unchanged_keeps_its_version() {
    let (source, store) = store(LONG, 100);
    let first = version(&store, "known").await;
    store.distrust();
    assert_eq!(version(&store, "known").await, first);
    assert_eq!(source.asked(), 2);
    assert_ne!(version(&store, "known too").await, first);
    source.now("INACTIVE");
    store.distrust();
    assert_ne!(version(&store, "known").await, first);
}

#[tokio::test]
async fn an_outage_is_bridged_for_reads_only_and_never_by_what_has_changed() {
    let mut settings = Settings::new(Duration::ZERO, Duration::from_secs(20));
    settings.stale_for = LONG;
    let (source, store) = store_with(settings, 100);
    for id in ["known", "known too"] {
        ask(&store, id).await.unwrap();
    }
    source.down.store(true, Ordering::SeqCst);
    store.distrust();
    let terms = store.terms(true);
    assert!(store.user(&Arc::from("known"), &terms).await.unwrap().is_some());
    assert!(terms.bridged());
    assert_eq!(source.heard.lock().unwrap().last(), Some(&Outcome::Stale));
    let writes = store.terms(false);
    assert!(store.user(&Arc::from("known"), &writes).await.is_err());
    assert!(!writes.bridged());
    store.changed(&Change::parse("user known"));
    assert!(ask(&store, "known").await.is_err());
    assert!(ask(&store, "known too").await.unwrap());
    store.changed(&Change::Everything);
    assert!(ask(&store, "known too").await.is_err());
    source.down.store(false, Ordering::SeqCst);
    let terms = store.terms(true);
    assert!(store.user(&Arc::from("known"), &terms).await.unwrap().is_some());
    assert!(!terms.bridged());
}
