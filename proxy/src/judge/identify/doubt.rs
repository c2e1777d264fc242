//! Why a token does not say who is calling.

use std::sync::Arc;

use crate::config::{Broken, Issuer};
use crate::judge::refusal::Reason;

/// The token did not prove who is calling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// There is none.
    #[error("no token was sent")]
    Missing,
    /// It is no token that we read.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// Signed in a way that its issuer does not.
    #[error("the token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// Signed with a key that is not there.
    #[error("the token is signed with an unknown key")]
    KeyUnknown,
    /// Not signed with that key.
    #[error("the token's signature is wrong")]
    Signature,
    /// Issued by somebody else.
    #[error("the token is of another issuer")]
    Issuer,
    /// Its issuer may not speak for the user.
    #[error("`{issuer}` may not speak for this user: `speaks_for.{broken}`", issuer = .0.issuer, broken = .0.broken)]
    Overreach(Box<Overreach>),
    /// Meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Over.
    #[error("the token has expired")]
    Expired,
    /// Not begun.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Its issuer's keys were never had.
    #[error("there are no keys of issuer `{issuer}` yet")]
    KeysUnavailable {
        /// Which issuer.
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
    /// Whether the token may be a good one, by a key that its issuer has just begun to use.
    pub(super) fn may_be_of_a_new_key(&self) -> bool {
        matches!(self, Self::KeyUnknown | Self::Signature | Self::KeysUnavailable { .. })
    }
}

impl From<Overreach> for Unidentified {
    fn from(overreach: Overreach) -> Self {
        Self::Overreach(Box::new(overreach))
    }
}

/// An issuer's word about somebody for whom it may not speak (`speaks_for` in its entry).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overreach {
    /// Which issuer.
    pub issuer: String,
    /// The user whom its token names.
    pub user: Arc<str>,
    /// Which restriction does not hold: its key below `speaks_for`.
    pub broken: Broken,
}

impl Overreach {
    pub(super) fn of(issuer: &Issuer, user: &Arc<str>, broken: Broken) -> Self {
        Self { issuer: issuer.issuer.to_string(), user: Arc::clone(user), broken }
    }
}
