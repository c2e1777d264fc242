//! The basis of every other crate: tasks that are supervised, files that only their owner may read, errors with their
//! causes, and log lines that are limited.

mod chain;
pub mod private;
pub mod seldom;
pub mod supervise;

pub use chain::chain;
