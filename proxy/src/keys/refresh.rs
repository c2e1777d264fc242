//! Keeps a set of keys fresh: a file when it changes, a URL now and then and when a token names a
//! key that is not there.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use policy_store::supervise::Supervisor;

use super::{IssuerKeys, KeySet, KeysError, read};
use crate::chain::chain;
use crate::config::JwksSource;

/// A file is looked at this often.
const LOOK: Duration = Duration::from_secs(2);
/// A URL is fetched this often, whatever happens.
const FETCH: Duration = Duration::from_mins(5);
/// And not more often than this when tokens name unknown keys.
const AT_MOST: Duration = Duration::from_secs(2);
/// The first and the longest wait after a fetch that failed.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// A fetch takes this long at the most, and brings so many bytes.
const TIMEOUT: Duration = Duration::from_secs(5);
const BYTES: usize = 1 << 20;

/// Begins to keep the set of `issuer` fresh, for as long as somebody holds it.
pub(super) fn spawn(
    issuer: &Arc<IssuerKeys>,
    generation: &Arc<AtomicU64>,
    supervisor: &Supervisor,
) -> Result<(), KeysError> {
    let (weak, generation) = (Arc::downgrade(issuer), Arc::clone(generation));
    match issuer.config.jwks.clone() {
        JwksSource::File(file) => {
            tokio::spawn(supervisor.task("keys", move || {
                let (file, weak) = (file.clone(), Weak::clone(&weak));
                let generation = Arc::clone(&generation);
                async move { watch(&file, &weak, &generation).await }
            }));
        }
        JwksSource::Url(url) => {
            let client = reqwest::Client::builder()
                .timeout(TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?;
            tokio::spawn(supervisor.task("keys", move || {
                let (client, url, weak) = (client.clone(), url.clone(), Weak::clone(&weak));
                let generation = Arc::clone(&generation);
                async move { poll(&client, &url, &weak, &generation).await }
            }));
        }
    }
    Ok(())
}

async fn watch(file: &Path, weak: &Weak<IssuerKeys>, generation: &AtomicU64) {
    // What was read at the start may be older than the file is now: it is read once more.
    let mut seen = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(issuer) = weak.upgrade() else { return };
        let now = fingerprint(file).await;
        if now == seen {
            continue;
        }
        // A bad file is told of once, and read again when it changes again.
        seen = now;
        match read(file, &issuer.config) {
            Ok(set) => publish(&issuer, set, generation),
            Err(error) => tracing::warn!(error = %chain(&error), "the last good keys stay"),
        }
    }
}

async fn fingerprint(file: &Path) -> Option<(u64, Option<SystemTime>)> {
    let about = tokio::fs::metadata(file).await.ok()?;
    Some((about.len(), about.modified().ok()))
}

async fn poll(
    client: &reqwest::Client,
    url: &str,
    weak: &Weak<IssuerKeys>,
    generation: &AtomicU64,
) {
    let mut retry = RETRY.0;
    loop {
        let Some(issuer) = weak.upgrade() else { return };
        match fetch(client, url, &issuer).await {
            Ok(set) => {
                publish(&issuer, set, generation);
                retry = RETRY.0;
                tokio::time::sleep(AT_MOST).await;
                // Until it is time again, or a token names a key that is not there.
                let _either = tokio::time::timeout(FETCH, issuer.unknown.notified()).await;
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "keys cannot be fetched; the last good ones stay");
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(RETRY.1);
            }
        }
    }
}

async fn fetch(
    client: &reqwest::Client,
    url: &str,
    issuer: &IssuerKeys,
) -> Result<KeySet, KeysError> {
    let bad = |problem: String| KeysError::Bad { place: url.to_owned(), problem };
    let mut response = client.get(url).send().await?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(bad(format!("answered {}", response.status())));
    }
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await? {
        text.extend_from_slice(&part);
        if text.len() > BYTES {
            return Err(bad("longer than 1 MiB".to_owned()));
        }
    }
    KeySet::parse(&text, &issuer.config.algorithms).map_err(bad)
}

/// Publishes a set that differs from the one in force.
fn publish(issuer: &IssuerKeys, set: KeySet, generation: &AtomicU64) {
    if issuer.keys.load().as_ref().is_some_and(|current| current.text == set.text) {
        return;
    }
    issuer.keys.store(Some(Arc::new(set)));
    generation.fetch_add(1, Ordering::AcqRel);
    tracing::info!(issuer = %issuer.config.issuer, "keys in force");
}
