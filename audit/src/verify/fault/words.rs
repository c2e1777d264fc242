//! The words for faults, and what to do about them.

use std::fmt;

use super::FaultKind;
use crate::text::printable;

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
            Self::DatabaseDiffers { columns } => write!(
                f,
                "the database has another record of this number: {} differ",
                columns.join(", ")
            ),
            Self::RowChanged { column: Some(column) } => {
                write!(f, "the column `{column}` of the row is not what was delivered")
            }
            Self::RowsUnsealed { rows } => write!(
                f,
                "{rows} rows have no seal (`instance`, `seq`, `chain`) and are younger than the first sealed one: \
                 somebody put them in"
            ),
            Self::CheckpointsGone { from, last } => write!(
                f,
                "checkpoints {from} to {last} of the journal are not in `audit_checkpoints`: they were taken out"
            ),
            Self::JournalGone { journal } => write!(
                f,
                "the journal `{}` is gone whole: this one's mark says how far it was",
                printable(journal, 64)
            ),
            Self::JournalRolledBack { journal } => write!(
                f,
                "the journal `{}` is not what this one's mark says that it was: it was put back to an older state, \
                 or its end was removed",
                printable(journal, 64)
            ),
            other => f.write_str(other.says()),
        }
    }
}

impl FaultKind {
    /// What is wrong, for kinds whose numbers are in the place of the fault.
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
            other => other.says_of_database(),
        }
    }

    /// What is wrong, for kinds of faults in a database.
    fn says_of_database(&self) -> &'static str {
        match self {
            Self::RowChanged { .. } => {
                "the row is not what was delivered: its columns do not give the hash that they were delivered with"
            }
            Self::RowsMissing { .. } => {
                "gone from the database: later records are there, or something that is signed speaks of them; \
                 they were deleted"
            }
            Self::RowDoubled => "there twice in the database: one of the two was put in",
            Self::HeaderChanged => {
                "the first line of a segment that begins here is missing in `audit_checkpoints`, or is not what was \
                 written; or the row was put in behind the end of the one before"
            }
            Self::Unsigned { .. } => {
                "not signed, though a gate signs each second: checkpoints were removed, or could not be signed"
            }
            Self::RemovedYoung { .. } => {
                "removed as if by `cedargate audit retain`, but they were younger than its cutoff"
            }
            _ => "",
        }
    }

    /// What to do about the fault.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::RowChanged { .. }
            | Self::RowsMissing { .. }
            | Self::RowDoubled
            | Self::RowsUnsealed { .. }
            | Self::RemovedYoung { .. } => {
                "keep a copy of the database, compare with the journal (`cedargate audit verify --database URL DIR`) \
                 or a backup, and find out who could change the table"
            }
            Self::JournalGone { .. } | Self::JournalRolledBack { .. } => {
                "look for the journal's directory and for a backup of the database, and keep both"
            }
            Self::DatabaseAhead { .. }
            | Self::DatabaseDiffers { .. }
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
            | Self::PrunedChanged
            | Self::HeaderChanged
            | Self::CheckpointsGone { .. }
            | Self::Unsigned { .. } => {
                "keep a copy of the directory, and find out who could write there"
            }
            _ => "compare with a copy elsewhere or with what other sinks have, and keep both",
        }
    }
}
