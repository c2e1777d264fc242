//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file as a whole.
    File(PathBuf),
    /// At a line and column of the file, both counted from one.
    Line(PathBuf, u64, u64),
    /// In an environment variable of that name.
    Variable(String),
    /// On the command line, for that key.
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

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, or not readable, or no UTF-8.
    #[error("cannot read `{}`; name the configuration with `--config FILE`", file.display())]
    Unreadable {
        /// The file that was asked for.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was written is no YAML.
    #[error("{place}: {what}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser said.
        what: String,
    },
    /// A key is unknown, or its value is not one that it may have.
    #[error("{place}: `{key}`: {what}")]
    Bad {
        /// Where.
        place: Place,
        /// The whole key, such as `jwt.issuers[0].jwks`.
        key: String,
        /// What is wrong, and the remedy.
        what: String,
    },
    /// A key that has no default is not there.
    #[error("{place}: `{parent}.{name}` is missing; add `{name}: {example}` under `{parent}`")]
    Missing {
        /// The nearest thing that is there.
        place: Place,
        /// The section that lacks it.
        parent: String,
        /// What it lacks.
        name: &'static str,
        /// A value that would do.
        example: &'static str,
    },
}
