//! Every refusal, and the answer to each.

mod reasons;

use std::sync::Arc;

use policy_store::bundle::{Layer, NOT_FOUND};
use policy_store::source::FactsError;

use crate::accept::Malformed;
use crate::judge::body::BodyFault;
use crate::judge::decide::Denied;
use crate::judge::identify::Unidentified;

pub use reasons::{Reason, page};

/// The reason why a request is not forwarded. Combines the errors of all stages.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The gate does not accept the request.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// One address sends too many requests.
    #[error("too many requests from this address")]
    RateLimited,
    /// The token does not identify the caller.
    #[error(transparent)]
    Unidentified(#[from] Unidentified),
    /// A page of another site sent a token in a cookie.
    #[error("a cookie was sent from a page that may not")]
    ForeignOrigin,
    /// The token was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// No user has the id in the token.
    #[error("no user has this id")]
    UnknownUser,
    /// The facts are unavailable.
    #[error(transparent)]
    Unloaded(#[from] FactsError),
    /// The break-glass justification has an invalid form.
    #[error("the justification is not of the right form")]
    Justification,
    /// The body cannot be judged.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// The request names a tenant in which the caller may not act.
    #[error("a tenant is named in which the caller may not act: {0}")]
    CrossTenant(String),
    /// The request names two tenants.
    #[error("the request names several tenants")]
    TenantConflict,
    /// The request names no tenant, and no default applies.
    #[error("the request needs a tenant")]
    TenantRequired,
    /// The object does not exist.
    #[error("the object does not exist")]
    NotFound,
    /// The policies do not permit the request.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The request cannot be recorded.
    #[error("the request cannot be recorded: {0}")]
    Unrecordable(String),
    /// The upstream cannot be reached.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(String),
    /// The upstream does not respond in time.
    #[error("the upstream does not answer in time: {0}")]
    UpstreamTimeout(String),
    /// A bug in this program.
    #[error("internal fault: {0}")]
    Internal(String),
}

/// The answer to a refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The fixed word for the reason.
    pub reason: Arc<str>,
    /// A sentence that reveals nothing to a stranger.
    pub detail: Arc<str>,
    /// The policy that refused, for the record.
    pub policy: Option<Arc<str>>,
}

impl Answer {
    fn new(reason: Reason, detail: &str) -> Self {
        let word = Arc::from(reason.word());
        Self { status: reason.status(), reason: word, detail: Arc::from(detail), policy: None }
    }
}

/// The values for the placeholders of a `@message`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Blanks<'a> {
    pub(crate) feature: Option<&'a str>,
    pub(crate) workflow: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
}

impl Refusal {
    /// Whether the answer and its timing must not reveal whether an object or a tenant exists.
    pub(crate) fn hides_existence(&self) -> bool {
        self.says_not_found() || matches!(self, Self::CrossTenant(_))
    }

    /// Whether the answer says that an object does not exist, whether it does or not.
    pub(crate) fn says_not_found(&self) -> bool {
        match self {
            Self::NotFound => true,
            Self::Denied(Denied::ByRule(rule)) => rule.status == 404,
            _ => false,
        }
    }

    /// The layer that refuses. A failure after the decision counts as one of the last layer.
    pub fn layer(&self) -> Layer {
        match self {
            Self::Malformed(_) | Self::RateLimited => Layer::Request,
            Self::Unidentified(_)
            | Self::ForeignOrigin
            | Self::Revoked
            | Self::UnknownUser
            | Self::Unloaded(_) => Layer::Authentication,
            Self::Justification | Self::Body(_) => Layer::Role,
            Self::CrossTenant(_) | Self::TenantConflict | Self::TenantRequired | Self::NotFound => {
                Layer::Tenant
            }
            Self::Denied(denied) => denied.layer(),
            Self::Unrecordable(_)
            | Self::Unreachable(_)
            | Self::UpstreamTimeout(_)
            | Self::Internal(_) => Layer::Escalation,
        }
    }

