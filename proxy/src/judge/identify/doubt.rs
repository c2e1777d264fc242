//! The reasons why a token does not identify the caller.

use std::sync::Arc;

use crate::config::{Broken, Issuer};
use crate::judge::refusal::Reason;

/// The reason why a token does not identify the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// No token was sent.
    #[error("no token was sent")]
    Missing,
    /// The token cannot be parsed.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The algorithm of the token is none of the issuer's, or not that of the named key.
    #[error("the token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// The key that signed the token is unknown.
    #[error("the token is signed with an unknown key")]
    KeyUnknown,
    /// The signature does not match the key.
    #[error("the token's signature is wrong")]
    Signature,
    /// No entry of `jwt.issuers` is for the issuer of the token.
    #[error("the token is of another issuer")]
    Issuer,
    /// The issuer may not speak for this user.
    #[error("`{issuer}` may not speak for this user: `speaks_for.{broken}`", issuer = .0.issuer, broken = .0.broken)]
    Overreach(Box<Overreach>),
    /// The token is for another audience.
    #[error("the token is for another audience")]
    Audience,
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token is not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The keys of the issuer were never loaded.
    #[error("there are no keys of issuer `{issuer}` yet")]
    KeysUnavailable {
        /// The name of the issuer.
        issuer: String,
    },
}

impl Unidentified {
    /// The reason of the refusal (`domain.md`, layer 2).
    pub(crate) fn why(&self) -> Reason {
        match self {
            Self::Missing => Reason::TokenMissing,
            Self::Malformed(_) => Reason::TokenMalformed,
            Self::Algorithm => Reason::TokenAlgorithm,
            Self::KeyUnknown => Reason::TokenKeyUnknown,
            Self::Signature => Reason::TokenSignature,
            Self::Issuer | Self::Overreach(_) => Reason::TokenIssuer,
            Self::Audience => Reason::TokenAudience,
            Self::Expired => Reason::TokenExpired,
            Self::NotYetValid => Reason::TokenNotYetValid,
            Self::KeysUnavailable { .. } => Reason::KeysUnavailable,
        }
    }

    /// The word of the reason.
    pub fn reason(&self) -> &'static str {
        self.why().word()
    }
}

impl Unidentified {
    /// Whether the token may be valid, signed by a key that its issuer has just begun to use.
    pub(super) fn may_be_of_a_new_key(&self) -> bool {
        matches!(self, Self::KeyUnknown | Self::Signature | Self::KeysUnavailable { .. })
    }
}

impl From<Overreach> for Unidentified {
    fn from(overreach: Overreach) -> Self {
        Self::Overreach(Box::new(overreach))
    }
}

/// The error for an issuer that names a user for whom it may not speak (`speaks_for`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overreach {
    /// The name of the issuer.
    pub issuer: String,
    /// The user whom the token names.
    pub user: Arc<str>,
    /// The restriction that does not hold, as its key below `speaks_for`.
    pub broken: Broken,
}

impl Overreach {
    pub(super) fn of(issuer: &Issuer, user: &Arc<str>, broken: Broken) -> Self {
        Self { issuer: issuer.issuer.to_string(), user: Arc::clone(user), broken }
    }
}
