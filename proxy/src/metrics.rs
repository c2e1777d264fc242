//! The metrics of the gate. Requests and denials are counted from audit records, so that metrics and records
//! cannot disagree.
//!
//! Names and labels are those of `gate.md`. INVARIANT: no label has a value that a client can make up: no
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
    /// Requests and their tokens.
    pub traffic: TrafficMetrics,
    /// Connections of clients.
    pub connections: ConnectionMetrics,
    /// The sizes of caches.
    pub memory: MemoryMetrics,
    /// Facts and their cache.
    pub facts: FactsMetrics,
    /// The policies in force.
    pub policies: PolicyMetrics,
    /// The journal and its sinks.
    pub audit: AuditMetrics,
    /// The supervised tasks.
    pub tasks: TaskMetrics,
}

impl Metrics {
    /// All metrics at zero, with the version and commit of this build.
    ///
    /// # Errors
    ///
    /// Fails if two metrics have the same name, which is a bug in this program.
    pub fn new(version: &str, commit: &str) -> Result<Arc<Self>, Error> {
        Self::described(version, commit).map(|(metrics, _)| Arc::new(metrics))
    }

    /// Like [`new`](Self::new), with a description of each metric.
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

    /// Counts a request by the record of its end; records of intents are ignored. Must be called once
    /// for each request, whether its record was written, summarized or dropped.
    pub fn observe(&self, record: &Record, timings: &Timings) {
        self.traffic.observe(record, timings);
    }

    /// All metrics in the text format of Prometheus.
    ///
    /// # Errors
    ///
    /// Fails if a metric cannot be encoded, which is a bug in this program.
    pub fn render(&self) -> Result<String, Error> {
        self.audit.ask();
        self.memory.ask();
        self.tasks.ask();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

#[cfg(test)]
mod tests;
