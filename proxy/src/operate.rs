//! What operators see and do: the admin listener, probes, and whether a new bundle may be in force.

pub(crate) mod admin;
pub(crate) mod admission;
pub(crate) mod fitness;
pub(crate) mod probe;
pub(crate) mod startable;
