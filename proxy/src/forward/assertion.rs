//! The signed identity that an upstream can verify (`gate.md`, "Identity to the
//! upstream").

use std::sync::Arc;

use jsonwebtoken::{Algorithm, encode};
use serde_json::{Value, json};

use crate::config::Assertion;
use crate::mint::{MintError, SigningKey};

/// The lifetime of an assertion, in seconds.
const LIFE: i64 = 30;

/// The reason why the gate's key for assertions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AssertionError {
    /// The key cannot be read.
    #[error(transparent)]
    Key(#[from] MintError),
    /// The key is not an Ed25519 key.
    #[error("the assertion's key is not an Ed25519 key")]
    Kind,
    /// The key cannot sign.
    #[error("the assertion cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// The content of an assertion.
#[derive(Debug)]
pub(crate) struct AssertionClaims<'a> {
    pub(crate) subject: &'a str,
    pub(crate) organization: Option<&'a str>,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) roles: &'a [Arc<str>],
    pub(crate) features: &'a [Arc<str>],
    pub(crate) action: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) issued_at: i64,
}

/// Signs assertions with the gate's key.
pub struct AssertionSigner {
    key: SigningKey,
    issuer: String,
    audience: String,
}

impl std::fmt::Debug for AssertionSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssertionSigner").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl AssertionSigner {
    /// Reads the gate's key for assertions.
    ///
    /// # Errors
    ///
    /// Fails if the key cannot be read or is not an Ed25519 key.
    pub fn open(config: &Assertion) -> Result<Self, AssertionError> {
        let key = SigningKey::read(&config.key)?;
        if key.algorithm != Algorithm::EdDSA {
            return Err(AssertionError::Kind);
        }
        Ok(Self { key, issuer: config.issuer.clone(), audience: config.audience.clone() })
    }

    /// Signs one assertion, a JWT that expires after [`LIFE`] seconds.
    pub(crate) fn sign(&self, claims: &AssertionClaims<'_>) -> Result<String, AssertionError> {
        let mut claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": claims.subject,
            "org": claims.organization,
            "tenant": claims.tenant,
            "roles": claims.roles,
            "features": claims.features,
            "action": claims.action,
            "jti": claims.request_id,
            "iat": claims.issued_at,
            "exp": claims.issued_at + LIFE,
        });
        if let Some(claims) = claims.as_object_mut() {
            claims.retain(|_, value| !value.is_null());
        }
        Ok(encode(&self.key.header(), &claims, &self.key.encoding)?)
    }

    /// The key set (JWKS) with the public half of the key.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.key.public()] })
    }
}