    /// The answer to a refusal. The match has no wildcard arm, so that a new refusal
    /// does not compile until its answer was chosen.
    pub(crate) fn answer(&self, blanks: Blanks<'_>) -> Answer {
        match self {
            Self::Malformed(fault) => malformed(*fault),
            Self::RateLimited => Answer::new(Reason::RateLimited, "Too many requests"),
            Self::Unidentified(doubt) => unidentified(doubt),
            Self::ForeignOrigin => {
                Answer::new(Reason::OriginNotAllowed, "This request may not come from this origin")
            }
            Self::Revoked => {
                Answer::new(Reason::TokenRevoked, "The access token is no longer valid")
            }
            Self::UnknownUser => Answer::new(Reason::UserUnknown, "This account is not known"),
            Self::Unloaded(_) => facts_unavailable(),
            Self::Justification => Answer::new(
                Reason::JustificationInvalid,
                "A justification has 10 to 500 characters and no control characters",
            ),
            Self::Body(fault) => body(fault),
            Self::CrossTenant(_) => Answer::new(
                Reason::CrossTenant,
                "You may not act in the organization that the request names",
            ),
            Self::TenantConflict => {
                Answer::new(Reason::TenantConflict, "The request names more than one organization")
            }
            Self::TenantRequired => {
                Answer::new(Reason::TenantRequired, "The request has to name an organization")
            }
            Self::NotFound => Answer::new(Reason::NotFound, NOT_FOUND),
            Self::Denied(denied) => from_policies(denied, blanks),
            Self::Unrecordable(_) => {
                Answer::new(Reason::AuditUnavailable, "The service cannot answer at the moment")
            }
            Self::Unreachable(_) => Answer::new(
                Reason::UpstreamUnreachable,
                "The service behind this one cannot be reached",
            ),
            Self::UpstreamTimeout(_) => Answer::new(
                Reason::UpstreamTimeout,
                "The service behind this one did not answer in time",
            ),
            Self::Internal(_) => Answer::new(Reason::Internal, "The service has failed"),
        }
    }
}

fn malformed(fault: Malformed) -> Answer {
    match fault {
        Malformed::Request(_) => Answer::new(Reason::RequestInvalid, "The request is not valid"),
        Malformed::Path(_) => Answer::new(Reason::PathInvalid, "The path is not in canonical form"),
        Malformed::TooLarge => {
            Answer::new(Reason::HeadersTooLarge, "The head of the request is too large")
        }
        Malformed::Method => Answer::new(Reason::MethodNotAllowed, "This method is not served"),
    }
}

fn unidentified(doubt: &Unidentified) -> Answer {
    if matches!(doubt, Unidentified::KeysUnavailable { .. }) {
        return Answer::new(doubt.why(), "The service cannot answer at the moment");
    }
    let detail = if matches!(doubt, Unidentified::Missing) {
        "An access token is needed"
    } else {
        "The access token is not valid"
    };
    Answer::new(doubt.why(), detail)
}

fn facts_unavailable() -> Answer {
    Answer::new(Reason::FactsUnavailable, "The service cannot answer at the moment")
}

fn body(fault: &BodyFault) -> Answer {
    match fault {
        BodyFault::Unexpected => {
            Answer::new(Reason::BodyUnexpected, "This request may not have a body")
        }
        BodyFault::TooLarge => Answer::new(Reason::BodyTooLarge, "The body is too large"),
        BodyFault::TooManyMembers(_) => {
            Answer::new(Reason::BodyTooLarge, "The body has too many members")
        }
        BodyFault::Unsupported => Answer::new(
            Reason::BodyUnsupported,
            "The body has to be JSON in UTF-8, without any content coding",
        ),
        BodyFault::Invalid(_) => Answer::new(Reason::BodyInvalid, "The body is not valid"),
    }
}

fn from_policies(denied: &Denied, blanks: Blanks<'_>) -> Answer {
    match denied {
        Denied::ByRule(rule) => Answer {
            status: rule.status,
            reason: Arc::clone(&rule.reason),
            detail: fill(&rule.message, blanks),
            policy: Some(Arc::clone(&rule.id)),
        },
        Denied::ByDefault => Answer::new(Reason::RoleNotAllowed, "Your role does not allow this"),
        Denied::Broken { policy, .. } => Answer {
            policy: Some(Arc::clone(policy)),
            ..Answer::new(Reason::PoliciesUnavailable, "The service cannot answer at the moment")
        },
        Denied::Unaskable(_) => Answer::new(Reason::Internal, "The service has failed"),
        Denied::UnknownRole(_) => facts_unavailable(),
    }
}

fn fill(message: &Arc<str>, blanks: Blanks<'_>) -> Arc<str> {
    if !message.contains('{') {
        return Arc::clone(message);
    }
    let filled = message
        .replace("{feature}", blanks.feature.unwrap_or_default())
        .replace("{action}", blanks.action.unwrap_or_default())
        .replace("{workflow}", blanks.workflow.unwrap_or_default());
    Arc::from(filled)
}
