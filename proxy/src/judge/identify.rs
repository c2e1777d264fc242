//! Stage 3 of 7: identify.
//!
//! Takes a token and the keys. Returns the verified token, or an [`Unidentified`]. The token says *who* the caller
//! is and no more: no role is ever read from a token.

mod doubt;
mod signature;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use policy_store::facts::UserFacts;
use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use crate::config::{Algorithm, Issuer};
use crate::judge::keys::KeyStore;
use crate::metrics::Metrics;

pub use doubt::{Overreach, Unidentified};
use signature::{SignedBy, Sought, signed};
use token::Parts;

/// The maximum length of a token, in bytes.
const LONGEST: usize = 16 * 1024;
/// The default size of the memory of verified tokens, in bytes.
const REMEMBERED: u64 = 64 << 20;
/// The initial capacity of the memory of verified tokens.
const USUAL: usize = 16 * 1024;

/// The claims of a verified token.
#[derive(Debug)]
pub struct VerifiedToken {
    /// The user id (`sub`, or the issuer's `subject_claim`).
    pub subject: Arc<str>,
    /// The id of the token (`jti`).
    pub jti: Option<Arc<str>>,
    /// The time of issue (`iat`), in seconds since the epoch.
    pub issued_at: Option<f64>,
    /// The time of expiry (`exp`).
    pub expires_at: f64,
    /// The time before which the token is not valid (`nbf`).
    pub not_before: Option<f64>,
    /// The issuer; `None` on the workbench, which has none.
    pub issuer: Option<Arc<Issuer>>,
}

impl VerifiedToken {
    /// Checks whether the issuer may speak for a user of this organisation with these roles.
    ///
    /// # Errors
    ///
    /// Fails with the restriction that the user breaks.
    pub(crate) fn may_be_about(&self, user: &UserFacts) -> Result<(), Unidentified> {
        let Some(issuer) = &self.issuer else { return Ok(()) };
        let holds = issuer.speaks_for.holds_for_user(user.organization.as_deref(), &user.roles);
        holds.map_err(|broken| Overreach::of(issuer, &self.subject, broken).into())
    }
}

/// The token in `Authorization` (RFC 6750, 2.1).
///
/// # Errors
///
/// Another scheme, or none, counts as a missing token; `Bearer` without exactly one token is malformed.
pub fn bearer(authorization: Option<&[u8]>) -> Result<&str, Unidentified> {
    let value = authorization.ok_or(Unidentified::Missing)?;
    let end =
        value.iter().position(|byte| matches!(byte, b' ' | b'\t' | b',')).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Unidentified::Missing);
    }
    let is_other = |byte: &u8| *byte != b' ';
    let start = rest.iter().position(is_other).unwrap_or(rest.len());
    let end = rest.iter().rposition(is_other).map_or(start, |last| last + 1);
    one_token(rest.get(start..end).unwrap_or_default())
}

fn one_token(text: &[u8]) -> Result<&str, Unidentified> {
    // The loop has no early exit and no branch, so that the compiler can check many bytes at a time.
    let plain = text.iter().fold(true, |all, byte| all & is_plain(*byte));
    let text = std::str::from_utf8(text).ok().filter(|it| !it.is_empty() && plain);
    text.ok_or(Unidentified::Malformed("not one token"))
}

/// Whether a byte may occur in a token: base64url without padding, and dots (RFC 7515, 2 and 7.1).
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

/// The error for a cookie with the token that was sent twice: readers would disagree which one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cookie with the token came twice")]
pub struct CookieTwice;

/// The token in the cookie `name` (RFC 6265, 4.2), if any, without surrounding quotes (4.1.1). A page that
/// signs out leaves an empty one.
///
/// # Errors
///
/// Fails if the cookie was sent twice.
pub fn cookie_token<'a>(
    cookies: impl Iterator<Item = &'a [u8]>,
    name: &str,
) -> Result<Option<&'a str>, CookieTwice> {
    let mut found = None;
    for pair in cookies.flat_map(|value| value.split(|byte| *byte == b';')) {
        let pair = pair.trim_ascii();
        let Some(equals) = memchr::memchr(b'=', pair) else { continue };
        let (key, value) = pair.split_at(equals);
        if key.trim_ascii() != name.as_bytes() {
            continue;
        }
        if found.is_some() {
            return Err(CookieTwice);
        }
        // A value that is not UTF-8 becomes "?", which is refused as a malformed token.
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let quoted = value.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\""));
        found = Some(std::str::from_utf8(quoted.unwrap_or(value)).unwrap_or("?"));
    }
    Ok(found)
}

