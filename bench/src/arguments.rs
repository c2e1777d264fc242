//! What `tests/bench` can be told.

use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures the gate against the same pingora without it, and against other proxies.
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
pub(crate) struct Arguments {
    /// What is measured.
    #[arg(value_enum, default_value = "compare")]
    pub(crate) mode: Mode,
    #[arg(hide = true)]
    pub(crate) rest: Vec<String>,
    /// Only these subjects, and bare pingora, which ratios are to.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Each subject is measured once in each round.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// How long a subject is measured in a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Honest requests a second while the gate is attacked.
    #[arg(long, default_value_t = 500.0)]
    pub(crate) rate: f64,
    /// Each has one request on its way all the time.
    #[arg(long, default_value_t = super::CONNECTIONS)]
    pub(crate) connections: usize,
}

impl Arguments {
    /// How long a subject is measured.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// All subjects in interleaved rounds, on the load of a thousand people.
    Compare,
    /// How cost grows with workers, policies, users, connections, refusals and bodies.
    Scale,
    /// Latency at a fixed rate while policies, keys, journal, cache and database have their moments.
    Trace,
    /// Nothing: what was measured last is written into `BENCHMARKS.md` and `docs/bench`.
    Write,
    /// The gate and bare pingora, in a minute, on a few requests of the demo.
    Quick,
    /// 10 to 10,000 policies, and an edit of one.
    Policies,
    /// How soon a change of facts holds, and how often the database is asked.
    Facts,
    /// What the audit costs.
    Audit,
    /// Memory, descriptors, disk and honest latency while the gate is attacked.
    Attack,
    #[value(hide = true)]
    Bare,
    #[value(hide = true)]
    PeersCheck,
}
