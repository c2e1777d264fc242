//! Numbers for what facts say, whomever they are about: those that are alike have one number.
//!
//! INVARIANT: no number stands for two contents. Contents are compared, not their hashes, and each
//! number is given out once. One that was forgotten for want of room gets another when it is seen
//! again: what was concluded from the old one is then not found, and never found for something else.

use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;

use super::shelf::Common;
use super::weight::{Weigh, bounded};

/// Each of the tables of numbers may hold this part of the memory for facts.
const NUMBERS: u64 = 40;

/// Gives the number of what a fact says, or of some of it.
pub(super) type Number<T> = Arc<dyn Fn(&T) -> u64 + Send + Sync>;

/// How the facts of a kind are numbered; `None`: each is like no other.
pub(super) struct Numbers<T> {
    /// By all that they say.
    pub(super) likeness: Option<Number<T>>,
    /// By the gist of it.
    pub(super) gist: Option<Number<T>>,
}

/// Facts that have one number when `content` is the same.
pub(super) fn by<T, C>(
    common: &Arc<Common>,
    content: impl Fn(&T) -> C + Send + Sync + 'static,
) -> Number<T>
where
    C: Hash + Eq + Clone + Weigh + Send + Sync + 'static,
{
    let (known, common) = (bounded::<C, u64>(&common.settings, NUMBERS), Arc::clone(common));
    Arc::new(move |value| {
        let number = || Ok::<_, Infallible>(common.number());
        known.get_or_insert_with(&content(value), number).unwrap_or_else(|never| match never {})
    })
}
