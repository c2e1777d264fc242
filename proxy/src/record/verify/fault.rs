//! What can be wrong with a journal, and what it may mean.

use std::fmt;

use serde::Serialize;

use crate::record::text::printable;

/// Something in a journal is not what the gate wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The first record that is wrong or missing; of a checkpoint, the record that it speaks of.
    pub seq: Option<u64>,
    /// The segment, or the file, that it was found in.
    pub segment: String,
    /// The line, counted from 1: of the segment, or of its checkpoints where the kind says so.
    pub line: Option<u64>,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// Kinds of faults. `to` is the last record of those that begin with the fault's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// The record does not follow from the line before it.
    Changed,
    /// Its number was changed, and nothing else.
    Renumbered {
        /// What the line says now.
        says: u64,
    },
    /// Lines that are no records stand where records should be.
    Unreadable {
        /// The last of the records.
        to: u64,
        /// How many lines.
        lines: u64,
    },
    /// Lines that are no records stand between records, which are all there.
    Foreign {
        /// How many lines.
        lines: u64,
    },
    /// Records are not there, though later ones of the segment are.
    Missing {
        /// The last of them.
        to: u64,
    },
    /// There are two records of the same number.
    Doubled {
        /// The last of them.
        to: u64,
    },
    /// Records are all there, but not in their order.
    Disordered {
        /// The last of them.
        to: u64,
    },
    /// A segment ends before it should.
    Cut {
        /// The last record that should be there.
        to: u64,
    },
    /// Records follow the checkpoint that closed the segment.
    Appended,
    /// The first line of a segment is not what was written.
    Header,
    /// Lines end with CR LF.
    LineEnds {
        /// How many lines.
        lines: u64,
    },
    /// A segment is not there.
    SegmentMissing {
        /// The last of the records that were in it, as far as anybody says.
        to: u64,
    },
    /// A file has the name of another one.
    Misnamed {
        /// The first record, as its first line says.
        says: u64,
    },
    /// The segment, or a record in it, is of another journal.
    OtherInstance {
        /// Which.
        instance: String,
    },
    /// A segment does not follow from the one before it.
    Detached,
    /// The chain was written anew: it holds, but is not the one that a checkpoint is about.
    Rewritten {
        /// The record that the checkpoint is about.
        to: u64,
    },
    /// A checkpoint is not what was signed.
    CheckpointChanged {
        /// How many lines.
        lines: u64,
    },
    /// Checkpoints are signed, but by nobody who is trusted.
    CheckpointUntrusted {
        /// The record that the last of them is about.
        to: u64,
        /// How many of them.
        lines: u64,
    },
    /// A checkpoint stands where it was not written.
    CheckpointMisplaced,
    /// The newest checkpoint, which `head` repeats, was taken out of the segment's checkpoints.
    CheckpointMissing,
    /// The checkpoints of a segment are gone.
    CheckpointsMissing,
    /// The checkpoint that closes a segment is gone.
    ClosingMissing,
    /// `head` is not what was signed, or signed by nobody who is trusted.
    HeadChanged,
    /// `head` is gone.
    HeadMissing,
    /// `head` is older than the newest checkpoint.
    HeadRolledBack,
    /// `pruned` is not what was signed, or signed by nobody who is trusted.
    PrunedChanged,
    /// The public keys beside the journal lack one that it is signed with.
    KeysReplaced,
    /// A file cannot be read to its end.
    Damaged {
        /// Why.
        reason: String,
    },
    /// The database has records that the journal has not.
    DatabaseAhead {
        /// The last of them.
        to: u64,
    },
    /// The database has another record.
    DatabaseDiffers,
}

impl Fault {
    pub(super) fn new(seq: Option<u64>, segment: &str, line: Option<u64>, kind: FaultKind) -> Self {
        Self { seq, segment: segment.to_owned(), line, kind }
    }

    /// Where it is: `record 7 (audit-….jsonl, line 8)`.
    #[must_use]
    pub fn place(&self) -> String {
        let segment = printable(&self.segment, 200);
        let file = if self.kind.is_of_checkpoints() {
            format!("{segment}.checkpoints")
        } else if segment.starts_with("audit-") {
            format!("{segment}.jsonl")
        } else {
            segment.into_owned()
        };
        let line = self.line.map(|line| format!(", line {line}")).unwrap_or_default();
        match (self.seq, self.to()) {
            (Some(seq), Some(to)) if to > seq => format!("records {seq} to {to} ({file}{line})"),
            (Some(seq), _) => format!("record {seq} ({file}{line})"),
            (None, _) => format!("{file}{line}"),
        }
    }

    /// The last record that it is about; none if it is about one, or about none.
    #[must_use]
    pub fn to(&self) -> Option<u64> {
        match self.kind {
            FaultKind::Unreadable { to, .. }
            | FaultKind::Missing { to }
            | FaultKind::Doubled { to }
            | FaultKind::Disordered { to }
            | FaultKind::Cut { to }
            | FaultKind::SegmentMissing { to }
            | FaultKind::Rewritten { to }
            | FaultKind::CheckpointUntrusted { to, .. }
            | FaultKind::DatabaseAhead { to } => Some(to),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.kind)
    }
}

