//! Finds the key that signed a token, and verifies the signature.

use std::sync::Arc;

use jsonwebtoken::crypto;

use super::Unidentified;
use super::token::Parts;
use crate::config::Algorithm;
use crate::judge::keys::{IssuerKeys, KeyStore, Named};

/// What a token says about the key that signed it.
#[derive(Clone, Copy)]
pub(super) struct SignedBy<'a> {
    pub(super) iss: &'a str,
    pub(super) kid: Option<&'a str>,
    pub(super) algorithm: Algorithm,
}

/// Verifies the signature, and returns the key: the named one, or the only one that fits. A signature by the key
/// `before` is known to be valid.
pub(super) fn signed(
    parts: &Parts<'_>,
    issuer: &IssuerKeys,
    SignedBy { iss, kid, algorithm }: SignedBy<'_>,
    before: Option<&[u8]>,
) -> Result<Arc<[u8]>, Unidentified> {
    let keys = issuer.keys().ok_or_else(|| Unidentified::KeysUnavailable {
        issuer: issuer.config.issuer.to_string(),
    })?;
    let key = match kid.map(|kid| keys.named(kid, algorithm, iss)) {
        Some(Named::Key(key)) => key,
        Some(Named::OtherAlgorithm) => return Err(Unidentified::Algorithm),
        Some(Named::None) => return Err(Unidentified::KeyUnknown),
        None => keys.only(algorithm, iss).ok_or(Unidentified::KeyUnknown)?,
    };
    if before == Some(&*key.material) {
        return Ok(Arc::clone(&key.material));
    }
    let algorithm = match algorithm {
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
    };
    let verified =
        crypto::verify(parts.signature, parts.signed.as_bytes(), &key.decoding, algorithm);
    if !verified.unwrap_or(false) {
        return Err(Unidentified::Signature);
    }
    Ok(Arc::clone(&key.material))
}

/// The key that a token may have to wait for.
pub(super) struct Sought<'a> {
    pub(super) issuer: &'a IssuerKeys,
    pub(super) kid: Option<String>,
    pub(super) algorithm: Option<Algorithm>,
}

impl<'a> Sought<'a> {
    pub(super) fn of(token: &str, keys: &'a KeyStore) -> Result<Self, Unidentified> {
        let parts = Parts::split(token)?;
        let (header, claims) = (parts.header()?, parts.claims()?);
        let issuer = keys.issuer(claims.issuer()?, claims.all()).ok_or(Unidentified::Issuer)?;
        let algorithm = Algorithm::from_name(&header.algorithm);
        Ok(Self { issuer, kid: header.key_id, algorithm })
    }
}
