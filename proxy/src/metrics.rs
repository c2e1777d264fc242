//! What is counted. Requests and denials are counted from audit records, so that the two can never
//! disagree.
//!
//! Names and labels are `gate.md`'s. INVARIANT: no label has a value that a client can make up: no
//! user, no organisation, no path, no token.

mod audit;
mod connections;
mod facts;
mod memory;
mod page;
mod policies;
mod register;
mod requests;
mod tasks;
mod traffic;

use std::sync::Arc;

use ::audit::Record;
use prometheus::{Error, Registry, TextEncoder};

use self::register::{Described, Register};

pub use self::audit::AuditMetrics;
pub use self::connections::ConnectionMetrics;
pub use self::facts::FactsMetrics;
pub use self::memory::MemoryMetrics;
pub use self::page::page;
pub use self::policies::PolicyMetrics;
pub use self::tasks::TaskMetrics;
pub use self::traffic::{Timings, TrafficMetrics};

/// All metrics of one gate.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests and the tokens they come with.
    pub traffic: TrafficMetrics,
    /// Connections of clients.
    pub connections: ConnectionMetrics,
    /// What is remembered.
    pub memory: MemoryMetrics,
    /// Facts and their cache.
    pub facts: FactsMetrics,
    /// The policies in force.
    pub policies: PolicyMetrics,
    /// The journal and its sinks.
    pub audit: AuditMetrics,
    /// What lives as long as the gate.
    pub tasks: TaskMetrics,
}

impl Metrics {
    /// All metrics at zero, for a gate of this version, built from this commit.
    ///
    /// # Errors
    ///
    /// When two have one name, which is a fault of this program.
    pub fn new(version: &str, commit: &str) -> Result<Arc<Self>, Error> {
        Self::described(version, commit).map(|(metrics, _)| Arc::new(metrics))
    }

    /// As [`new`](Self::new), with what each metric is.
    fn described(version: &str, commit: &str) -> Result<(Self, Vec<Described>), Error> {
        let registry = Registry::new();
        let register = Register::new(&registry);
        register
            .gauges("cedargate_build_info", "Which build this is.", &["version", "commit"])?
            .with_label_values(&[version, commit])
            .set(1);
        let (traffic, connections) =
            (TrafficMetrics::new(&register)?, ConnectionMetrics::new(&register)?);
        let (memory, facts) = (MemoryMetrics::new(&register)?, FactsMetrics::new(&register)?);
        let (policies, audit) = (PolicyMetrics::new(&register)?, AuditMetrics::new(&register)?);
        let tasks = TaskMetrics::new(&register)?;
        let described = register.described();
        let metrics =
            Self { registry, traffic, connections, memory, facts, policies, audit, tasks };
        Ok((metrics, described))
    }

    /// Counts a request by the record that tells how it ended; an intent does not. To be called
    /// for each request once, whether it was written, summarised or not recorded at all.
    pub fn observe(&self, record: &Record, timings: &Timings) {
        self.traffic.observe(record, timings);
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// When a metric has no spelling, which is a fault of this program.
    pub fn render(&self) -> Result<String, Error> {
        self.audit.ask();
        self.memory.ask();
        self.tasks.ask();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

#[cfg(test)]
mod tests;
