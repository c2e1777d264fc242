//! The configuration of a journal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::supervise::Supervisor;
use schemars::JsonSchema;
use serde::Deserialize;

use super::archivist::Delivered;

/// What a record survives once a request has been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// A record survives the death of the process (`kill -9`).
    #[default]
    Process,
    /// A record survives the loss of power: each is synced to the disk.
    Disk,
    /// Nothing is promised: a request is served even if its record cannot be written; later records say so.
    None,
}

impl Durability {
    /// The word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Disk => "disk",
            Self::None => "none",
        }
    }
}

/// What the gate does at the start if the journal is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDamage {
    /// The gate does not start, and names the first wrong record.
    #[default]
    Refuse,
    /// The gate logs the damage, leaves it as it is, and continues in a new segment.
    Start,
}

/// Where the journal is and what it promises.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// The directory; created if it does not exist.
    pub directory: PathBuf,
    /// What a record survives.
    pub durability: Durability,
    /// The maximum number of anonymous requests that are recorded one by one in a second.
    pub anonymous_per_second: u32,
    /// The maximum number of bytes that their records take in a second.
    pub anonymous_bytes_per_second: u64,
    /// The size of a segment, in bytes, above which another one follows.
    pub segment_size: u64,
    /// The age of a segment above which another one follows.
    pub segment_age: Duration,
    /// The size of the directory, in bytes, from which on no request is recorded.
    pub quota: Option<u64>,
    /// How long a closed segment stays that every sink has; `None`: for ever.
    pub keep: Option<Duration>,
    /// The Ed25519 keys that sign checkpoints; if there are none, one is created in the directory.
    pub signing_keys: Vec<PathBuf>,
    /// What the gate does at the start if the journal is not what was written.
    pub on_damage: OnDamage,
    /// How much of the newest segments is checked record by record at the start, in bytes of files.
    pub check_at_start: u64,
    /// How far the sinks have come.
    pub delivered: Delivered,
    /// The supervisor that keeps the journal's threads alive.
    pub supervisor: Arc<Supervisor>,
}

impl JournalConfig {
    /// The default configuration, in `directory`.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            durability: Durability::default(),
            anonymous_per_second: 1000,
            anonymous_bytes_per_second: 1 << 20,
            segment_size: 64 << 20,
            segment_age: Duration::from_hours(24),
            quota: None,
            keep: None,
            signing_keys: Vec::new(),
            on_damage: OnDamage::default(),
            check_at_start: 4 << 30,
            delivered: Delivered::default(),
            supervisor: Arc::default(),
        }
    }
}
