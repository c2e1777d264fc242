//! The sinks to which records are delivered.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Weak;

use base::chain;
use base::supervise::Supervisor;
use database::{DatabaseError, PasswordFile};
use serde_json::json;

use crate::AuditTable;
use crate::Journal;
use crate::journal::{Unrecordable, replace};
use crate::mark::{SINK_REFUSED, details};
use crate::seal::Sealed;
use crate::table::Voucher;
use crate::text::printable;

/// Why a sink does not take records.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The database does not take records.
    #[error("the database takes no records")]
    Database(#[from] DatabaseError),
    /// Standard output cannot be written, the journal cannot be read, or a cursor cannot be stored.
    #[error("records cannot be read or printed")]
    Io(#[from] io::Error),
    /// The journal does not take a mark.
    #[error("the journal does not take a mark about its sink")]
    Mark(#[from] Unrecordable),
    /// The journal was closed in the meantime.
    #[error("the journal is closed")]
    Closed,
    /// The sink has other records under the same numbers.
    #[error(
        "the database has another record {seq} of the journal `{instance}` than this one: somebody put an older or another copy of the journal's directory in its place. Keep both, look at them with `cedargate audit verify --database`, and begin a journal of its own in an empty directory"
    )]
    Forked {
        /// The number of the record.
        seq: u64,
        /// The id of the journal.
        instance: String,
    },
}

/// The position of a sink.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) seq: u64,
    /// The chain after that record, if the sink stores it.
    pub(super) chain: Option<String>,
}

/// A destination of records.
#[derive(Debug)]
pub enum Sink {
    /// The audit table, and the file with the password of the database, if there is one.
    Database(AuditTable, Option<PasswordFile>),
    /// Standard output, and the file of its cursor.
    Output(PathBuf),
}

impl Sink {
    /// The name of the sink in the metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Database(..) => "database",
            Self::Output(_) => "stdout",
        }
    }

    /// Starts what the sink needs beside it. Called once, in the thread that will use the sink.
    pub(super) fn begin(&mut self, supervisor: &Supervisor) {
        let Self::Database(table, password) = self else { return };
        if let Some(file) = password.take() {
            match table.sign_in_with(file, supervisor) {
                Ok(follow) => drop(tokio::spawn(follow)),
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the audit's database cannot be signed in to");
                }
            }
        }
    }

    /// The audit table, if the sink is a database.
    pub(super) fn table(&self) -> Option<&AuditTable> {
        if let Self::Database(table, _) = self { Some(table) } else { None }
    }

    /// Stores what vouches for records, if the sink takes it.
    pub(super) async fn vouch(&self, instance: &str, lines: &[Voucher]) -> Result<(), SinkError> {
        match self {
            Self::Database(table, _) => Ok(table.vouch(instance, lines).await?),
            Self::Output(_) => Ok(()),
        }
    }

    /// The last record of the journal `instance` that the sink has.
    pub(super) async fn position(&self, instance: &str) -> Result<Option<Standing>, SinkError> {
        match self {
            Self::Database(table, _) => {
                table.check().await?;
                let found = table.position(instance).await?;
                Ok(found.map(|at| Standing { seq: at.seq, chain: Some(at.chain) }))
            }
            Self::Output(cursor) => {
                let text = match fs::read_to_string(cursor) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    other => other?,
                };
                let seq = text.strip_prefix(instance).and_then(|seq| seq.trim().parse().ok());
                Ok(seq.map(|seq| Standing { seq, chain: None }))
            }
        }
    }

    /// Stores records, of which the last one has the number `last`. Returns how many were taken, and how many the
    /// sink refuses because of what is in them: these stay in the journal, and must not hold up those behind them.
    /// `journal` gets a mark of each refused record before the next one is stored, so that a record that is missing
    /// without a mark was taken out.
    pub(super) async fn store(
        &self,
        lines: &[&str],
        last: u64,
        journal: &Weak<Journal>,
    ) -> Result<(u64, u64), SinkError> {
        let all = lines.len() as u64;
        match self {
            Self::Database(table, _) => match table.store(lines).await {
                Ok(()) => Ok((all, 0)),
                Err(error) if error.is_about_the_data() => one_by_one(table, lines, journal).await,
                Err(error) => Err(error.into()),
            },
            Self::Output(cursor) => {
                let mut output = io::stdout().lock();
                for line in lines {
                    output.write_all(line.as_bytes())?;
                    output.write_all(b"\n")?;
                }
                output.flush()?;
                // The cursor names the instance, so that the cursor of another journal is ignored.
                let last_line = lines.last().map(|line| line.as_bytes()).unwrap_or_default();
                let instance = Sealed::parse(last_line);
                let instance = instance.and_then(|sealed| sealed.instance()).unwrap_or_default();
                replace(cursor, format!("{instance} {last}\n").as_bytes())?;
                Ok((all, 0))
            }
        }
    }
}

async fn one_by_one(
    table: &AuditTable,
    lines: &[&str],
    journal: &Weak<Journal>,
) -> Result<(u64, u64), SinkError> {
    let (mut taken, mut refused) = (0, 0);
    for line in lines {
        match table.store(&[line]).await {
            Ok(()) => taken += 1,
            Err(error) if error.is_about_the_data() => {
                refused += 1;
                let error = chain(&error);
                tracing::error!(%error, "audit delivery: a record is not taken");
                mark_refused(journal, line, &error)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((taken, refused))
}

/// Marks that the database refuses this line: with its number, and with its hash, so that the chain can be followed
/// over the gap.
fn mark_refused(journal: &Weak<Journal>, line: &str, error: &str) -> Result<(), SinkError> {
    /// The maximum length of an error in a mark.
    const LONGEST: usize = 500;
    let journal = journal.upgrade().ok_or(SinkError::Closed)?;
    let sealed = Sealed::parse(line.as_bytes());
    let told = json!({
        "sink": "database",
        "seq": sealed.and_then(|it| it.seq()),
        "chain": sealed.map(|it| it.chain),
        "error": printable(error, LONGEST),
    });
    Ok(journal.mark(SINK_REFUSED, details(told))?)
}
