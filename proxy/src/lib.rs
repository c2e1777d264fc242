//! The gate that `cedargate serve` runs: the reverse proxy, its decisions, and the admin listener.
//!
//! A request passes seven stages in this order. Each stage takes the output of the previous one.
//!
//! 1. [`accept`](mod@accept): the head as received → an arrival, canonical and clean
//! 2. `judge::resolve`: → the action and the resources that the request names
//! 3. [`judge::identify`]: → the caller
//! 4. load (in [`judge::pipeline`]): → the facts of the caller and the resources
//! 5. [`judge::decide`]: → a permit, or the reason for the refusal
//! 6. `judge::ledger`: → the permit with its intent on disk
//! 7. `forward`: → the head of the upstream's response
//!
//! [`Gate`] assembles the parts and runs them.

pub mod accept;
#[doc(hidden)]
pub mod benchmarks;
pub mod config;
pub mod forward;
mod gate;
pub mod http;
pub mod judge;
pub mod logging;
pub mod metrics;
pub mod mint;
mod operate;
#[doc(hidden)]
pub mod parsers;
mod service;

pub use gate::{Gate, StartError};
