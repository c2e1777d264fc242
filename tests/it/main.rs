//! Proofs from outside: what clients, the upstream, operators and auditors see of the gate.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions that tests share are tests too"
)]

mod audit;
mod book;
mod decisions;
mod facts;
mod http;
mod operate;
mod policies;
mod support;
mod tidy;
