//! The memory of remembered decisions, bounded in bytes. A bound on entries would not do, because clients decide how
//! long their questions are.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::Given;
use crate::judge::pipeline::ask::Answer;
use crate::judge::pipeline::seen::Remembered;

/// The estimated size in bytes of an entry's other parts: the policies that the answer names, and the entry's
/// place in the tables of the cache.
const BESIDES: usize = 256;
/// The minimum size in bytes of most entries, from which the number of shards of the cache is derived.
const USUAL: u64 = 1024;

/// Answers by key, bounded in bytes.
pub(super) type Bounded<A> = Cache<<A as Answer>::Key, Arc<Given<A>>, Weight, ahash::RandomState>;

/// Weighs an entry by its size in bytes.
#[derive(Debug, Clone)]
pub(super) struct Weight;

impl<A: Answer> Weighter<A::Key, Arc<Given<A>>> for Weight {
    fn weight(&self, _: &A::Key, given: &Arc<Given<A>>) -> u64 {
        given.weight
    }
}

/// The size in bytes of an answer, its key and the inputs of its question.
pub(super) fn weight<A: Answer>(asked: &Remembered) -> u64 {
    (size_of::<A::Key>() + size_of::<Given<A>>() + BESIDES + asked.weight()) as u64
}

/// An empty memory for `bytes` bytes of answers.
pub(super) fn bounded<A: Answer>(bytes: u64) -> Bounded<A> {
    let usual = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
    Cache::with(usual, bytes, Weight, ahash::RandomState::new(), DefaultLifecycle::default())
}
