//! The number of bytes of memory that a fact takes. The bounds of every cache of facts, and of decisions that
//! contain facts, are in bytes: a number of entries says nothing about memory when others choose how long the
//! entries are.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Weighter};

use super::Settings;
use super::shelf::{Kept, Nobody};
use crate::facts::{
    Fact, ObjectFacts, OrganizationFacts, OrganizationGist, OwnedFacts, Standing, UserFacts,
    UserGist,
};

/// The overhead of a shared text: two counters before its bytes, its pointer, and the rounding of the
/// allocator.
const TEXT: usize = 40;
/// The overhead of a cache entry besides its key and value: places in two tables.
const ENTRY: usize = 64;

/// A value whose size in memory is known.
pub trait Weigh {
    /// Returns how many bytes the value takes, with everything that it points to. Shared parts count in full:
    /// the other owner may be gone before this one is.
    fn weight(&self) -> usize;
}

impl Weigh for Arc<str> {
    fn weight(&self) -> usize {
        self.len() + TEXT
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, T::weight)
    }
}

impl<T: Weigh> Weigh for [T] {
    fn weight(&self) -> usize {
        self.iter().map(T::weight).sum()
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn weight(&self) -> usize {
        self.as_slice().weight()
    }
}

impl<A: Weigh, B: Weigh> Weigh for (A, B) {
    fn weight(&self) -> usize {
        self.0.weight() + self.1.weight()
    }
}

impl<T: Weigh> Weigh for Arc<Fact<T>> {
    fn weight(&self) -> usize {
        size_of::<Fact<T>>() + self.value.weight()
    }
}

impl Weigh for UserFacts {
    fn weight(&self) -> usize {
        let Self {
            id,
            organization,
            roles,
            features,
            status,
            tokens_valid_after: _,
            revoked_tokens,
        } = self;
        let lists = roles.weight() + features.weight() + revoked_tokens.weight();
        id.weight() + organization.weight() + status.weight() + lists
    }
}

impl Weigh for OrganizationFacts {
    fn weight(&self) -> usize {
        let Self { id, slug, status, deleted: _, features, workflows, group } = self;
        let lists = features.weight() + workflows.weight();
        id.weight() + slug.weight() + status.weight() + group.weight() + lists
    }
}

impl Weigh for OwnedFacts {
    fn weight(&self) -> usize {
        let Self { owner, workflow, roles } = self;
        owner.weight() + workflow.weight() + roles.weight()
    }
}

impl Weigh for ObjectFacts {
    fn weight(&self) -> usize {
        match self {
            Self::User(user) => user.weight(),
            Self::Organization(organization) => organization.weight(),
            Self::Owned(owned) => owned.weight(),
        }
    }
}

impl Weigh for Standing {
    fn weight(&self) -> usize {
        let Self { organization, roles, features, status } = self;
        organization.weight() + roles.weight() + features.weight() + status.weight()
    }
}

impl Weigh for UserGist {
    fn weight(&self) -> usize {
        let Self { belongs: _, roles, status } = self;
        roles.weight() + status.weight()
    }
}

impl Weigh for OrganizationGist {
    fn weight(&self) -> usize {
        let Self { status, deleted: _ } = self;
        status.weight()
    }
}

impl<T: Weigh> Weigh for Kept<T> {
    fn weight(&self) -> usize {
        self.fact.weight()
    }
}

impl Weigh for Nobody {
    fn weight(&self) -> usize {
        0
    }
}

/// A number takes no memory outside of the cache's own table.
impl Weigh for u64 {
    fn weight(&self) -> usize {
        0
    }
}

/// Weighs an entry of a cache by its bytes. No entry weighs less than its share under `Settings::entries`, so
/// the number of entries is bounded, too.
#[derive(Debug, Clone)]
pub(super) struct ByBytes {
    least: u64,
}

impl<K: Weigh, V: Weigh> Weighter<K, V> for ByBytes {
    fn weight(&self, key: &K, value: &V) -> u64 {
        let bytes = size_of::<K>() + size_of::<V>() + ENTRY + key.weight() + value.weight();
        self.least.max(bytes as u64)
    }
}

/// A cache that is bounded by the bytes that it holds.
pub(super) type Bounded<K, V> = Cache<K, V, ByBytes, DefaultHashBuilder>;

/// Returns a cache that holds at most `1/part` of the memory for facts.
pub(super) fn bounded<K, V>(settings: &Settings, part: u64) -> Bounded<K, V>
where
    K: Hash + Eq + Clone + Weigh,
    V: Clone + Weigh,
{
    let (bytes, entries) = (settings.memory / part, settings.entries.max(1));
    // An estimate. The number of the cache's shards follows from it, and an entry has to fit into one shard.
    let usual = usize::try_from(entries.min(bytes / 1024)).unwrap_or(usize::MAX);
    let weighter = ByBytes { least: bytes / entries };
    Cache::with(usual, bytes, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Every text of a fact counts: otherwise a database with long texts could fill the memory.
    #[test]
    fn a_fact_weighs_at_least_what_its_texts_do() {
        let text = |length: usize| -> Arc<str> { "x".repeat(length).into() };
        let organization = OrganizationFacts {
            id: text(1_000),
            slug: text(2_000),
            status: text(4_000),
            deleted: false,
            features: vec![text(8_000), text(16_000)],
            workflows: vec![text(32_000)],
            group: Some(text(64_000)),
        };
        let user = UserFacts {
            id: text(1_000),
            organization: Some(text(2_000)),
            roles: vec![text(4_000), text(8_000)],
            features: vec![text(16_000)],
            status: text(32_000),
            tokens_valid_after: None,
            revoked_tokens: vec![text(64_000)],
        };
        let weights = [fact(organization).weight(), fact(user).weight()];
        assert!(weights.iter().all(|it| (127_000..130_000).contains(it)), "{weights:?}");
    }

    fn fact<T>(value: T) -> Arc<Fact<T>> {
        Arc::new(Fact { value, asked_at: Instant::now(), version: 1, likeness: 1, gist: 1 })
    }
}
