//! Tools for people who write policies: explanations of decisions, reports on the tests of a bundle, their
//! coverage, and mutants that show which rules no test covers.

pub mod anatomy;
pub mod explain;
pub mod mutants;
pub mod trials;
