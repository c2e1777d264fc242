//! What helps people with policies: explanations of decisions, reports on the tests of a bundle, their coverage, and
//! mutants that show which rules no test watches over.

pub mod anatomy;
pub mod explain;
pub mod mutants;
pub mod trials;
