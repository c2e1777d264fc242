//! The pipeline from arrival to verdict without sockets, tokens or records: for tests of a bundle, for
//! explanations, and for the tests of the gate. It runs the same pipeline as a running gate, and forwards
//! nothing.

mod notebook;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::Record;
use base::supervise::Supervisor;
use bytes::Bytes;
use policy_store::cache::{FactStore, Settings};
use policy_store::source::{FactSource, FactsError};
use policy_store::watch::BundleStore;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accept::{self, Accepted, Arrival, Rules};
use crate::config::{Headers, Limits, Memory, Tenancy};
use crate::http::head::RawHead;
use crate::judge::body::{self, BodyFault};
use crate::judge::identify::{Unidentified, VerifiedToken, Verifier};
use crate::judge::keys::KeyStore;
use crate::judge::pipeline::{First, Memo, Permit, Pipeline, Put, Sent, Witness};
use crate::judge::refusal::{Answer, Refusal};
use crate::judge::trail::Trail;
use crate::metrics::Metrics;

pub use notebook::{Notebook, Notes};

/// The time to live of facts: longer than any workbench exists.
pub const TTL: Duration = Duration::from_hours(24);
/// The maximum length of a judged body, the default of `limits.json_body`.
const JSON_BODY: usize = 64 << 10;
/// The time at which the workbench judges, in seconds since the epoch. A fixed time makes tokens exactly as old as
/// [`Ask::token_age`] says.
const NOW: f64 = 1_750_000_000.0;

/// A request as described by a test or a person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// The caller's user id; `None`: the request has no token.
    pub user: Option<Arc<str>>,
    /// The method.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// The host; `None`: a host that names no tenant.
    pub host: Option<String>,
    /// `X-Tenant`.
    pub tenant: Option<String>,
    /// `X-Break-Glass`.
    pub break_glass: Option<String>,
    /// The body, as sent.
    pub body: Option<String>,
    /// The content type of the body; `None`: JSON.
    pub content_type: Option<String>,
    /// The age of the token in seconds; `None`: the token has no `iat`.
    pub token_age: Option<u32>,
}

/// The result of a request.
#[derive(Debug)]
pub struct Verdict {
    /// The refusal; `None`: the request would be forwarded.
    pub refusal: Option<Refusal>,
    /// The answer to a refused request.
    pub answer: Option<Answer>,
    /// The record that a gate would write.
    pub record: Record,
    /// The questions put to the policies, if there is a witness.
    pub questions: Vec<Put>,
}

impl Verdict {
    /// Whether the request would be forwarded.
    pub fn allowed(&self) -> bool {
        self.refusal.is_none()
    }

    /// `allowed`, or the word of the refusal.
    pub fn reason(&self) -> &str {
        self.answer.as_ref().map_or("allowed", |answer| &answer.reason)
    }
}

/// The reason why there is no workbench or no verdict.
#[derive(Debug, thiserror::Error)]
pub enum WorkbenchError {
    /// A part of the gate cannot be created.
    #[error("the workbench cannot be set up: {0}")]
    Parts(String),
    /// The description cannot be sent as an HTTP request.
    #[error("this cannot be sent as an HTTP request: {0}")]
    Unsendable(&'static str),
}

/// Judges requests as a gate would.
#[derive(Debug)]
pub struct Workbench {
    pub(crate) pipeline: Pipeline,
    pub(crate) rules: Rules,
}

impl Workbench {
    /// A workbench with these policies, which may be shared, and facts that live for `ttl`. With a zero `ttl`
    /// each request reads the source anew. Must be called inside a runtime.
    ///
    /// # Errors
    ///
    /// Fails if a part of the gate cannot be created.
    pub fn over(
        bundles: Arc<BundleStore>,
        facts: Arc<dyn FactSource>,
        tenancy: Tenancy,
        witness: Option<Arc<Witness>>,
        ttl: Duration,
    ) -> Result<Self, WorkbenchError> {
        let parts = |error: &dyn std::error::Error| WorkbenchError::Parts(error.to_string());
        let metrics = Metrics::new("workbench", "").map_err(|error| parts(&error))?;
        // The workbench verifies no tokens, so there are no issuers.
        let keys = KeyStore::start(&[], &Supervisor::default()).map_err(|error| parts(&error))?;
        let verifier = Verifier::new(keys, Duration::ZERO, false, &metrics);
        let settings = Settings::new(ttl, Duration::from_secs(10));
        let facts = FactStore::new(facts, settings, Box::new(|_| {}));
        let hygiene = Headers::default().hygiene(&tenancy);
        let pipeline = Pipeline {
            bundles,
            facts: Arc::new(facts),
            verifier,
            tenancy,
            cookie: None,
            json_members: Limits::default().json_members,
            memo: Arc::new(Memo::new(Some(Memory::default().decisions))),
            witness,
            metrics,
        };
        let rules = Rules::usual(hygiene);
        Ok(Self { pipeline, rules })
    }

