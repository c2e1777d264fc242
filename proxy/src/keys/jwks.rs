//! A set of keys (RFC 7517): those that can be used, each for one algorithm.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use serde_json::Value;

use crate::config::Algorithm;
use crate::strict_json;

/// A key, for its one algorithm.
pub struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) decoding: DecodingKey,
    /// The key itself, as the set has it: two that are equal here verify the same.
    pub(crate) material: Arc<[u8]>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The usable keys of a set.
#[derive(Debug)]
pub struct KeySet {
    named: HashMap<String, Key>,
    nameless: Vec<Key>,
    /// What it was read from, to see whether it has changed.
    pub(crate) text: Vec<u8>,
}

impl KeySet {
    /// Reads a set. Keys for another use, of other kinds, or too weak, are passed over.
    ///
    /// # Errors
    ///
    /// When it is no set, names two keys alike, or has no key that can be used.
    pub(crate) fn parse(text: &[u8], allowed: &[Algorithm]) -> Result<Self, String> {
        let object =
            strict_json::parse_object(text).map_err(|error| format!("no JWKS: {error}"))?;
        let Some(Value::Array(keys)) = object.get("keys") else {
            return Err("no JWKS: it has no list `keys`".to_owned());
        };
        let mut set = Self { named: HashMap::new(), nameless: Vec::new(), text: text.to_owned() };
        for value in keys {
            let Some((kid, key)) = usable(value, allowed) else { continue };
            match kid {
                None => set.nameless.push(key),
                Some(kid) if set.named.contains_key(&kid) => {
                    return Err(format!("two keys are named `{kid}`"));
                }
                Some(kid) => drop(set.named.insert(kid, key)),
            }
        }
        if set.named.is_empty() && set.nameless.is_empty() {
            return Err("no key in it can be used with the issuer's algorithms".to_owned());
        }
        Ok(set)
    }

    /// The key of this name.
    pub(crate) fn named(&self, kid: &str) -> Option<&Key> {
        self.named.get(kid)
    }

    /// The one key that fits `algorithm`; `None` when there are several, or none.
    pub(crate) fn only(&self, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting =
            self.named.values().chain(&self.nameless).filter(|key| key.algorithm == algorithm);
        let first = fitting.next();
        if fitting.next().is_some() { None } else { first }
    }
}

/// A key that can verify, with its name.
fn usable(value: &Value, allowed: &[Algorithm]) -> Option<(Option<String>, Key)> {
    if value.get("d").is_some() {
        tracing::warn!("a JWKS holds a private key, which is passed over");
        return None;
    }
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::RSA(rsa) if modulus_bits(&rsa.n) >= 2048 => Algorithm::RS256,
        _ => return None,
    };
    let said = value.get("alg").and_then(Value::as_str);
    if said.is_some_and(|said| said != algorithm.name()) || !allowed.contains(&algorithm) {
        return None;
    }
    let decoding = DecodingKey::from_jwk(&jwk).ok().filter(|key| is_sound(key, algorithm))?;
    let material = serde_json::to_vec(&jwk.algorithm).ok()?.into();
    Some((jwk.common.key_id, Key { algorithm, decoding, material }))
}

/// Whether there is such a key at all: a set of keys that can verify nothing must not replace one
/// that can.
fn is_sound(key: &DecodingKey, algorithm: Algorithm) -> bool {
    let parses = |kind: &'static dyn VerificationAlgorithm| {
        key.try_get_as_bytes().is_ok_and(|bytes| ParsedPublicKey::new(kind, bytes).is_ok())
    };
    match algorithm {
        Algorithm::EdDSA => parses(&ED25519),
        Algorithm::ES256 => parses(&ECDSA_P256_SHA256_FIXED),
        // Its strength was looked at.
        Algorithm::RS256 => true,
    }
}

fn modulus_bits(modulus: &str) -> usize {
    use base64::Engine as _;
    let bytes =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(modulus).unwrap_or_default();
    bytes.iter().skip_while(|byte| **byte == 0).count() * 8
}

#[cfg(test)]
mod tests;
