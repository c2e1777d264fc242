//! The algorithms that tokens may be signed with.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error};

/// A signature algorithm of tokens. Algorithms with shared secrets and `none` are not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519. A token or a key may also call it `Ed25519` (RFC 9864).
    EdDSA,
    /// ECDSA on P-256.
    ES256,
    /// ECDSA on P-384.
    ES384,
    /// RSA, PKCS#1 v1.5, with SHA-256.
    RS256,
    /// RSA, PKCS#1 v1.5, with SHA-384.
    RS384,
    /// RSA, PKCS#1 v1.5, with SHA-512.
    RS512,
    /// RSA, PSS, with SHA-256.
    PS256,
}

/// The names of all algorithms, for messages.
const NAMES: &str = "`EdDSA`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512` or `PS256`";

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 7] =
        [Self::EdDSA, Self::ES256, Self::ES384, Self::RS256, Self::RS384, Self::RS512, Self::PS256];
    /// The algorithms of an issuer whose entry lists none.
    pub const USUAL: [Self; 3] = [Self::EdDSA, Self::ES256, Self::RS256];

    /// The name in a token's `alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
        }
    }

    /// The algorithm with exactly this name. `Ed25519` is the newer name of the only variant of `EdDSA` that
    /// the gate verifies.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDSA);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name)
            .ok_or_else(|| D::Error::custom(format!("`{name}` is not accepted; use {NAMES}")))
    }
}

/// The algorithms of an issuer: at least one.
pub(super) fn list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Algorithm>, D::Error> {
    let algorithms = Vec::<Algorithm>::deserialize(d)?;
    if algorithms.is_empty() {
        return Err(D::Error::custom(format!("is empty; list {NAMES}")));
    }
    Ok(algorithms)
}
