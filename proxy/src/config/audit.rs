//! Where and how decisions are recorded.

use std::path::PathBuf;
use std::time::Duration;

use audit::{Durability, OnDamage};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{DatabaseUrl, values};

/// Records that are nowhere but in the journal stay for six years (45 CFR 164.316(b)(2)(i)).
pub(super) const SIX_YEARS: Duration = Duration::from_hours(24 * 2192);

/// Where decisions are recorded.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The journal's directory.
    pub directory: PathBuf,
    /// What a record survives.
    #[serde(default)]
    pub durability: Durability,
    /// Whether records are delivered to `audit_logs` in a database, too, and in which.
    #[serde(default)]
    pub database: AuditDatabase,
    /// Whether records are printed on standard output, too.
    #[serde(default)]
    pub stdout: bool,
    /// How many requests of nobody are recorded one by one each second.
    #[serde(default = "Audit::default_anonymous_per_second")]
    pub anonymous_per_second: u32,
    /// How many bytes their records may take each second.
    #[serde(
        default = "Audit::default_anonymous_bytes_per_second",
        deserialize_with = "values::size"
    )]
    pub anonymous_bytes_per_second: u64,
    /// A segment of the journal that is larger, in bytes, is followed by another one.
    #[serde(default = "Audit::default_segment_size", deserialize_with = "values::segment_size")]
    pub segment_size: u64,
    /// And one that is older.
    #[serde(default = "Audit::default_segment_age", deserialize_with = "values::age")]
    pub segment_age: Duration,
    /// At so many bytes in the directory, requests are refused; without it there is no such bound.
    #[serde(default, deserialize_with = "values::quota")]
    pub quota: Option<u64>,
    /// For how long a closed segment stays that every sink has; without it, for ever.
    #[serde(default, deserialize_with = "values::long")]
    pub keep: Option<Duration>,
    /// The Ed25519 keys (PKCS#8 in PEM) that checkpoints are signed with: the newest first.
    #[serde(default)]
    pub signing_keys: Vec<PathBuf>,
    /// What a start does with a journal that is not what was written.
    #[serde(default)]
    pub on_damage: OnDamage,
    /// How much of the newest segments is checked record by record at the start, in bytes.
    #[serde(default = "Audit::default_check_at_start", deserialize_with = "values::size")]
    pub check_at_start: u64,
}

impl Audit {
    const fn default_anonymous_per_second() -> u32 {
        1000
    }

    const fn default_anonymous_bytes_per_second() -> u64 {
        1 << 20
    }

    const fn default_segment_size() -> u64 {
        64 << 20
    }

    const fn default_segment_age() -> Duration {
        Duration::from_hours(24)
    }

    const fn default_check_at_start() -> u64 {
        4 << 30
    }
}

/// Which database records are delivered to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditDatabase {
    /// None.
    #[default]
    Off,
    /// That of the facts.
    Facts,
    /// One of its own.
    Own(DatabaseUrl),
}

impl<'de> Deserialize<'de> for AuditDatabase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(false) => Ok(Self::Off),
            Value::Bool(true) => Ok(Self::Facts),
            url @ Value::String(_) => {
                serde_json::from_value(url).map(Self::Own).map_err(D::Error::custom)
            }
            _ => Err(D::Error::custom(
                "will not do; write `true` for the database of the facts, `false`, or a database's URL",
            )),
        }
    }
}
