//! What runs in `cedargate serve`: the reverse proxy, its decisions, and what operators see.
//!
//! A request passes seven stages, in this order; each takes what the one before it made.
//!
//! 1. [`accept`](mod@accept): the head as it came → an arrival, canonical and clean
//! 2. `judge::resolve`: → what is asked for
//! 3. [`judge::identify`]: → who says so
//! 4. load (in [`judge::pipeline`]): → what the database says of them
//! 5. [`judge::decide`]: → a permit, or the reason why not
//! 6. `judge::ledger`: → the permit, its intent durable
//! 7. `forward`: → the upstream's head
//!
//! [`Gate`] puts them together and runs them.

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
