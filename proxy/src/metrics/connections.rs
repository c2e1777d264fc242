//! Metrics of client connections.

use prometheus::{Error, IntCounterVec, IntGauge};

use super::register::Register;
use crate::http::seats::{Beyond, Event};

/// Metrics of client connections.
#[derive(Debug)]
pub struct ConnectionMetrics {
    held: IntGauge,
    limit: IntGauge,
    refused: IntCounterVec,
    closed_early: IntCounterVec,
}

impl ConnectionMetrics {
    pub(super) fn new(new: &Register<'_>) -> Result<Self, Error> {
        let metrics = Self {
            held: new.gauge("cedargate_connections", "Connections of clients that are open.")?,
            limit: new.gauge(
                "cedargate_connections_limit",
                "How many connections of clients may be open, by configuration and descriptors.",
            )?,
            refused: new.counters(
                "cedargate_connections_refused_total",
                "Connections that were refused, by the bound that they were beyond.",
                &["bound"],
            )?,
            closed_early: new.counters(
                "cedargate_connections_closed_early_total",
                "Idle connections that were closed to make room for others, by the bound that was reached.",
                &["bound"],
            )?,
        };
        for bound in Beyond::ALL {
            metrics.refused.with_label_values(&[bound.word()]);
            metrics.closed_early.with_label_values(&[bound.word()]);
        }
        Ok(metrics)
    }

    /// Sets the maximum number of connections.
    pub(crate) fn limited_to(&self, connections: usize) {
        self.limit.set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    /// Counts a refused connection.
    pub(crate) fn refused(&self, beyond: Beyond) {
        self.refused.with_label_values(&[beyond.word()]).inc();
    }

    /// Counts a change of the seats.
    pub(crate) fn heard(&self, event: Event) {
        match event {
            Event::Taken => self.held.inc(),
            Event::Free => self.held.dec(),
            Event::ClosedEarly(beyond) => {
                self.closed_early.with_label_values(&[beyond.word()]).inc();
            }
        }
    }
}
