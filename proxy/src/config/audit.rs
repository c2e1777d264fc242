//! The section about the audit journal and its delivery.

use std::path::PathBuf;
use std::time::Duration;

use audit::{Durability, OnDamage};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::schema::forms;
use super::{DatabaseUrl, values};

/// The minimum retention of records that only the journal holds: six years (45 CFR 164.316(b)(2)(i)).
pub(super) const SIX_YEARS: Duration = Duration::from_hours(24 * 2192);

/// The audit journal, in which every decision is recorded, and its delivery to a database.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The directory of the audit journal. Each gate has its own.
    pub directory: PathBuf,
    /// What a record survives once a request has been answered.
    #[serde(default)]
    pub durability: Durability,
    /// Whether records are delivered to the table `audit_logs` as well: `true` for the database of the facts, or the
    /// URL of another database.
    #[serde(default)]
    #[schemars(schema_with = "forms::audit_database")]
    pub database: AuditDatabase,
    /// Whether records are printed to standard output as well.
    #[serde(default)]
    pub stdout: bool,
    /// The maximum number of requests per second without a verified caller that are recorded one by one. Beyond it
    /// they are summed up once a second.
    #[serde(default = "Audit::default_anonymous_per_second")]
    pub anonymous_per_second: u32,
    /// The maximum size per second of the records of requests without a verified caller. Beyond it they are summed up
    /// as well.
    #[serde(
        default = "Audit::default_anonymous_bytes_per_second",
        deserialize_with = "values::size"
    )]
    #[schemars(schema_with = "forms::size")]
    pub anonymous_bytes_per_second: u64,
    /// The size at which a segment of the journal is closed, signed and compressed.
    #[serde(default = "Audit::default_segment_size", deserialize_with = "values::segment_size")]
    #[schemars(schema_with = "forms::segment_size")]
    pub segment_size: u64,
    /// The age at which a segment of the journal is closed, signed and compressed.
    #[serde(default = "Audit::default_segment_age", deserialize_with = "values::age")]
    #[schemars(schema_with = "forms::age")]
    pub segment_age: Duration,
    /// The maximum size of the directory. The gate warns at 80 %; at the maximum it refuses requests with 503
    /// `audit_unavailable`. Without this key: no maximum.
    #[serde(default, deserialize_with = "values::quota")]
    #[schemars(schema_with = "forms::quota")]
    pub quota: Option<u64>,
    /// The time after which a closed segment is removed that every sink has. At least six years (2192d) unless
    /// records are delivered to a database. Without this key: segments are kept for ever.
    #[serde(default, deserialize_with = "values::long")]
    #[schemars(schema_with = "forms::long")]
    pub keep: Option<Duration>,
    /// The files with the Ed25519 private keys (PKCS#8, PEM) that sign the journal, the newest first. Without this
    /// key: the gate makes one beside the journal.
    #[serde(default)]
    pub signing_keys: Vec<PathBuf>,
    /// What the gate does at the start if the journal is not what was written.
    #[serde(default)]
    pub on_damage: OnDamage,
    /// How much of the newest segments is verified record by record at the start.
    #[serde(default = "Audit::default_check_at_start", deserialize_with = "values::size")]
    #[schemars(schema_with = "forms::size")]
    pub check_at_start: u64,
}

impl Audit {
    pub(super) const fn default_anonymous_per_second() -> u32 {
        1000
    }

    pub(super) const fn default_anonymous_bytes_per_second() -> u64 {
        1 << 20
    }

    pub(super) const fn default_segment_size() -> u64 {
        64 << 20
    }

    pub(super) const fn default_segment_age() -> Duration {
        Duration::from_hours(24)
    }

    pub(super) const fn default_check_at_start() -> u64 {
        4 << 30
    }
}

/// The database that records are delivered to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditDatabase {
    /// No database.
    #[default]
    Off,
    /// The database of the facts.
    Facts,
    /// A separate database.
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
