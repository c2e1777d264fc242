//! Metrics of requests and their tokens.

use std::time::Duration;

use audit::entry::UNMAPPED;
use audit::{Phase, Record};
use prometheus::{Error, Histogram, IntCounter, IntCounterVec};

use super::register::Register;
use super::requests::Requests;

/// The buckets for whole requests: from half a millisecond to the default timeout of an upstream.
const REQUEST: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// The buckets for decisions: microseconds, or more if facts must be loaded.
const DECISION: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.5,
];

/// The duration of a request and of its parts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// The time from the arrival of the request to its end.
    pub total: Duration,
    /// The time of the decision, if there was one.
    pub decision: Option<Duration>,
    /// The time from forwarding to the upstream's response, if the request was forwarded.
    pub upstream: Option<Duration>,
}

/// Metrics of requests and their tokens.
#[derive(Debug)]
pub struct TrafficMetrics {
    requests: Requests,
    denials: IntCounterVec,
    break_glass: IntCounterVec,
    request_duration: Histogram,
    decision_duration: Histogram,
    upstream_duration: Histogram,
    token_verifications: IntCounterVec,
    malformed: IntCounter,
    /// The number of request fields that were removed because an upstream could take them for the gate's own.
    pub fields_removed: IntCounter,
}

impl TrafficMetrics {
    pub(super) fn new(new: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            requests: Requests::new(new.counters(
                "cedargate_requests_total",
                "Requests that ended.",
                &["action", "decision", "status"],
            )?),
            denials: new.counters(
                "cedargate_denials_total",
                "Requests that were refused.",
                &["action", "reason", "policy"],
            )?,
            break_glass: new.counters(
                "cedargate_break_glass_total",
                "Requests let in by a justification alone.",
                &["action"],
            )?,
            request_duration: new.histogram(
                "cedargate_request_duration_seconds",
                "From a request's arrival to its end.",
                REQUEST,
            )?,
            decision_duration: new.histogram(
                "cedargate_decision_duration_seconds",
                "How long deciding took.",
                DECISION,
            )?,
            upstream_duration: new.histogram(
                "cedargate_upstream_duration_seconds",
                "From forwarding to the upstream's answer.",
                REQUEST,
            )?,
            token_verifications: new.counters(
                "cedargate_token_verifications_total",
                "Tokens that were looked at.",
                &["outcome"],
            )?,
            malformed: new.counter(
                "cedargate_malformed_requests_total",
                "Heads that are no HTTP, answered and not recorded.",
            )?,
            fields_removed: new.counter(
                "cedargate_fields_removed_total",
                "Header fields of requests that were removed: names of the gate, of other proxies or of tenants, names with odd characters, and those of headers.strip.",
            )?,
        })
    }

    pub(super) fn observe(&self, record: &Record, timings: &Timings) {
        if record.phase == Phase::Intent {
            return;
        }
        let action = record.action.as_deref().unwrap_or(UNMAPPED);
        self.requests.count(action, record.decision, record.status);
        if record.phase == Phase::Denial {
            let policy = record.policies.first().map_or("", |policy| policy);
            self.denials.with_label_values(&[action, &record.reason, policy]).inc();
        }
        if record.broke_glass {
            self.break_glass.with_label_values(&[action]).inc();
        }
        self.request_duration.observe(timings.total.as_secs_f64());
        for (histogram, took) in [
            (&self.decision_duration, timings.decision),
            (&self.upstream_duration, timings.upstream),
        ] {
            if let Some(took) = took {
                histogram.observe(took.as_secs_f64());
            }
        }
    }

    /// Counts a token check with its outcome: `verified`, or the reason why the token was refused.
    pub fn token_verified(&self, outcome: &'static str) {
        self.token_verifications.with_label_values(&[outcome]).inc();
    }

    /// Counts a head that is not HTTP.
    pub fn malformed_request(&self) {
        self.malformed.inc();
    }
}
