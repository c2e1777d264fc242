//! Metrics of the supervised tasks and of the log.

use std::sync::{Arc, OnceLock};

use base::supervise::{Health, Supervisor};
use prometheus::{Error, IntCounter, IntCounterVec, IntGaugeVec};

use super::register::Register;
use crate::logging;

/// Metrics of the supervised tasks and threads of one gate.
#[derive(Debug)]
pub struct TaskMetrics {
    up: IntGaugeVec,
    restarts: IntCounterVec,
    /// The lost log lines of the whole process, which has one standard error.
    lost: IntCounter,
    supervisor: OnceLock<Arc<Supervisor>>,
}

impl TaskMetrics {
    pub(super) fn new(new: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            up: new.gauges(
                "cedargate_task_up",
                "0 while a task that lives as long as the gate is down, and waits to be started again.",
                &["task"],
            )?,
            restarts: new.counters(
                "cedargate_task_restarts_total",
                "How often a task that lives as long as the gate was started again.",
                &["task"],
            )?,
            lost: new.counter(
                "cedargate_log_lines_lost_total",
                "Log lines that could not be written to standard error.",
            )?,
            supervisor: OnceLock::new(),
        })
    }

    /// Shows the tasks of this supervisor from now on. Only the first call counts.
    pub fn watch(&self, supervisor: &Arc<Supervisor>) {
        let _first = self.supervisor.set(Arc::clone(supervisor));
    }

    /// Updates the metrics from the supervisor and the log.
    pub(super) fn ask(&self) {
        self.lost.inc_by(logging::lines_lost().saturating_sub(self.lost.get()));
        let Some(supervisor) = self.supervisor.get() else { return };
        for Health { name, up, restarts } in supervisor.health() {
            let counted = self.restarts.with_label_values(&[name]);
            counted.inc_by(restarts.saturating_sub(counted.get()));
            match up {
                Some(up) => self.up.with_label_values(&[name]).set(i64::from(up)),
                // The task has finished its work, so its absence is not a fault.
                None => drop(self.up.remove_label_values(&[name])),
            }
        }
    }
}
