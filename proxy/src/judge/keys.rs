//! The keys of the issuers: read from files or fetched from URLs, and refreshed in the background.
//!
//! Each issuer has a snapshot. If a source fails, the last good set stays in use. An issuer whose source never
//! answered has no keys, and its tokens are refused with `keys_unavailable`.

mod jwk;
mod jwks;
mod looks;
mod refresh;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use base::supervise::Supervisor;
use serde_json::{Map, Value};

use crate::config::{Issuer, JwksSource};

use jwk::Why;
pub use jwk::{Key, PassedOver};
pub use jwks::KeySet;
pub(crate) use jwks::Named;
use looks::Looks;
pub(crate) use looks::Seeking;

/// The maximum number of unused keys of a set that are logged individually.
const TOLD: usize = 32;

/// The reason why the keys of an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("`{file}` cannot be read", file = .file.display())]
    File {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The set is invalid.
    #[error("the keys in `{place}` cannot be used: {problem}")]
    Bad {
        /// The file or URL of the set.
        place: String,
        /// The fault of the set.
        problem: String,
    },
    /// The HTTP client cannot be created.
    #[error("keys cannot be fetched")]
    Client(#[from] reqwest::Error),
}

/// An issuer with its current keys.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    pub(crate) config: Arc<Issuer>,
    keys: ArcSwapOption<KeySet>,
    looks: Looks,
    /// The unused keys that were already logged.
    told: Mutex<HashSet<PassedOver>>,
}

/// The keys of all issuers.
#[derive(Debug)]
pub struct KeyStore {
    issuers: Vec<Arc<IssuerKeys>>,
    generation: Arc<AtomicU64>,
}

impl KeyStore {
    /// Reads the sets in files, and starts fetching the others. Must be called inside a runtime.
    ///
    /// # Errors
    ///
    /// Fails if a file has no valid set.
    pub fn start(issuers: &[Issuer], supervisor: &Supervisor) -> Result<Arc<Self>, KeysError> {
        let mut all = Vec::with_capacity(issuers.len());
        for config in issuers {
            let first = match &config.jwks {
                JwksSource::File(file) => Some(Arc::new(read(file, config)?)),
                JwksSource::Url(_) => None,
            };
            all.push(Arc::new(IssuerKeys::new(config, first)));
        }
        let store = Arc::new(Self { issuers: all, generation: Arc::new(AtomicU64::new(1)) });
        for issuer in &store.issuers {
            refresh::spawn(issuer, &store.generation, supervisor)?;
        }
        Ok(store)
    }

    /// Checks the sets in files as [`KeyStore::start`] does, and fetches none. Returns a sentence for each key that
    /// is not used.
    ///
    /// # Errors
    ///
    /// Fails if a file has no valid set.
    pub fn check(issuers: &[Issuer]) -> Result<Vec<String>, KeysError> {
        let mut notes = Vec::new();
        for config in issuers {
            if let JwksSource::File(file) = &config.jwks {
                let set = read(file, config)?;
                let place = file.display();
                notes.extend(set.passed_over.iter().map(|it| format!("{place}: {it}")));
            }
        }
        Ok(notes)
    }

    /// Whether there are keys to verify tokens with. Names the issuers without keys.
    ///
    /// # Errors
    ///
    /// Fails if no issuer has keys: then no token can be verified.
    pub fn ready(&self) -> Result<Option<String>, String> {
        let without = self.issuers.iter().filter(|issuer| issuer.keys.load().is_none());
        let names: Vec<&str> = without.map(|issuer| issuer.config.issuer.as_str()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let said = format!("no keys yet of {}", names.join(", "));
        if names.len() < self.issuers.len() { Ok(Some(said)) } else { Err(said) }
    }

    /// A number that changes whenever any of the sets does.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The issuer for tokens with this `iss` and these claims. A plain name takes precedence over a template.
    pub(crate) fn issuer(
        &self,
        iss: &str,
        claims: &Map<String, Value>,
    ) -> Option<&Arc<IssuerKeys>> {
        let mut signing = self.issuers.iter().filter(|issuer| issuer.config.signs_as(iss, claims));
        let first = signing.next()?;
        if first.config.issuer.claim().is_none() {
            return Some(first);
        }
        Some(signing.find(|issuer| issuer.config.issuer.claim().is_none()).unwrap_or(first))
    }
}

impl IssuerKeys {
    fn new(config: &Issuer, first: Option<Arc<KeySet>>) -> Self {
        let issuer = Self {
            config: Arc::new(config.clone()),
            keys: ArcSwapOption::empty(),
            looks: Looks::new(),
            told: Mutex::default(),
        };
        if let Some(first) = first {
            issuer.tell(&first);
            issuer.keys.store(Some(first));
        }
        issuer
    }

    /// The current keys; `None` if none were ever loaded.
    pub(crate) fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// Starts waiting for a key that is not in the set, which may be outdated. `None`: the key was looked for
    /// just now.
    pub(crate) fn seek(&self, sought: impl std::hash::Hash) -> Option<Seeking<'_>> {
        self.looks.seek(sought)
    }

    /// Logs the unused keys of a set, each once.
    fn tell(&self, set: &KeySet) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let issuer = &self.config.issuer;
        let news = set.passed_over.iter().filter(|it| !told.contains(*it));
        for passed_over in news.clone().take(TOLD) {
            match passed_over.why {
                Why::Fault(_) => tracing::warn!(%issuer, %passed_over, "a key is not used"),
                Why::Foreign(_) => tracing::info!(%issuer, %passed_over, "a key is not used"),
            }
        }
        let more = news.count().saturating_sub(TOLD);
        if more > 0 {
            tracing::warn!(%issuer, more, "more keys are not used");
        }
        *told = set.passed_over.iter().cloned().collect();
    }
}

/// Reads the set in a file.
fn read(file: &Path, issuer: &Issuer) -> Result<KeySet, KeysError> {
    let text =
        std::fs::read(file).map_err(|source| KeysError::File { file: file.to_owned(), source })?;
    KeySet::parse(&text, issuer)
        .map_err(|problem| KeysError::Bad { place: file.display().to_string(), problem })
}