    /// Like [`over`](Self::over), without a witness.
    ///
    /// # Errors
    ///
    /// Fails if a part of the gate cannot be created.
    pub fn unwitnessed(
        bundles: Arc<BundleStore>,
        facts: Arc<dyn FactSource>,
        tenancy: Tenancy,
        ttl: Duration,
    ) -> Result<Self, WorkbenchError> {
        Self::over(bundles, facts, tenancy, None, ttl)
    }

    /// This workbench without a memory of decisions: each request is put to the policies.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.pipeline.memo = Arc::new(Memo::new(None));
        self
    }

    /// This workbench with rehearsals: recent questions are put to new policies before they are in force, as in a
    /// running gate.
    #[must_use]
    pub fn rehearsing(self) -> Self {
        self.pipeline.rehearse_swaps();
        self
    }

    /// Judges one request.
    ///
    /// # Errors
    ///
    /// Fails if the description cannot be sent as an HTTP request.
    pub async fn judge(&self, ask: &Ask) -> Result<Verdict, WorkbenchError> {
        let arrival = self.arrival(ask)?;
        let started = Instant::now();
        let mut trail = Trail::begin(&arrival, Uuid::nil(), OffsetDateTime::UNIX_EPOCH, started);
        let judged = self.walk(&arrival, ask, &mut trail).await;
        let witness = self.pipeline.witness.as_ref();
        let questions = witness.map(|it| it.take()).unwrap_or_default();
        let (refusal, answer) = match judged {
            Ok(_permit) => {
                trail.intended();
                (None, None)
            }
            Err(refusal) => {
                let answer = trail.answered(&refusal);
                (Some(refusal), Some(answer))
            }
        };
        Ok(Verdict { refusal, answer, record: trail.record, questions })
    }

    async fn walk(
        &self,
        arrival: &Arrival,
        ask: &Ask,
        trail: &mut Trail,
    ) -> Result<Permit, Refusal> {
        let identify = std::future::ready(ask.token());
        match self.pipeline.admit_as(arrival, identify, NOW, trail).await? {
            First::Guest(permit) => Ok(permit),
            First::Caller(admitted) => {
                let mut bytes = Bytes::new();
                if admitted.reads_body() && arrival.has_body {
                    bytes = Bytes::from(ask.body.clone().unwrap_or_default());
                    if bytes.len() > JSON_BODY {
                        return Err(BodyFault::TooLarge.into());
                    }
                    body::supported(&arrival.control)?;
                }
                let sent = Sent { bytes: &bytes, just_read: false };
                let permit = self.pipeline.conclude(arrival, *admitted, sent, trail).await?;
                permit.ok_or(Refusal::Unloaded(FactsError::Late))
            }
        }
    }

    /// The request as it would arrive: its head is written, and then parsed by the gate's own parser.
    fn arrival(&self, ask: &Ask) -> Result<Arrival, WorkbenchError> {
        let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let raw = RawHead { bytes: Bytes::from(ask.head()?), fault: None };
        let accepted = accept::accept(&raw, peer, &self.rules);
        let Accepted { arrival, .. } =
            accepted.ok_or(WorkbenchError::Unsendable("its method or target is none"))?;
        Ok(arrival)
    }
}

impl Ask {
    fn head(&self) -> Result<String, WorkbenchError> {
        let length = self.body.as_ref().map(|body| body.len().to_string());
        let json = "application/json".to_owned();
        let kind = self.body.as_ref().map(|_| self.content_type.clone().unwrap_or(json));
        let host = self.host.clone().unwrap_or_else(|| "gate.invalid".to_owned());
        let fields = [
            ("Host", Some(host)),
            ("X-Tenant", self.tenant.clone()),
            ("X-Break-Glass", self.break_glass.clone()),
            ("Content-Type", kind),
            ("Content-Length", length),
        ];
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in fields {
            let Some(value) = value else { continue };
            if value.contains(['\r', '\n']) {
                return Err(WorkbenchError::Unsendable("a value has a line break in it"));
            }
            head.extend([name, ": ", &value, "\r\n"]);
        }
        if self.method.contains(char::is_whitespace) || self.target.contains(['\r', '\n', ' ']) {
            return Err(WorkbenchError::Unsendable("its method or target has white space in it"));
        }
        head.push_str("\r\n");
        Ok(head)
    }

    /// The claims that a valid token of the caller would have.
    fn token(&self) -> Result<Arc<VerifiedToken>, Refusal> {
        let subject = self.user.clone().ok_or(Unidentified::Missing)?;
        Ok(Arc::new(VerifiedToken {
            subject,
            jti: None,
            issued_at: self.token_age.map(|age| NOW - f64::from(age)),
            expires_at: NOW + 3_600.0,
            not_before: None,
            issuer: None,
        }))
    }
}

#[cfg(test)]
mod tests;
