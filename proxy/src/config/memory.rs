//! How much is remembered, in bytes. Clients choose what there is to remember, so each memory has a bound;
//! one that is full forgets what was not asked for lately.

use serde::Deserialize;

use super::values;

/// Bytes that each memory may take.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// Tokens that were verified.
    #[serde(deserialize_with = "values::memory")]
    pub tokens: u64,
    /// Users, organisations and objects, and which of them do not exist.
    #[serde(deserialize_with = "values::memory")]
    pub facts: u64,
    /// Decisions of the policies.
    #[serde(deserialize_with = "values::memory")]
    pub decisions: u64,
    /// Addresses of clients, for `limits.requests_per_second`.
    #[serde(deserialize_with = "values::memory")]
    pub clients: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { tokens: 64 << 20, facts: 256 << 20, decisions: 128 << 20, clients: 8 << 20 }
    }
}
