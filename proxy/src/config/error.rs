//! Errors in a configuration, with their places.

use std::fmt;
use std::path::PathBuf;

/// The place where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File(PathBuf),
    /// A line and column of the file, both counted from one.
    Line(PathBuf, u64, u64),
    /// The environment variable of this name.
    Variable(String),
    /// The command line, for this key.
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Line(file, line, column) => write!(f, "{}:{line}:{column}", file.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(key) => write!(f, "command line, {key}"),
        }
    }
}

/// The reason why a configuration cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file does not exist, cannot be read, or is not UTF-8.
    #[error("cannot read `{}`; name the configuration with `--config FILE`", file.display())]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file or an override is not valid YAML.
    #[error("{place}: {what}")]
    Syntax {
        /// The place of the error.
        place: Place,
        /// The parser's message.
        what: String,
    },
    /// A key is unknown, or its value is invalid.
    #[error("{place}: `{key}`: {what}")]
    Bad {
        /// The place of the value.
        place: Place,
        /// The full key, such as `jwt.issuers[0].jwks`.
        key: String,
        /// The problem, and the remedy.
        what: String,
    },
    /// A required key is missing.
    #[error("{place}: `{parent}.{name}` is missing; add `{name}: {example}` under `{parent}`")]
    Missing {
        /// The nearest place that exists in the file.
        place: Place,
        /// The section that lacks the key.
        parent: String,
        /// The missing key.
        name: &'static str,
        /// A valid example value.
        example: &'static str,
    },
}
