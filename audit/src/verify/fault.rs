//! What can be wrong with a journal, and what it may mean.

mod words;

use std::fmt;

use serde::Serialize;

use crate::text::printable;

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
    /// The database has another record than the journal.
    DatabaseDiffers {
        /// The columns that differ.
        columns: Vec<String>,
    },
    /// A row of the database is not what was delivered: it does not follow from the row before it.
    RowChanged {
        /// The column, where that can be told; else any of them.
        column: Option<&'static str>,
    },
    /// Records are not in the database, though later ones are, or something that is signed speaks of them.
    RowsMissing {
        /// The last of them.
        to: u64,
    },
    /// The database has a record twice.
    RowDoubled,
    /// The database has rows without a seal that are younger than the first sealed one.
    RowsUnsealed {
        /// How many.
        rows: u64,
    },
    /// The first line of a segment is not in the database, or is not what was written.
    HeaderChanged,
    /// Checkpoints are gone; the number is the first one's, counted by checkpoints.
    CheckpointsGone {
        /// The first of them.
        from: u64,
        /// The last of them.
        last: u64,
    },
    /// Records are not signed, though a gate signs each second.
    Unsigned {
        /// The last of them.
        to: u64,
    },
    /// Records were removed as if by retention, and were younger than that allows.
    RemovedYoung {
        /// The last of them.
        to: u64,
    },
    /// A journal that another one knew is not there.
    JournalGone {
        /// Which.
        journal: String,
    },
    /// A journal is not as far as another one knew it, or is another one.
    JournalRolledBack {
        /// Which.
        journal: String,
    },
}

impl Fault {
    pub(super) fn new(seq: Option<u64>, segment: &str, line: Option<u64>, kind: FaultKind) -> Self {
        Self { seq, segment: segment.to_owned(), line, kind }
    }

    /// Where it is: `record 7 (audit-….jsonl, line 8)`.
    #[must_use]
    pub fn place(&self) -> String {
        let segment = printable(&self.segment, 200);
        let file = if self.kind.is_of_checkpoints() && segment.starts_with("audit-") {
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
            | FaultKind::RowsMissing { to }
            | FaultKind::Unsigned { to }
            | FaultKind::RemovedYoung { to }
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
