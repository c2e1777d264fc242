//! Judges a request: the result is a permit whose intent is recorded, or a refusal.

pub(crate) mod body;
pub(crate) mod break_glass;
pub(crate) mod credentials;
pub mod decide;
pub(crate) mod entities;
pub mod identify;
pub mod keys;
pub(crate) mod ledger;
pub mod pipeline;
pub mod refusal;
pub(crate) mod resolve;
pub mod strict_json;
pub(crate) mod trail;
pub mod trials;
pub mod workbench;
