//! The keys of the issuers: read from files or fetched from URLs, kept fresh in the background.
//!
//! A snapshot for each issuer. A source that fails keeps the last good set; one that never
//! answered leaves its issuer without keys, whose tokens are then refused with `keys_unavailable`.

mod jwks;
mod refresh;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use policy_store::supervise::Supervisor;
use tokio::sync::Notify;

use crate::config::{Issuer, JwksSource};

pub use jwks::{Key, KeySet};

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
    pub(crate) config: Issuer,
    keys: ArcSwapOption<KeySet>,
    unknown: Notify,
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
            let keys = ArcSwapOption::new(first);
            all.push(Arc::new(IssuerKeys { config: config.clone(), keys, unknown: Notify::new() }));
        }
        let store = Arc::new(Self { issuers: all, generation: Arc::new(AtomicU64::new(1)) });
        for issuer in &store.issuers {
            refresh::spawn(issuer, &store.generation, supervisor)?;
        }
        Ok(store)
    }

    /// Checks the sets in files, as [`KeyStore::start`] does; fetches nothing.
    ///
    /// # Errors
    ///
    /// When a file has no good set.
    pub fn check(issuers: &[Issuer]) -> Result<(), KeysError> {
        for config in issuers {
            if let JwksSource::File(file) = &config.jwks {
                read(file, config)?;
            }
        }
        Ok(())
    }

    /// Whether every issuer has keys.
    ///
    /// # Errors
    ///
    /// Names those that have none.
    pub fn ready(&self) -> Result<(), String> {
        let without = self.issuers.iter().filter(|issuer| issuer.keys.load().is_none());
        let names: Vec<&str> = without.map(|issuer| issuer.config.issuer.as_str()).collect();
        if names.is_empty() { Ok(()) } else { Err(format!("no keys yet of {}", names.join(", "))) }
    }

    /// Changes whenever any of the sets does.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The issuer of this name.
    pub(crate) fn issuer(&self, name: &str) -> Option<&Arc<IssuerKeys>> {
        self.issuers.iter().find(|issuer| issuer.config.issuer == name)
    }
}

impl IssuerKeys {
    /// The keys now; `None`: none were ever had.
    pub(crate) fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// A token named a key that is not in the set: the set may be old.
    pub(crate) fn suspect(&self) {
        self.unknown.notify_one();
    }
}

/// Reads the set in a file.
fn read(file: &Path, issuer: &Issuer) -> Result<KeySet, KeysError> {
    let text =
        std::fs::read(file).map_err(|source| KeysError::File { file: file.to_owned(), source })?;
    KeySet::parse(&text, &issuer.algorithms)
        .map_err(|problem| KeysError::Bad { place: file.display().to_string(), problem })
}
