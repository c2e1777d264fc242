//! Collects what the audit record of a request needs. Stages hand values over and know nothing of
//! the audit.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::entry::{BROKE_GLASS, ENDPOINT_BYTES, UNMAPPED, millis};
use audit::text::printable;
use audit::{Decision, Phase, Record};
use policy_store::bundle::Bundle;
use policy_store::facts::{Fact, OrganizationFacts, UserFacts};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accept::{Arrival, Control};
use crate::judge::break_glass;
use crate::judge::decide::Permitted;
use crate::judge::identify::{Overreach, Unidentified};
use crate::judge::refusal::{Answer, Blanks, Refusal};
use crate::judge::resolve::Access;
use crate::metrics::Timings;

/// The detail that marks a decision based on facts older than their time to live.
const STALE_FACTS: &str = "stale_facts";

/// The audit record of a request while it is being built.
#[derive(Debug)]
pub(crate) struct Trail {
    pub(crate) record: Record,
    started: Instant,
    at: OffsetDateTime,
    oldest_fact: Option<Instant>,
    /// The time that the request may still wait for facts if it is judged again.
    pub(crate) time_for_facts: Option<Duration>,
    intended: Option<Instant>,
    feature: Option<Arc<str>>,
    workflow: Option<Arc<str>>,
    /// Whether the record is written at all.
    pub(crate) recorded: bool,
    /// The justification as received, for the record.
    justification: Option<Arc<str>>,
}

impl Trail {
    /// Starts a trail with the values of the head.
    pub(crate) fn begin(arrival: &Arrival, id: Uuid, at: OffsetDateTime, started: Instant) -> Self {
        let mut record = Record::new(id, Phase::Denial, at);
        record.action = Some(Arc::from(UNMAPPED));
        record.event_type = Some("api_access".into());
        record.method = Some(method(&arrival.method));
        record.endpoint = Some(Arc::clone(&arrival.path));
        record.ip_address = Some(arrival.client);
        record.user_agent = arrival.user_agent.as_ref().map(|agent| match printable(agent, 256) {
            Cow::Borrowed(_) => Arc::clone(agent),
            Cow::Owned(safe) => Arc::from(safe),
        });
        if let Some(id) = &arrival.control.request_id {
            record.details.insert("client_request_id".to_owned(), Value::from(&**id));
        }
        Self {
            record,
            started,
            at,
            oldest_fact: None,
            time_for_facts: None,
            intended: None,
            feature: None,
            workflow: None,
            recorded: true,
            justification: sent_justification(&arrival.control),
        }
    }

