//! The policies in force.

use std::sync::{Mutex, PoisonError};

use prometheus::{Error, IntCounterVec, IntGauge, IntGaugeVec};

use super::register::Register;

/// How a reload ends.
const OUTCOMES: [&str; 3] = ["applied", "unchanged", "rejected"];

/// Bundles and their reloads.
#[derive(Debug)]
pub struct PolicyMetrics {
    reloads: IntCounterVec,
    info: IntGaugeVec,
    rejected: IntGauge,
    /// The labels of the bundle that is shown.
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
            shown: Mutex::default(),
        };
        for outcome in OUTCOMES {
            metrics.reloads.with_label_values(&[outcome]);
        }
        Ok(metrics)
    }

    /// The policies were read again: `applied`, `unchanged` or `rejected`.
    pub fn reloaded(&self, outcome: &'static str) {
        self.reloads.with_label_values(&[outcome]).inc();
        self.rejected.set(i64::from(outcome == "rejected"));
    }

    /// A bundle is in force from now on.
    pub fn in_force(&self, digest: &str, generation: u64) {
        let new = [digest.to_owned(), generation.to_string()];
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // The new one first: whoever reads in between sees two, and never none.
        self.info.with_label_values(&new).set(1);
        if let Some(old) = shown.replace(new.clone()).filter(|old| *old != new) {
            // It is there: this very function has set it.
            let _ = self.info.remove_label_values(&old);
        }
    }
}
