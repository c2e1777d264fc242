//! The line from arrival to verdict without sockets, tokens or a record: for tests of a bundle, for
//! explanations, and for the tests of the gate. It runs the very pipeline that serves, and forwards
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

/// A workbench is not kept up for longer than its facts live.
pub const TTL: Duration = Duration::from_hours(24);
/// So long a body is judged, as `limits.json_body` has it by default.
const JSON_BODY: usize = 64 << 10;
/// The moment at which the workbench judges, in seconds since the epoch: tokens are as old as the
/// asker says, whatever the day.
const NOW: f64 = 1_750_000_000.0;

/// A request as somebody describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    /// Who asks; `None`: no token comes with it.
    pub user: Option<Arc<str>>,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The host; one that names no tenant when it is `None`.
    pub host: Option<String>,
    /// `X-Tenant`.
    pub tenant: Option<String>,
    /// `X-Break-Glass`.
    pub break_glass: Option<String>,
    /// The body, as it is sent.
    pub body: Option<String>,
    /// Its type; JSON when it is `None`.
    pub content_type: Option<String>,
    /// How old the token is, in seconds; `None`: it does not say.
    pub token_age: Option<u32>,
}

/// What became of a request.
#[derive(Debug)]
pub struct Verdict {
    /// `None`: it would be forwarded.
    pub refusal: Option<Refusal>,
    /// What the client of a refused request gets.
    pub answer: Option<Answer>,
    /// What would be recorded.
    pub record: Record,
    /// The questions that the policies were asked, if somebody listens.
    pub questions: Vec<Put>,
}

impl Verdict {
    /// Whether it would be forwarded.
    pub fn allowed(&self) -> bool {
        self.refusal.is_none()
    }

    /// `allowed`, or the word of the refusal.
    pub fn reason(&self) -> &str {
        self.answer.as_ref().map_or("allowed", |answer| &answer.reason)
    }
}

/// Why there is no workbench, or no verdict.
#[derive(Debug, thiserror::Error)]
pub enum WorkbenchError {
    /// A part of the gate cannot be made.
    #[error("the workbench cannot be set up: {0}")]
    Parts(String),
    /// What was described is no HTTP request.
    #[error("this cannot be sent as an HTTP request: {0}")]
    Unsendable(&'static str),
}

/// Judges requests as the gate would.
#[derive(Debug)]
pub struct Workbench {
    pub(crate) pipeline: Pipeline,
    pub(crate) rules: Rules,
}

impl Workbench {
    /// A workbench with these policies, which others may share, and facts that live for `ttl`: with
    /// none, each request is judged by what the source says then. Has to be made in a runtime.
    ///
    /// # Errors
    ///
    /// When a part of the gate cannot be made.
    pub fn over(
        bundles: Arc<BundleStore>,
        facts: Arc<dyn FactSource>,
        tenancy: Tenancy,
        witness: Option<Arc<Witness>>,
        ttl: Duration,
    ) -> Result<Self, WorkbenchError> {
        let parts = |error: &dyn std::error::Error| WorkbenchError::Parts(error.to_string());
        let metrics = Metrics::new("workbench", "").map_err(|error| parts(&error))?;
        // Nobody is called by a token here.
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

    /// The same, and nobody listens.
    ///
    /// # Errors
    ///
    /// When a part of the gate cannot be made.
    pub fn unwitnessed(
        bundles: Arc<BundleStore>,
        facts: Arc<dyn FactSource>,
        tenancy: Tenancy,
        ttl: Duration,
    ) -> Result<Self, WorkbenchError> {
        Self::over(bundles, facts, tenancy, None, ttl)
    }

    /// The same, and each request is put to the policies anew.
    #[must_use]
    pub fn forgetful(mut self) -> Self {
        self.pipeline.memo = Arc::new(Memo::new(None));
        self
    }

    /// The same, and what was asked lately is asked of new policies before they are in force, as it is
    /// where requests are served.
    #[must_use]
    pub fn rehearsing(self) -> Self {
        self.pipeline.rehearse_swaps();
        self
    }

    /// Judges one request.
    ///
    /// # Errors
    ///
    /// When what is described is no request.
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

    /// The request as it would arrive: its head is written, and read by the gate's own reader.
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

    /// What a good token of the caller would say.
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
