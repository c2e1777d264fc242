//! The counter of requests, with a single look-up of the action per request.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use audit::Decision;
use prometheus::{IntCounter, IntCounterVec};

/// The classes of a status. `none` is for clients that left before there was a status.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of one decision. A series is created by its first request.
type Cells = [OnceLock<IntCounter>; CLASSES.len()];

/// The counters of one action.
#[derive(Debug, Default)]
struct Row {
    allow: Cells,
    deny: Cells,
    error: Cells,
}

/// The metric `cedargate_requests_total`.
#[derive(Debug)]
pub(super) struct Requests {
    counters: IntCounterVec,
    rows: ArcSwap<HashMap<Arc<str>, Arc<Row>>>,
}

impl Requests {
    pub(super) fn new(counters: IntCounterVec) -> Self {
        Self { counters, rows: ArcSwap::default() }
    }

    /// Counts one request.
    pub(super) fn count(&self, action: &str, decision: Decision, status: Option<u16>) {
        let row = self.row(action);
        let cells = match decision {
            Decision::Allow => &row.allow,
            Decision::Deny => &row.deny,
            Decision::Error => &row.error,
        };
        let class = class(status);
        let (Some(cell), Some(word)) = (cells.get(class), CLASSES.get(class)) else { return };
        let labels = [action, decision.as_str(), word];
        cell.get_or_init(|| self.counters.with_label_values(&labels)).inc();
    }

    fn row(&self, action: &str) -> Arc<Row> {
        if let Some(row) = self.rows.load().get(action) {
            return Arc::clone(row);
        }
        // Two threads that race here make two rows, but the cells of both are the same counters.
        let new = Arc::new(Row::default());
        self.rows.rcu(|rows| {
            let mut rows = HashMap::clone(rows);
            rows.entry(action.into()).or_insert_with(|| Arc::clone(&new));
            rows
        });
        new
    }
}

/// The index in [`CLASSES`] of a status.
fn class(status: Option<u16>) -> usize {
    let hundreds = usize::from(status.unwrap_or(0) / 100);
    if hundreds < CLASSES.len() { hundreds } else { 0 }
}
