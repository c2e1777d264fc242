//! The journal and its sinks.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use prometheus::{Error, Gauge, IntCounterVec, IntGauge};

use super::register::Register;
use crate::record::Journal;
use crate::record::journal::Counts;

/// Audit records on their way.
#[derive(Debug)]
pub struct AuditMetrics {
    records: IntCounterVec,
    lag: Gauge,
    spool: IntGauge,
    /// Not kept alive: who drops the journal gives its directory back.
    journal: OnceLock<Weak<Journal>>,
    /// What of the journal's counts is in `records`.
    told: Mutex<Counts>,
}

impl AuditMetrics {
    pub(super) fn new(new: &Register<'_>) -> Result<Self, Error> {
        let metrics = Self {
            records: new.counters(
                "cedargate_audit_records_total",
                "Audit records, and what became of them.",
                &["sink", "outcome"],
            )?,
            lag: new.float_gauge(
                "cedargate_audit_lag_seconds",
                "For how long the oldest record has waited that is not written yet.",
            )?,
            spool: new.gauge("cedargate_audit_spool_bytes", "The journal's size on the disk.")?,
            journal: OnceLock::new(),
            told: Mutex::default(),
        };
        for outcome in ["written", "failed", "summarized"] {
            metrics.records.with_label_values(&["journal", outcome]);
        }
        Ok(metrics)
    }

    /// Shows this journal from now on. The first one stays.
    pub fn watch(&self, journal: &Arc<Journal>) {
        let _ = self.journal.set(Arc::downgrade(journal));
    }

    /// Something became of records on their way to a sink behind the journal.
    pub fn delivered(&self, sink: &'static str, outcome: &'static str, count: u64) {
        self.records.with_label_values(&[sink, outcome]).inc_by(count);
    }

    /// Takes over what the journal has counted since it was asked last.
    pub(super) fn ask(&self) {
        let Some(journal) = self.journal.get().and_then(Weak::upgrade) else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = journal.counts();
        for (outcome, count) in [
            ("written", now.written.saturating_sub(told.written)),
            ("failed", now.failed.saturating_sub(told.failed)),
            ("summarized", now.summarized.saturating_sub(told.summarized)),
        ] {
            self.delivered("journal", outcome, count);
        }
        *told = now;
        self.lag.set(journal.lag().as_secs_f64());
        self.spool.set(i64::try_from(journal.bytes()).unwrap_or(i64::MAX));
    }
}
