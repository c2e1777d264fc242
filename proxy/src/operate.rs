//! The operators' side: the admin listener, probes, and the checks before a new bundle is put in force.

pub(crate) mod admin;
pub(crate) mod admission;
pub(crate) mod fitness;
pub(crate) mod probe;
pub(crate) mod startable;
