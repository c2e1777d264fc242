//! The marks of a gate, as far as a verification needs them.

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::mark::{
    CLOCK_BACK, DELIVERY_BEGUN, JOURNALS_KNOWN, RETAINED, SINK_LOST, SINK_REFUSED, UNAVAILABLE,
};
use crate::seal::{Head, Position};

/// The content of a mark, as far as a verification needs it.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// The database refused a record.
    Refused { seq: u64, chain: Option<Head> },
    /// Delivery began with this record.
    Begun { first: u64 },
    /// Retention removed records of a journal.
    Retained { instance: String, first: u64, last: u64, head: Option<Head>, cutoff: OffsetDateTime },
    /// Other journals, and how far each had come.
    Known(Vec<(String, Position)>),
    /// A mark that is only reported.
    Told(String),
}

impl Mark {
    /// Reads a mark of this kind; `None` for kinds that do not matter here.
    pub(super) fn read(kind: &str, details: &Value) -> Option<Self> {
        let text = |name: &str| details.get(name).and_then(Value::as_str);
        let number = |name: &str| details.get(name).and_then(Value::as_u64);
        let head = |name: &str| text(name).and_then(|hex| Head::from_hex(hex.as_bytes()));
        let says = |name: &str| text(name).unwrap_or("?");
        match kind {
            SINK_REFUSED => Some(Self::Refused { seq: number("seq")?, chain: head("chain") }),
            DELIVERY_BEGUN => Some(Self::Begun { first: number("first")? }),
            RETAINED => Some(Self::Retained {
                instance: text("instance")?.to_owned(),
                first: number("first")?,
                last: number("last")?,
                head: head("head"),
                cutoff: OffsetDateTime::parse(text("cutoff")?, &Rfc3339).ok()?,
            }),
            JOURNALS_KNOWN => {
                let journals = details.get("journals")?.as_array()?.iter();
                let read = |it: &Value| {
                    let instance = it.get("instance")?.as_str()?.to_owned();
                    let head = Head::from_hex(it.get("head")?.as_str()?.as_bytes())?;
                    Some((instance, Position { seq: it.get("seq")?.as_u64()?, head }))
                };
                Some(Self::Known(journals.filter_map(read).collect()))
            }
            CLOCK_BACK => Some(Self::Told(format!(
                "the clock was set back: from {} to {}",
                says("greatest"),
                says("clock")
            ))),
            UNAVAILABLE => Some(Self::Told(format!(
                "records could not be written: {} were refused, from {} to {}",
                number("refused").unwrap_or_default(),
                says("from"),
                says("to")
            ))),
            SINK_LOST => Some(Self::Told(format!(
                "the database had taken records up to {} and had them up to {} only: they were delivered again, \
                 as far as the journal still had them",
                number("had").unwrap_or_default(),
                number("has").unwrap_or_default()
            ))),
            _ => None,
        }
    }

    /// The mark in a line of a journal, if it is one.
    pub(super) fn of_line(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Marked {
            reason: String,
            details: Value,
        }
        /// The reach within which a line has its type of event, behind id, phase and time.
        const REACH: usize = 160;
        let start = line.get(..REACH).unwrap_or(line);
        memchr::memmem::find(start, b",\"event_type\":\"gate\"")?;
        // `line` is the hashed part of a line: the rest of its seal, and the closing brace, are missing.
        let marked: Marked = serde_json::from_slice(&[line, b"}"].concat()).ok()?;
        Self::read(&marked.reason, &marked.details)
    }

    /// The note about this mark in the report of a verification, if it deserves one.
    pub(super) fn note(&self) -> Option<String> {
        match self {
            Self::Refused { seq, .. } => {
                Some(format!("the database refused record {seq}: it stays in the journal"))
            }
            Self::Begun { first } => {
                Some(format!("delivery to the database began with record {first}"))
            }
            Self::Retained { instance, first, last, .. } => Some(format!(
                "retention removed records of the journal {instance} from the database, from {first} to {last}"
            )),
            Self::Known(_) => None,
            Self::Told(told) => Some(told.clone()),
        }
    }
}