impl FaultKind {
    fn is_of_checkpoints(&self) -> bool {
        matches!(
            self,
            Self::CheckpointChanged { .. }
                | Self::CheckpointUntrusted { .. }
                | Self::CheckpointMisplaced
                | Self::CheckpointMissing
                | Self::CheckpointsMissing
                | Self::ClosingMissing
        )
    }

    /// The word for it, as in JSON.
    #[must_use]
    pub fn word(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get("kind").and_then(|it| it.as_str()).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renumbered { says } => {
                write!(f, "the number of the record was changed: the line says {says}")
            }
            Self::Misnamed { says } => write!(
                f,
                "the file has the name of another one: it begins with record {says}; files were \
                 renamed or swapped"
            ),
            Self::OtherInstance { instance } => {
                let instance = printable(instance, 64);
                write!(
                    f,
                    "it is of another journal, `{instance}`; the records of this one that should \
                     be here are not"
                )
            }
            Self::Damaged { reason } => write!(
                f,
                "the file cannot be read from here on: {}; it is damaged or was changed",
                printable(reason, 200)
            ),
            other => f.write_str(other.says()),
        }
    }
}

impl FaultKind {
    /// What is wrong, of kinds whose numbers are told by the place.
    fn says(&self) -> &'static str {
        match self {
            Self::Changed => {
                "the chain does not hold: this record is not what was written, or the one before \
                 it was replaced together with its own hash"
            }
            Self::Unreadable { .. } => {
                "the line is no sealed record: it was overwritten or damaged"
            }
            Self::Foreign { .. } => {
                "something that is no record was put here; the records are all there"
            }
            Self::Missing { .. } => {
                "gone: later records of the segment are there; they were taken out"
            }
            Self::Doubled { .. } => "there twice: one of the two was put in",
            Self::Disordered { .. } => "all there, but not in the order in which they were written",
            Self::Cut { .. } => {
                "gone: the segment ends before them, though what was signed or follows knows of \
                 them; it was cut, or an older copy of it was put in its place"
            }
            Self::Appended => "put in after the segment was closed",
            Self::Header => "the first line of the segment is not what was written",
            Self::LineEnds { .. } => "lines end with CR LF: an editor or a transfer changed them",
            Self::SegmentMissing { .. } => "gone: the segment that held them is not there",
            Self::Detached => {
                "the segment does not follow from the one before it: one of the two was replaced \
                 by another copy or written anew"
            }
            Self::Rewritten { .. } => {
                "somebody rewrote the chain: it holds, but it is not the one that was signed; the \
                 first record that is wrong is among these"
            }
            Self::CheckpointChanged { .. } => "the checkpoint is not what was signed",
            Self::CheckpointUntrusted { .. } => {
                "the checkpoints are signed, but by nobody who is trusted: an earlier key is \
                 missing (--key), or somebody else wrote the journal anew"
            }
            Self::CheckpointMisplaced => "the checkpoint was written elsewhere: it was moved here",
            Self::CheckpointMissing => {
                "the newest checkpoint, which `head` repeats, was taken out, or changed"
            }
            Self::CheckpointsMissing => "the checkpoints of the segment are gone",
            Self::ClosingMissing => "the checkpoint that closed the segment is gone",
            Self::HeadChanged => "not what was signed, or signed by nobody who is trusted",
            Self::HeadMissing => "gone, though there are checkpoints",
            Self::HeadRolledBack => {
                "older than the newest checkpoints: an older copy was put in its place"
            }
            Self::PrunedChanged => {
                "not what was signed, or signed by nobody who is trusted: nobody allowed that \
                 records were taken away"
            }
            Self::KeysReplaced => "gone, or lacks a key that the journal is signed with: replaced",
            Self::DatabaseAhead { .. } => {
                "the database has them, the journal has not: its end was cut off"
            }
            Self::DatabaseDiffers => "the database has another record of this number",
            _ => "",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::DatabaseAhead { .. }
            | Self::DatabaseDiffers
            | Self::Cut { .. }
            | Self::Missing { .. }
            | Self::SegmentMissing { .. } => {
                "restore the file from a copy elsewhere; other sinks may have the records"
            }
            Self::CheckpointUntrusted { .. } | Self::KeysReplaced => {
                "compare the keys with the ones kept elsewhere"
            }
            Self::CheckpointChanged { .. }
            | Self::CheckpointMisplaced
            | Self::CheckpointMissing
            | Self::CheckpointsMissing
            | Self::ClosingMissing
            | Self::HeadChanged
            | Self::HeadMissing
            | Self::HeadRolledBack
            | Self::PrunedChanged => {
                "keep a copy of the directory, and find out who could write there"
            }
            _ => "compare with a copy elsewhere or with what other sinks have, and keep both",
        }
    }
}
