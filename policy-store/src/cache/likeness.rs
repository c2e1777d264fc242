//! Numbers for what facts say, whomever they are about: those that are alike have one number.
//!
//! INVARIANT: no number stands for two contents. Contents are compared, not their hashes, and each
//! number is given out once. One that was forgotten for want of room gets another when it is seen
//! again: what was concluded from the old one is then not found, and never found for something else.

use std::convert::Infallible;
use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::shelf::Common;

/// Gives the number of what a fact says; `None`: it is like no other.
pub(super) type Likeness<T> = Box<dyn Fn(&T) -> Option<u64> + Send + Sync>;

/// Facts that are like no other.
pub(super) fn none<T>() -> Likeness<T> {
    Box::new(|_| None)
}

/// Facts that are alike when `content` is the same.
pub(super) fn by<T, C>(
    common: &Arc<Common>,
    content: impl Fn(&T) -> C + Send + Sync + 'static,
) -> Likeness<T>
where
    C: Hash + Eq + Clone + Send + Sync + 'static,
{
    let entries = usize::try_from(common.settings.entries).unwrap_or(usize::MAX);
    let (known, common) = (Cache::<C, u64>::new(entries), Arc::clone(common));
    Box::new(move |value| {
        let number = || Ok::<_, Infallible>(common.number());
        known.get_or_insert_with(&content(value), number).ok()
    })
}
