//! Metrics of the journal and its sinks.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use audit::Journal;
use audit::delivery::Progress;
use audit::journal::Counts;
use prometheus::{Error, Gauge, IntCounter, IntCounterVec, IntGauge};

use super::register::Register;

/// Metrics of audit records.
#[derive(Debug)]
pub struct AuditMetrics {
    records: IntCounterVec,
    lag: Gauge,
    spool: IntGauge,
    quota: IntGauge,
    syncs: IntCounter,
    clocks_back: IntCounter,
    sinks: Mutex<Vec<Sink>>,
    /// The journal. A weak reference, because dropping the journal must release its directory.
    journal: OnceLock<Weak<Journal>>,
    /// The journal's counts that are already in `records`.
    told: Mutex<Counts>,
}

/// A sink, and how many of its records are already counted.
#[derive(Debug)]
struct Sink {
    progress: Arc<Progress>,
    taken: u64,
    refused: u64,
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
                "How old the oldest record is that the journal or a sink has not taken yet.",
            )?,
            spool: new.gauge("cedargate_audit_spool_bytes", "The journal's size on the disk.")?,
            quota: new.gauge(
                "cedargate_audit_quota_bytes",
                "How large the journal may become before requests are refused; 0: without a bound.",
            )?,
            syncs: new.counter(
                "cedargate_audit_syncs_total",
                "How often the journal was put on the disk; one sync is for all who wait.",
            )?,
            clocks_back: new.counter(
                "cedargate_audit_clock_set_back_total",
                "How often the clock was found to have been set back; the journal has a mark of each.",
            )?,
            sinks: Mutex::default(),
            journal: OnceLock::new(),
            told: Mutex::default(),
        };
        for outcome in ["written", "failed", "summarized"] {
            metrics.records.with_label_values(&["journal", outcome]);
        }
        Ok(metrics)
    }

    /// Shows this journal from now on. Only the first call counts.
    pub fn watch(&self, journal: &Arc<Journal>) {
        let _ = self.journal.set(Arc::downgrade(journal));
    }

    /// Shows the progress of this sink from now on.
    pub(crate) fn watch_sink(&self, progress: Arc<Progress>) {
        for outcome in ["written", "failed"] {
            self.count(progress.sink(), outcome, 0);
        }
        let sink = Sink { progress, taken: 0, refused: 0 };
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).push(sink);
    }

    fn count(&self, sink: &str, outcome: &str, more: u64) {
        self.records.with_label_values(&[sink, outcome]).inc_by(more);
    }

    /// Updates the metrics from the journal and the sinks.
    pub(super) fn ask(&self) {
        let Some(journal) = self.journal.get().and_then(Weak::upgrade) else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = journal.counts();
        for (outcome, count) in [
            ("written", now.written.saturating_sub(told.written)),
            ("failed", now.failed.saturating_sub(told.failed)),
            ("summarized", now.summarized.saturating_sub(told.summarized)),
        ] {
            self.count("journal", outcome, count);
        }
        *told = now;
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        for sink in sinks.iter_mut() {
            let (taken, refused) = (sink.progress.taken(), sink.progress.refused());
            self.count(sink.progress.sink(), "written", taken.saturating_sub(sink.taken));
            self.count(sink.progress.sink(), "failed", refused.saturating_sub(sink.refused));
            (sink.taken, sink.refused) = (taken, refused);
        }
        let today = wall_clock();
        let waits = sinks.iter().map(|sink| sink.progress.lag(today)).chain([journal.lag()]).max();
        self.lag.set(waits.unwrap_or_default().as_secs_f64());
        self.quota.set(i64::try_from(journal.quota().unwrap_or(0)).unwrap_or(i64::MAX));
        self.syncs.inc_by(journal.syncs().saturating_sub(self.syncs.get()));
        self.clocks_back.inc_by(journal.clocks_back().saturating_sub(self.clocks_back.get()));
        self.spool.set(i64::try_from(journal.bytes()).unwrap_or(i64::MAX));
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a record waits is asked by no request")]
fn wall_clock() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}
