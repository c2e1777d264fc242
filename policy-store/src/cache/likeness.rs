//! Numbers for the content of facts, whoever they describe: facts with equal content have one number.
//!
//! INVARIANT: no number stands for two contents. Contents are compared, not their hashes, and each number is
//! given out once. A content that was evicted gets another number when it is seen again: conclusions from the
//! old number are then no longer found, but are never found for another content.

use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;

use super::shelf::Common;
use super::weight::{Weigh, bounded};

/// Each table of numbers may take one part in this many of the memory for facts.
const NUMBERS: u64 = 40;

/// A function that returns the number of a fact's content, or of a part of the content.
pub(super) type Number<T> = Arc<dyn Fn(&T) -> u64 + Send + Sync>;

/// How the facts of a kind are numbered. With `None`, each fact differs from all others.
pub(super) struct Numbers<T> {
    /// The number of everything that the facts say to policies.
    pub(super) likeness: Option<Number<T>>,
    /// The number of the facts' gist.
    pub(super) gist: Option<Number<T>>,
}

/// Returns a function that gives facts one number if their `content` is equal.
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
