//! cedargate: a policy-engine sidecar and reverse proxy.
//!
//! A request passes seven stages, in this order; each takes what the one before it made.
//!
//! 1. [`accept`](mod@accept): the head as it came → an arrival, canonical and clean
//! 2. `resolve`: → what is asked for
//! 3. [`identify`](mod@identify): → who says so
//! 4. load (in [`pipeline`]): → what the database says of them
//! 5. [`decide`](mod@decide): → a permit, or the reason why not
//! 6. `ledger`: → the permit, its intent durable
//! 7. `forward`: → the upstream's head
//!
//! [`Gate`] puts them together and runs them.

pub mod accept;
pub mod admin;
mod admission;
pub mod assertion;
#[doc(hidden)]
pub mod benchmarks;
mod body;
mod break_glass;
pub mod canonical;
mod chain;
pub mod cli;
pub mod config;
mod connection;
mod cors;
mod credentials;
mod date;
pub mod decide;
mod entities;
mod explain;
mod fitness;
mod forward;
mod framing;
mod gate;
mod head;
mod hygiene;
pub mod identify;
mod idle;
pub mod keys;
mod ledger;
mod limit;
mod logging;
mod media_type;
pub mod metrics;
pub mod mint;
mod pace;
pub mod parsers;
pub mod pipeline;
mod probe;
pub mod record;
pub mod refusal;
mod relay;
mod reply;
mod resolve;
mod seats;
mod seldom;
mod service;
mod startable;
pub mod strict_json;
mod tenant_names;
mod trail;
mod trials;
pub mod workbench;

pub use gate::{Gate, StartError};
