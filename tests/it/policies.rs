//! Bundles: which are refused, which are in force, and what the tools for policies say.

mod admission;
mod bundles;
mod explain;
mod findings;
mod policy_tests;
mod security_team;
mod silent;
mod swaps;
