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
    /// The segment, or the file, in which the fault was found.
    pub segment: String,
    /// The line, counted from 1: of the segment, or of its checkpoints where the kind says so.
    pub line: Option<u64>,
    /// The kind of the fault.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// The kinds of faults. `to` is the last of the records that begin with the number of the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// The record does not follow from the line before it.
    Changed,
    /// The number of the record was changed, and nothing else.
    Renumbered {
        /// The number that the line has now.
        says: u64,
    },
    /// Lines that are not records stand where records should be.
    Unreadable {
        /// The last of the records.
        to: u64,
        /// The number of lines.
        lines: u64,
    },
    /// Lines that are not records stand between records, which are all there.
    Foreign {
        /// The number of lines.
        lines: u64,
    },
    /// Records are missing, though later ones of the segment are there.
    Missing {
        /// The last of these records.
        to: u64,
    },
    /// There are two records of the same number.
    Doubled {
        /// The last of these records.
        to: u64,
    },
    /// Records are all there, but not in their order.
    Disordered {
        /// The last of these records.
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
        /// The number of lines.
        lines: u64,
    },
    /// A segment is missing.
    SegmentMissing {
        /// The last of the records that were in it, as far as is known.
        to: u64,
    },
    /// A file has the name of another file.
    Misnamed {
        /// The number of the first record, as the first line says.
        says: u64,
    },
    /// The segment, or a record in it, is of another journal.
    OtherInstance {
        /// The id of that journal.
        instance: String,
    },
    /// A segment does not follow from the one before it.
    Detached,
    /// The chain was recomputed: it holds, but is not the one that a checkpoint is about.
    Rewritten {
        /// The record that the checkpoint is about.
        to: u64,
    },
    /// A checkpoint is not what was signed.
    CheckpointChanged {
        /// The number of lines.
        lines: u64,
    },
    /// Checkpoints are signed, but not with a trusted key.
    CheckpointUntrusted {
        /// The record that the last of them is about.
        to: u64,
        /// The number of checkpoints.
        lines: u64,
    },
    /// A checkpoint is in a place where it was not written.
    CheckpointMisplaced,
    /// The newest checkpoint, which `head` repeats, was removed from the segment's checkpoints.
    CheckpointMissing,
    /// The checkpoints of a segment are gone.
    CheckpointsMissing,
    /// The checkpoint that closes a segment is gone.
    ClosingMissing,
    /// `head` is not what was signed, or is not signed with a trusted key.
    HeadChanged,
    /// `head` is gone.
    HeadMissing,
    /// `head` is older than the newest checkpoint.
    HeadRolledBack,
    /// `pruned` is not what was signed, or is not signed with a trusted key.
    PrunedChanged,
    /// The public keys beside the journal lack a key that has signed the journal.
    KeysReplaced,
    /// A file cannot be read to its end.
    Damaged {
        /// The reason.
        reason: String,
    },
    /// The database has records that the journal does not have.
    DatabaseAhead {
        /// The last of these records.
        to: u64,
    },
    /// The database has another record than the journal.
    DatabaseDiffers {
        /// The columns that differ.
        columns: Vec<String>,
    },
    /// A row of the database is not what was delivered: it does not follow from the row before it.
    RowChanged {
        /// The column, if it is known; otherwise it may be any.
        column: Option<&'static str>,
    },
    /// Records are missing in the database, though later ones are there, or something that is signed speaks of them.
    RowsMissing {
        /// The last of these records.
        to: u64,
    },
    /// The database has a record twice.
    RowDoubled,
    /// The database has rows without a seal that are younger than the first sealed one.
    RowsUnsealed {
        /// The number of rows.
        rows: u64,
    },
    /// The first line of a segment is not in the database, or is not what was written.
    HeaderChanged,
    /// Checkpoints are missing; `from` and `last` are numbers of checkpoints.
    CheckpointsGone {
        /// The number of the first missing checkpoint.
        from: u64,
        /// The number of the last missing checkpoint.
        last: u64,
    },
    /// Records are not signed, though a gate signs every second.
    Unsigned {
        /// The last of these records.
        to: u64,
    },
    /// Records were removed as if by retention, but were younger than retention allows.
    RemovedYoung {
        /// The last of these records.
        to: u64,
    },
    /// A journal that a mark of another one names is missing.
    JournalGone {
        /// The id of that journal.
        journal: String,
    },
    /// A journal is not as far as a mark of another one says, or is a different journal.
    JournalRolledBack {
        /// The id of that journal.
        journal: String,
    },
}

impl Fault {
    pub(super) fn new(seq: Option<u64>, segment: &str, line: Option<u64>, kind: FaultKind) -> Self {
        Self { seq, segment: segment.to_owned(), line, kind }
    }

    /// The place of the fault: `record 7 (audit-….jsonl, line 8)`.
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

    /// The last record that the fault is about; `None` if it is about one record, or none.
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

    /// The word for the kind, as in JSON.
    #[must_use]
    pub fn word(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.get("kind").and_then(|it| it.as_str()).unwrap_or_default().to_owned()
    }
}