    /// Whether the caller is unknown.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.record.user_id.is_none()
    }

    pub(crate) fn bundle(&mut self, bundle: &Bundle) {
        self.record.policy_digest = Some(Arc::clone(bundle.digest()));
    }

    pub(crate) fn access(&mut self, access: &Access, public: bool) {
        let Some(route) = access.route() else { return };
        self.record.action = Some(Arc::clone(&route.action));
        self.record.event_type = Some(route.event.as_str().into());
        self.record.operation = Some(route.operation.as_str().into());
        self.record.resource_type = Some(Arc::clone(&route.resource));
        self.record.resource_id = access.id().map(Arc::clone);
        self.record.route = Some(Arc::clone(&route.template));
        self.recorded = route.recorded;
        self.feature = access.feature().map(Arc::clone);
        self.workflow = access.workflow().map(Arc::clone);
        if !public {
            self.record.break_glass.clone_from(&self.justification);
        }
    }

    pub(crate) fn user(&mut self, user: &Fact<UserFacts>) {
        self.record.user_id = Some(Arc::clone(&user.value.id));
        self.record.organization_id.clone_from(&user.value.organization);
        self.record.roles.clone_from(&user.value.roles);
        self.asked_at(user.asked_at);
    }

    pub(crate) fn asked_at(&mut self, at: Instant) {
        self.oldest_fact = Some(self.oldest_fact.map_or(at, |oldest| oldest.min(at)));
    }

    pub(crate) fn oldest_fact(&self) -> Option<Instant> {
        self.oldest_fact
    }

    /// Forgets the facts so far, because the request is judged again with new ones.
    pub(crate) fn forget_facts(&mut self) {
        self.oldest_fact = None;
        self.record.details.remove(STALE_FACTS);
    }

    /// Marks that the database is down and that facts beyond their time to live were used.
    pub(crate) fn bridged(&mut self) {
        self.record.details.insert(STALE_FACTS.to_owned(), Value::from(true));
    }

    pub(crate) fn permitted(&mut self, permitted: &Permitted) {
        self.record.policies = permitted.by.iter().map(|rule| Arc::clone(&rule.id)).collect();
        self.record.broke_glass = permitted.broke_glass;
    }

    pub(crate) fn tenant(&mut self, tenant: Option<&Fact<OrganizationFacts>>) {
        self.record.tenant_id = tenant.map(|tenant| Arc::clone(&tenant.value.id));
    }

    /// Turns the record into that of a refusal, and returns the answer. Logs a fault that is not the
    /// client's.
    pub(crate) fn refused(&mut self, refusal: &Refusal) -> Answer {
        let answer = self.answered(refusal);
        if answer.status >= 500 {
            tracing::warn!(id = %self.record.id, reason = %answer.reason, cause = %refusal, "request refused");
        }
        answer
    }

    /// Like [`refused`](Self::refused), without logging.
    pub(crate) fn answered(&mut self, refusal: &Refusal) -> Answer {
        let action = self.record.action.clone();
        let answer = refusal.answer(Blanks {
            feature: self.feature.as_deref(),
            workflow: self.workflow.as_deref(),
            action: action.as_deref(),
        });
        self.record.phase = Phase::Denial;
        self.record.decision = if answer.status >= 500 { Decision::Error } else { Decision::Deny };
        self.record.reason = answer.reason.to_string().into();
        self.record.policies = answer.policy.iter().cloned().collect();
        self.record.status = Some(answer.status);
        self.record.success = Some(false);
        self.record.broke_glass = false;
        self.record.details.remove(BROKE_GLASS);
        if let Refusal::Unidentified(Unidentified::Overreach(overreach)) = refusal {
            self.overreach(overreach);
        }
        if self.is_anonymous() {
            self.cut();
        }
        self.stamp();
        answer
    }

    /// Records that an issuer spoke for a user for whom it may not: the issuer, the user, and the restriction.
    fn overreach(&mut self, overreach: &Overreach) {
        let Overreach { issuer, user, broken } = overreach;
        for (name, value) in [
            ("token_issuer", issuer.as_str()),
            ("token_user", user),
            ("restriction", &format!("speaks_for.{broken}")),
        ] {
            let value = Value::from(printable(value, 256).into_owned());
            self.record.details.insert(name.to_owned(), value);
        }
    }

    /// Turns the record into that of a request that is about to be forwarded.
    pub(crate) fn intended(&mut self) {
        self.intended = Some(Instant::now());
        self.record.phase = Phase::Intent;
        self.record.decision = Decision::Allow;
        self.record.reason = "allowed".into();
        if self.is_anonymous() {
            self.cut();
        }
        if self.record.broke_glass {
            self.record.details.insert(BROKE_GLASS.to_owned(), Value::from(true));
        }
        self.stamp();
    }

    /// Turns the record into that of the outcome of a forwarded request.
    pub(crate) fn ended(
        &mut self,
        status: Option<u16>,
        upstream_status: Option<u16>,
        success: Option<bool>,
    ) {
        self.record.phase = Phase::Outcome;
        self.record.status = status;
        self.record.upstream_status = upstream_status;
        self.record.success = success;
        self.stamp();
    }

    /// Records the upstream's `X-Audit-*` fields. `X-Audit-User-Id` names the user if the caller was unknown.
    pub(crate) fn told_by_upstream(&mut self, told: Vec<(String, String)>) {
        for (name, value) in told.into_iter().take(16) {
            let value = printable(&value, 256).into_owned();
            if name == "x-audit-user-id" && self.record.user_id.is_none() {
                self.record.user_id = Some(Arc::from(value));
            } else {
                self.record.details.insert(name, Value::from(value));
            }
        }
    }

    /// Records a failure after the intent; the decision stays. Logs a fault that is not the client's.
    pub(crate) fn failed(&mut self, failure: &Refusal) {
        let answer = failure.answer(Blanks::default());
        self.record.details.insert("failure".to_owned(), Value::from(&*answer.reason));
        if answer.status >= 500 {
            tracing::warn!(id = %self.record.id, reason = %answer.reason, cause = %failure, "not forwarded whole");
        }
    }

    /// The durations of the whole request, of the decision and of the upstream.
    pub(crate) fn timings(&self) -> Timings {
        Timings {
            total: self.started.elapsed(),
            decision: Some(self.intended.unwrap_or_else(Instant::now) - self.started),
            upstream: self.intended.map(|at| at.elapsed()),
        }
    }

    /// Sets the times of the record: the wall clock at the start plus the monotonic time since.
    fn stamp(&mut self) {
        let passed = self.started.elapsed();
        self.record.timestamp = self.at + passed;
        self.record.duration_ms = Some(millis(passed));
        let age = self.oldest_fact.map(|at| at.elapsed().as_millis());
        self.record.facts_age_ms =
            self.record.facts_age_ms.or(age.and_then(|age| u64::try_from(age).ok()));
    }
}

/// The maximum length in bytes of a path, and below of an id, that an unknown caller sent.
const ENDPOINT: usize = 512;
const RESOURCE_ID: usize = 128;

impl Trail {
    /// Truncates texts from unknown callers to keep their records small. A detail has the full length of the path.
    fn cut(&mut self) {
        if let Some(path) = self.record.endpoint.as_ref().filter(|it| it.len() > ENDPOINT) {
            self.record.details.insert(ENDPOINT_BYTES.to_owned(), Value::from(path.len()));
            self.record.endpoint = Some(Arc::from(&*printable(path, ENDPOINT)));
        }
        if let Some(id) = self.record.resource_id.as_ref().filter(|id| id.len() > RESOURCE_ID) {
            self.record.resource_id = Some(Arc::from(&*printable(id, RESOURCE_ID)));
        }
    }
}

/// The method as a word, without an allocation for the usual ones.
fn method(method: &str) -> audit::Word {
    const USUAL: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let known = USUAL.into_iter().find(|known| *known == method);
    known.map_or_else(|| method.to_owned().into(), Into::into)
}

fn sent_justification(control: &Control) -> Option<Arc<str>> {
    control.break_glass.as_deref().map(break_glass::for_the_record)
}
