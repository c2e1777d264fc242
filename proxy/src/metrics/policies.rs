//! Metrics of the policies in force and their reloads.

use std::sync::{Mutex, PoisonError};

use policy_store::watch::TestCounts;
use prometheus::{Error, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::register::Register;

/// The outcomes of a reload.
const OUTCOMES: [&str; 3] = ["applied", "unchanged", "rejected"];

/// Metrics of bundles and their reloads.
#[derive(Debug)]
pub struct PolicyMetrics {
    reloads: IntCounterVec,
    info: IntGaugeVec,
    rejected: IntGauge,
    tests_failed: IntGauge,
    emergency: IntGauge,
    emergencies: IntCounter,
    /// The labels of the bundle that the metrics show.
    shown: Mutex<Option<[String; 2]>>,
}

impl PolicyMetrics {
    pub(super) fn new(new: &Register<'_>) -> Result<Self, Error> {
        let metrics = Self {
            reloads: new.counters(
                "cedargate_policy_reloads_total",
                "Reloads of the policies.",
                &["outcome"],
            )?,
            info: new.gauges(
                "cedargate_policy_info",
                "The bundle that is in force.",
                &["digest", "generation"],
            )?,
            rejected: new
                .gauge("cedargate_policy_rejected", "1 while the newest bundle is a bad one.")?,
            tests_failed: new.gauge(
                "cedargate_policy_tests_failed",
                "Tests of the bundle in force that failed when it was put in force.",
            )?,
            emergency: new.gauge(
                "cedargate_policy_emergency",
                "1 while a bundle is in force that an emergency reload has put in force.",
            )?,
            emergencies: new.counter(
                "cedargate_policy_emergencies_total",
                "Bundles that emergency reloads have put in force.",
            )?,
            shown: Mutex::default(),
        };
        for outcome in OUTCOMES {
            metrics.reloads.with_label_values(&[outcome]);
        }
        Ok(metrics)
    }

    /// Counts a reload with its outcome: `applied`, `unchanged` or `rejected`.
    pub fn reloaded(&self, outcome: &'static str) {
        self.reloads.with_label_values(&[outcome]).inc();
        self.rejected.set(i64::from(outcome == "rejected"));
    }

    /// Sets the number of failed tests of the bundle in force.
    pub fn tested(&self, tests: Option<TestCounts>) {
        let failed = tests.map_or(0, |it| it.failed);
        self.tests_failed.set(i64::try_from(failed).unwrap_or(i64::MAX));
    }

    /// Sets whether the bundle in force was put in force by an emergency reload.
    pub fn emergency(&self, is: bool) {
        self.emergency.set(i64::from(is));
    }

    /// Counts a bundle that an emergency reload has put in force.
    pub fn applied_in_emergency(&self) {
        self.emergencies.inc();
    }

    /// Shows the bundle that is in force from now on.
    pub fn in_force(&self, digest: &str, generation: u64) {
        let new = [digest.to_owned(), generation.to_string()];
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // The new series is set first: a scrape in between sees two bundles, never none.
        self.info.with_label_values(&new).set(1);
        if let Some(old) = shown.replace(new.clone()).filter(|old| *old != new) {
            // Cannot fail: this function has set the series before.
            let _ = self.info.remove_label_values(&old);
        }
    }
}
