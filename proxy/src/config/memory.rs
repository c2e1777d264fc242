//! The section about the sizes of memories, in bytes. Clients choose what there is to remember, so each memory has a
//! maximum; at the maximum it forgets what was not used lately.

use schemars::JsonSchema;
use serde::Deserialize;

use super::schema::forms;
use super::values;

/// How much is remembered, in bytes.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Memory {
    /// The maximum size of verified tokens. `0B`: no token is remembered, and each is verified again with each
    /// request.
    #[serde(deserialize_with = "values::remembered")]
    #[schemars(schema_with = "forms::remembered")]
    pub tokens: u64,
    /// The maximum size of users, organizations and objects, and of the knowledge which of them do not exist.
    #[serde(deserialize_with = "values::memory")]
    #[schemars(schema_with = "forms::memory")]
    pub facts: u64,
    /// The maximum size of decisions of the policies. `0B`: no decision is remembered, and the policies are evaluated
    /// for each request.
    #[serde(deserialize_with = "values::remembered")]
    #[schemars(schema_with = "forms::remembered")]
    pub decisions: u64,
    /// The maximum size of the addresses of clients, for `limits.requests_per_second`.
    #[serde(deserialize_with = "values::memory")]
    #[schemars(schema_with = "forms::memory")]
    pub clients: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { tokens: 64 << 20, facts: 256 << 20, decisions: 128 << 20, clients: 8 << 20 }
    }
}
