//! How much memory decisions may take that are remembered: bytes, not entries, for their questions are as long
//! as clients make them.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::Given;
use crate::judge::pipeline::ask::Answer;
use crate::judge::pipeline::seen::Remembered;

/// What an entry takes besides itself and what its question points to: the policies that the answer names, and its
/// place in the tables of the cache.
const BESIDES: usize = 256;
/// What most entries take, at least: the number of parts of the cache follows from it.
const USUAL: u64 = 1024;

/// Answers by their keys, bounded by their bytes.
pub(super) type Bounded<A> = Cache<<A as Answer>::Key, Arc<Given<A>>, Weight, ahash::RandomState>;

/// Weighs an entry by the bytes that it takes.
#[derive(Debug, Clone)]
pub(super) struct Weight;

impl<A: Answer> Weighter<A::Key, Arc<Given<A>>> for Weight {
    fn weight(&self, _: &A::Key, given: &Arc<Given<A>>) -> u64 {
        given.weight
    }
}

/// How many bytes an answer takes, with its key and what was asked.
pub(super) fn weight<A: Answer>(asked: &Remembered) -> u64 {
    (size_of::<A::Key>() + size_of::<Given<A>>() + BESIDES + asked.weight()) as u64
}

/// Room for answers that take so many bytes.
pub(super) fn bounded<A: Answer>(bytes: u64) -> Bounded<A> {
    let usual = usize::try_from(bytes / USUAL).unwrap_or(usize::MAX);
    Cache::with(usual, bytes, Weight, ahash::RandomState::new(), DefaultLifecycle::default())
}