/// Verifies tokens, and remembers valid ones.
pub struct Verifier {
    keys: Arc<KeyStore>,
    leeway: f64,
    /// The memory of valid tokens; `None`: tokens are not remembered.
    known: Option<Arc<KnownTokens>>,
    metrics: Arc<Metrics>,
}

/// A valid token, with the generation of the keys that verified it.
#[derive(Clone)]
struct Known {
    token: Arc<VerifiedToken>,
    generation: u64,
    length: usize,
    /// The key that signed the token.
    key: Arc<[u8]>,
}

/// Valid tokens by their hash.
type KnownTokens = Cache<[u8; 32], Known, ByLength, ahash::RandomState>;

/// Weighs a remembered token by its length plus a fixed overhead.
#[derive(Clone)]
struct ByLength;

impl Weighter<[u8; 32], Known> for ByLength {
    fn weight(&self, _: &[u8; 32], known: &Known) -> u64 {
        known.length as u64 + 256
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("leeway", &self.leeway).finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier with these keys; the clocks of issuers may differ by `leeway`. Valid tokens are remembered if
    /// `remember` is true.
    pub fn new(
        keys: Arc<KeyStore>,
        leeway: Duration,
        remember: bool,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let known = remember.then(|| known_tokens(REMEMBERED));
        Self { keys, leeway: leeway.as_secs_f64(), known, metrics: Arc::clone(metrics) }
    }

    /// This verifier with a memory of `bytes` bytes, whose size the metrics show.
    #[must_use]
    pub(crate) fn within(mut self, bytes: u64) -> Self {
        if self.known.is_some() {
            let known = known_tokens(bytes);
            let held = Arc::clone(&known);
            self.metrics.memory.watch("tokens", bytes, move || held.weight());
            self.known = Some(known);
        }
        self
    }

    /// Verifies `token` at `now` (seconds since the epoch) by the keys that are there.
    ///
    /// # Errors
    ///
    /// Fails with the first fault found.
    pub fn verify(&self, token: &str, now: f64) -> Result<Arc<VerifiedToken>, Unidentified> {
        let outcome = self.judge(token, now);
        self.count(&outcome);
        outcome
    }

    /// Like [`verify`](Self::verify), but a token with an unknown key waits for a look at its issuer's key source.
    ///
    /// # Errors
    ///
    /// Fails with the first fault found.
    pub(crate) async fn identify(
        &self,
        token: &str,
        now: f64,
    ) -> Result<Arc<VerifiedToken>, Unidentified> {
        let mut outcome = self.judge(token, now);
        if let Err(doubt) = &outcome
            && doubt.may_be_of_a_new_key()
        {
            // Boxed because this path is rare, and otherwise every request would carry the size of this future.
            outcome = Box::pin(self.judge_by_new_keys(token, now, doubt.clone())).await;
        }
        self.count(&outcome);
        outcome
    }

    async fn judge_by_new_keys(
        &self,
        token: &str,
        now: f64,
        doubt: Unidentified,
    ) -> Result<Arc<VerifiedToken>, Unidentified> {
        let sought = Sought::of(token, &self.keys)?;
        // An issuer gives a `kid` to one key only, so a wrong signature with a `kid` stays wrong. A key
        // without a `kid` may have been replaced.
        let is_over = |doubt: &Unidentified| {
            !doubt.may_be_of_a_new_key()
                || (sought.kid.is_some() && *doubt == Unidentified::Signature)
        };
        if is_over(&doubt) {
            return Err(doubt);
        }
        let Some(mut seeking) = sought.issuer.seek((&sought.kid, sought.algorithm)) else {
            return Err(doubt);
        };
        loop {
            // Judged once before the first look: the key may have arrived just before the wait began.
            let outcome = self.judge(token, now);
            if outcome.as_ref().err().is_none_or(is_over) || !seeking.look().await {
                return outcome;
            }
        }
    }

    fn count(&self, outcome: &Result<Arc<VerifiedToken>, Unidentified>) {
        let word = match outcome {
            Ok(_) => "verified",
            Err(doubt) => doubt.reason(),
        };
        self.metrics.traffic.token_verified(word);
    }

    fn judge(&self, token: &str, now: f64) -> Result<Arc<VerifiedToken>, Unidentified> {
        if token.len() > LONGEST {
            return Err(Unidentified::Malformed("longer than 16 KiB"));
        }
        let verified = match &self.known {
            None => Arc::new(self.verify_anew(token, None)?.0),
            Some(known) => self.known_or_anew(known, token)?,
        };
        self.in_time(&verified, now)?;
        Ok(verified)
    }

    fn known_or_anew(
        &self,
        known: &KnownTokens,
        token: &str,
    ) -> Result<Arc<VerifiedToken>, Unidentified> {
        // Read before the keys are used: if new keys arrive meanwhile, the entry is stored with the old generation.
        let generation = self.keys.generation();
        let hash = digest(&SHA256, token.as_bytes());
        let key: Option<[u8; 32]> = hash.as_ref().try_into().ok();
        let found = key.and_then(|key| known.get(&key));
        let before = match found {
            Some(found) if found.generation == generation => return Ok(found.token),
            found => found.map(|found| found.key),
        };
        // The keys have changed. The key for the token is determined again; if it is the same key, its
        // signature need not be verified again.
        let (verified, signed_with) = self.verify_anew(token, before.as_deref())?;
        let verified = Arc::new(verified);
        if let Some(key) = key {
            let (token, length) = (Arc::clone(&verified), token.len());
            known.insert(key, Known { token, generation, length, key: signed_with });
        }
        Ok(verified)
    }

    /// Verifies everything except the times. Also returns the signing key; a signature by the key `before` is known
    /// to be valid.
    fn verify_anew(
        &self,
        token: &str,
        before: Option<&[u8]>,
    ) -> Result<(VerifiedToken, Arc<[u8]>), Unidentified> {
        let parts = Parts::split(token)?;
        let header = parts.header()?;
        let claims = parts.claims()?;
        let iss = claims.issuer()?;
        let issuer = self.keys.issuer(iss, claims.all()).ok_or(Unidentified::Issuer)?;
        let algorithm = Algorithm::from_name(&header.algorithm)
            .filter(|it| issuer.config.algorithms.contains(it))
            .ok_or(Unidentified::Algorithm)?;
        let verified = claims.verified(&issuer.config)?;
        let audiences = claims.audiences(issuer.config.audience_claim.as_deref())?;
        let by = SignedBy { iss, kid: header.key_id.as_deref(), algorithm };
        let key = signed(&parts, issuer, by, before)?;
        if !audiences.iter().any(|it| issuer.config.audiences.iter().any(|own| own == it)) {
            return Err(Unidentified::Audience);
        }
        let held = issuer.config.speaks_for.holds_for_token(&verified.subject, claims.all());
        held.map_err(|broken| Overreach::of(&issuer.config, &verified.subject, broken))?;
        Ok((verified, key))
    }

    fn in_time(&self, token: &VerifiedToken, now: f64) -> Result<(), Unidentified> {
        if now >= token.expires_at + self.leeway {
            return Err(Unidentified::Expired);
        }
        let begun = |at: Option<f64>| at.is_none_or(|at| now + self.leeway >= at);
        if begun(token.not_before) && begun(token.issued_at) {
            Ok(())
        } else {
            Err(Unidentified::NotYetValid)
        }
    }
}

fn known_tokens(bytes: u64) -> Arc<KnownTokens> {
    let hasher = ahash::RandomState::new();
    Arc::new(Cache::with(USUAL, bytes, ByLength, hasher, DefaultLifecycle::default()))
}
