//! The results of a bundle's tests, for people and machines: reports, coverage, mutants, comparisons.

mod compare;
mod coverage;
mod junit;
mod mutation;
mod report;
#[cfg(test)]
mod tests;
mod why;

pub use compare::{Comparison, compare};
pub use coverage::coverage;
pub use junit::junit;
pub use mutation::{Mutation, mutate};
pub use report::Report;
pub use why::{Why, Whys, explain};
