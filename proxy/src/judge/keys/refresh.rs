//! Refreshes a set of keys: checks its source at intervals, and whenever a token names an unknown
//! key.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use base::chain;
use base::supervise::Supervisor;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use super::{IssuerKeys, KeySet, KeysError, read};
use crate::config::JwksSource;

/// The interval between checks of a file, and the minimum interval between checks that tokens cause.
const LOOK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(50));
/// The same intervals for a URL.
const FETCH: (Duration, Duration) = (Duration::from_mins(5), Duration::from_secs(2));
/// The first and the maximum wait after a failed fetch.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// The timeout of a fetch, and below the maximum number of bytes.
const TIMEOUT: Duration = Duration::from_secs(5);
const BYTES: usize = 1 << 20;
/// The `User-Agent`: some providers' firewalls refuse requests without one.
const AGENT: &str = concat!("cedargate/", env!("CARGO_PKG_VERSION"));

/// Starts refreshing the set of `issuer`, for as long as the set is in use.
pub(super) fn spawn(
    issuer: &Arc<IssuerKeys>,
    generation: &Arc<AtomicU64>,
    supervisor: &Supervisor,
) -> Result<(), KeysError> {
    let (weak, generation) = (Arc::downgrade(issuer), Arc::clone(generation));
    let source = Source::of(&issuer.config.jwks)?;
    tokio::spawn(supervisor.task("keys", move || {
        let (source, weak) = (source.clone(), Weak::clone(&weak));
        let generation = Arc::clone(&generation);
        async move { keep_fresh(source, &weak, &generation).await }
    }));
    Ok(())
}

async fn keep_fresh(mut source: Source, weak: &Weak<IssuerKeys>, generation: &AtomicU64) {
    let mut wait = source.first_wait();
    loop {
        let Some(issuer) = weak.upgrade() else { return };
        let caused = match wait {
            Some(wait) => issuer.looks.next(wait).await,
            None => false,
        };
        let look = issuer.looks.begin(caused, source.apart());
        wait = Some(source.look(&issuer, generation).await);
        drop(look);
    }
}

/// The source of a set of keys.
#[derive(Clone)]
enum Source {
    File {
        file: PathBuf,
        /// The file's fingerprint at the last read; `None` at first, since the file may have changed after the start.
        seen: Option<Fingerprint>,
    },
    Url {
        client: reqwest::Client,
        url: String,
        retry: Duration,
    },
}

type Fingerprint = (u64, Option<SystemTime>);

impl Source {
    fn of(source: &JwksSource) -> Result<Self, KeysError> {
        Ok(match source.clone() {
            JwksSource::File(file) => Self::File { file, seen: None },
            JwksSource::Url(url) => Self::Url { client: client()?, url, retry: RETRY.0 },
        })
    }

    /// The wait before the first look: none for a URL, since only a file was read at the start.
    fn first_wait(&self) -> Option<Duration> {
        matches!(self, Self::File { .. }).then_some(LOOK.0)
    }

    /// The minimum interval between looks that tokens cause.
    fn apart(&self) -> Duration {
        match self {
            Self::File { .. } => LOOK.1,
            Self::Url { .. } => FETCH.1,
        }
    }

    /// Looks once, and publishes a new set. Returns the wait until the next look.
    async fn look(&mut self, issuer: &IssuerKeys, generation: &AtomicU64) -> Duration {
        match self {
            Self::File { file, seen } => {
                let now = fingerprint(file).await;
                // A bad file is reported once, and read again when it changes.
                if now != *seen {
                    *seen = now;
                    match read(file, &issuer.config) {
                        Ok(set) => publish(issuer, set, generation),
                        Err(error) => {
                            tracing::warn!(error = %chain(&error), "the last good keys stay");
                        }
                    }
                }
                LOOK.0
            }
            Self::Url { client, url, retry } => match fetch(client, url, issuer).await {
                Ok(set) => {
                    publish(issuer, set, generation);
                    *retry = RETRY.0;
                    FETCH.0
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(%error, "keys cannot be fetched; the last good ones stay");
                    let wait = *retry;
                    *retry = (wait * 2).min(RETRY.1);
                    wait
                }
            },
        }
    }
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    let mut headers = HeaderMap::new();
    let accepted = HeaderValue::from_static("application/jwk-set+json, application/json");
    headers.insert(ACCEPT, accepted);
    reqwest::Client::builder()
        .user_agent(AGENT)
        .default_headers(headers)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

async fn fingerprint(file: &Path) -> Option<Fingerprint> {
    let about = tokio::fs::metadata(file).await.ok()?;
    Some((about.len(), about.modified().ok()))
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
    KeySet::parse(&text, &issuer.config).map_err(bad)
}

/// Publishes a set if it differs from the current one.
fn publish(issuer: &IssuerKeys, set: KeySet, generation: &AtomicU64) {
    if issuer.keys.load().as_ref().is_some_and(|current| current.text == set.text) {
        return;
    }
    issuer.tell(&set);
    issuer.keys.store(Some(Arc::new(set)));
    generation.fetch_add(1, Ordering::AcqRel);
    tracing::info!(issuer = %issuer.config.issuer, "keys in force");
}
