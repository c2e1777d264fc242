//! What the benchmarks share with the count of allocations: bare pingora, and the steps of a
//! request. The harness itself is `main.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a benchmark that cannot run has nothing to measure"
)]

pub mod bare;
pub mod steps;
