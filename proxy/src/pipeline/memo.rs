//! Remembers decisions, exactly: a decision is a pure function of what is put to the policies, and
//! the key holds all of it.
//!
//! Facts are in the key as their versions, the bundle as its generation; so an entry is never
//! wrong, only no longer asked for. What is left out is what the policies cannot look at: the
//! token's age and the client's address, where no policy mentions them.

use std::net::IpAddr;
use std::sync::Arc;

use moka::sync::Cache;

use crate::decide::{Denied, Early, Judged};

/// Entries of each kind at the most.
const ENTRIES: u64 = 50_000;

/// Everything that the policies can see of a request, up to the layer `role`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EarlyKey {
    /// The bundle: with method and path it says action, object, feature and workflow.
    pub(super) generation: u64,
    pub(super) method: Arc<str>,
    pub(super) path: Arc<str>,
    /// The user and its organisation; `None` for a guest.
    pub(super) caller: Option<(u64, Option<u64>)>,
    pub(super) client: Option<IpAddr>,
    pub(super) token_age: Option<i64>,
}

/// Everything that they can see after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LateKey {
    pub(super) early: EarlyKey,
    pub(super) tenant: Option<u64>,
    pub(super) object: Option<u64>,
    pub(super) body_fields: Vec<Arc<str>>,
    pub(super) body_roles: Vec<Arc<str>>,
}

/// Everything about acting in a tenant: the bundle, the user, its organisation, the tenant.
pub(super) type ActInKey = (u64, u64, Option<u64>, u64);

/// The decisions that are remembered.
#[derive(Debug)]
pub(crate) struct Memo {
    pub(super) early: Cache<EarlyKey, Arc<Early>>,
    pub(super) late: Cache<LateKey, Arc<Judged>>,
    pub(super) act_in: Cache<ActInKey, bool>,
}

impl Default for Memo {
    fn default() -> Self {
        Self { early: Cache::new(ENTRIES), late: Cache::new(ENTRIES), act_in: Cache::new(ENTRIES) }
    }
}

/// The remembered answer, or a new one, which is remembered unless it is that the policies are
/// broken or cannot be asked.
pub(super) fn remembered<K, V>(
    cache: &Cache<K, V>,
    key: K,
    ask: impl FnOnce() -> Result<V, Denied>,
) -> Result<V, Denied>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    if let Some(known) = cache.get(&key) {
        return Ok(known);
    }
    let answer = ask()?;
    cache.insert(key, answer.clone());
    Ok(answer)
}
