//! Passwords: argon2id with the crate's defaults, on threads that serve no requests.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{
    error::BackendError,
    problem::{Outcome, Problem},
};

/// The maximum number of passwords that are hashed at once. Each takes 19 MiB and a core, and anonymous clients may
/// ask.
const AT_ONCE: usize = 4;

/// Hashes passwords and compares them with hashes.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    /// The hash to compare with if there is no other, so that the comparison takes as long.
    decoy: Arc<str>,
    places: Arc<Semaphore>,
}

impl Passwords {
    /// Prepares the hash of a password that no user has.
    pub(crate) async fn prepare() -> Result<Self, BackendError> {
        let decoy = hash("nobody's password").await.ok_or(BackendError::Password)?;
        Ok(Self { decoy: decoy.into(), places: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Hashes a password.
    pub(crate) async fn hash(&self, password: &str) -> Outcome<String> {
        let _place = self.places.acquire().await.map_err(|closed| Problem::internal(&closed))?;
        hash(password).await.ok_or_else(|| Problem::internal(&BackendError::Password))
    }

    /// Whether a password is the one that was hashed. Without a hash the answer is no, and takes as long.
    pub(crate) async fn matches(&self, password: &str, hash: Option<&str>) -> Outcome<bool> {
        let _place = self.places.acquire().await.map_err(|closed| Problem::internal(&closed))?;
        let against = hash.unwrap_or(&self.decoy).to_owned();
        let password = password.to_owned();
        let verified = spawn_blocking(move || verify(&password, &against)).await;
        Ok(verified.map_err(|fault| Problem::internal(&fault))? && hash.is_some())
    }
}

/// Hashes a password on a thread for blocking work.
pub(crate) async fn hash(password: &str) -> Option<String> {
    let password = password.to_owned();
    let hashed = spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
    });
    hashed.await.ok()?.ok()
}

fn verify(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

/// Refuses a new password that is too short to be safe, or too long to be hashed for anonymous clients.
pub(crate) fn check_form(password: &str) -> Outcome<()> {
    if password.chars().count() < 8 {
        return Err(Problem::unprocessable("a password has at least 8 characters"));
    }
    if password.len() > 1024 {
        return Err(Problem::unprocessable("a password has at most 1024 bytes"));
    }
    Ok(())
}
