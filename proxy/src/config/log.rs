//! The section about the log.

use schemars::JsonSchema;
use serde::Deserialize;

/// The log, which the gate writes to standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How a line of the log is written.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: LogLevel,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people: timestamp, level, module, fields and message. A message may span lines.
    #[default]
    Text,
    /// One JSON object per line, with the members `timestamp` (RFC 3339, UTC), `level`, `target` (the module),
    /// `message`, and one member for each field.
    Json,
}

/// The severity of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Somebody should look now.
    Error,
    /// Something is degraded, or was refused by a fault that is not the client's.
    Warn,
    /// Something that operators want to know: starts, reloads, new keys.
    #[default]
    Info,
    /// What helps to find a fault of the gate, of the libraries too.
    Debug,
    /// Everything, SQL statements and a line for each request included.
    Trace,
}
