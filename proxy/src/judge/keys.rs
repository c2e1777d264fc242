//! The keys of the issuers: read from files or fetched from URLs, kept fresh in the background.
//!
//! A snapshot for each issuer. A source that fails keeps the last good set; one that never
//! answered leaves its issuer without keys, whose tokens are then refused with `keys_unavailable`.

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

/// The log tells of this many keys of a set that are passed over.
const TOLD: usize = 32;

/// The keys of an issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("`{file}` cannot be read", file = .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The set is not good.
    #[error("the keys in `{place}` cannot be used: {problem}")]
    Bad {
        /// File or URL.
        place: String,
        /// Why.
        problem: String,
    },
    /// The client for URLs cannot be made.
    #[error("keys cannot be fetched")]
    Client(#[from] reqwest::Error),
}

/// One issuer with its keys as they are now.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    pub(crate) config: Arc<Issuer>,
    keys: ArcSwapOption<KeySet>,
    looks: Looks,
    /// The keys that are passed over and that the log has told of.
    told: Mutex<HashSet<PassedOver>>,
}

/// The keys of all issuers.
#[derive(Debug)]
pub struct KeyStore {
    issuers: Vec<Arc<IssuerKeys>>,
    generation: Arc<AtomicU64>,
}

impl KeyStore {
    /// Reads the sets in files, and begins to fetch the others. Has to be called in a runtime.
    ///
    /// # Errors
    ///
    /// When a file has no good set.
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

    /// Checks the sets in files, as [`KeyStore::start`] does; fetches nothing. Gives what is not
    /// used of them, a sentence for each key.
    ///
    /// # Errors
    ///
    /// When a file has no good set.
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

    /// Whether there are keys to verify tokens with. Names the issuers without any.
    ///
    /// # Errors
    ///
    /// When no issuer has keys: then no token at all can be verified.
    pub fn ready(&self) -> Result<Option<String>, String> {
        let without = self.issuers.iter().filter(|issuer| issuer.keys.load().is_none());
        let names: Vec<&str> = without.map(|issuer| issuer.config.issuer.as_str()).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let said = format!("no keys yet of {}", names.join(", "));
        if names.len() < self.issuers.len() { Ok(Some(said)) } else { Err(said) }
    }

    /// Changes whenever any of the sets does.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The issuer of tokens with this `iss` and these claims. An entry that names it whole goes before a
    /// template.
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

    /// The keys now; `None`: none were ever had.
    pub(crate) fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// Begins to wait for a key that is not in the set, which may be old. `None`: it was looked for
    /// just now.
    pub(crate) fn seek(&self, sought: impl std::hash::Hash) -> Option<Seeking<'_>> {
        self.looks.seek(sought)
    }

    /// Tells the log of the keys of a set that are passed over, of each once.
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
