//! Metrics of facts and their cache.

use std::time::Duration;

use prometheus::{Error, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::register::Register;

/// The buckets for queries.
const LOAD: &[f64] = &[0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0];
/// The buckets for the ages of facts: around the time to live.
const AGE: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// The kinds of facts.
const KINDS: [&str; 3] = ["user", "organization", "object"];
/// The outcomes of a look-up.
const OUTCOMES: [&str; 5] = ["hit", "miss", "coalesced", "stale", "error"];

/// Metrics of facts and their cache.
#[derive(Debug)]
pub struct FactsMetrics {
    lookups: IntCounterVec,
    load_duration: HistogramVec,
    age: HistogramVec,
    invalidations: IntCounterVec,
    unknown_features: IntCounter,
    listening: IntGauge,
    down: IntGauge,
}

impl FactsMetrics {
    pub(super) fn new(new: &Register<'_>) -> Result<Self, Error> {
        let metrics = Self {
            lookups: new.counters(
                "cedargate_facts_lookups_total",
                "Facts that were asked for.",
                &["kind", "outcome"],
            )?,
            load_duration: new.histograms(
                "cedargate_facts_load_duration_seconds",
                "How long the facts database took.",
                &["kind"],
                LOAD,
            )?,
            age: new.histograms(
                "cedargate_facts_age_seconds",
                "How old the facts were that were judged by.",
                &["kind"],
                AGE,
            )?,
            invalidations: new.counters(
                "cedargate_facts_invalidations_total",
                "Facts dropped before their time.",
                &["kind"],
            )?,
            unknown_features: new.counter(
                "cedargate_facts_unknown_features_total",
                "Features in facts that the schema does not list, left out.",
            )?,
            listening: new
                .gauge("cedargate_facts_push_up", "1 while the facts database tells of changes.")?,
            down: new.gauge(
                "cedargate_facts_circuit_open",
                "1 while the facts database is down and not asked.",
            )?,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// Creates all series at zero: the rate of a series that appears with its first event misses that event.
    fn begin_at_zero(&self) {
        for kind in KINDS {
            for outcome in OUTCOMES {
                self.lookups.with_label_values(&[kind, outcome]);
            }
            self.load_duration.with_label_values(&[kind]);
            self.age.with_label_values(&[kind]);
            self.invalidations.with_label_values(&[kind]);
        }
        self.invalidations.with_label_values(&["all"]);
    }

    /// Counts a look-up of facts. `load` is the time that the database took, if it was asked.
    pub fn looked_up(&self, kind: &'static str, outcome: &'static str, load: Option<Duration>) {
        self.lookups.with_label_values(&[kind, outcome]).inc();
        if let Some(load) = load {
            self.load_duration.with_label_values(&[kind]).observe(load.as_secs_f64());
        }
    }

    /// Records the age of facts that a request was judged by.
    pub fn used(&self, kind: &'static str, age: Duration) {
        self.age.with_label_values(&[kind]).observe(age.as_secs_f64());
    }

    /// Counts facts that were dropped before their time: `user`, `organization`, `object` or `all`.
    pub fn invalidated(&self, kind: &'static str) {
        self.invalidations.with_label_values(&[kind]).inc();
    }

    /// Sets whether the gate receives change notifications from the facts database.
    pub fn listening(&self, up: bool) {
        self.listening.set(i64::from(up));
    }

    /// Sets whether the circuit is open: the facts database is down and not asked.
    pub fn down(&self, down: bool) {
        self.down.set(i64::from(down));
    }

    /// Counts `count` features in facts that the schema does not list.
    pub fn unknown_features(&self, count: u64) {
        self.unknown_features.inc_by(count);
    }
}
