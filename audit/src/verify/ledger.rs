//! Compares a journal with its copy in a database, column by column.
//!
//! A directory can be put back to an earlier state, with checkpoints and `head`. What a database has beyond that was
//! removed here; what it has otherwise was changed, here or there.

use std::io;
use std::path::Path;

use database::DatabaseError;
use serde_json::{Map, Value};

use super::fault::{Fault, FaultKind};
use super::table::Records;
use crate::AuditTable;
use crate::checkpoint::SignedCheckpoint;
use crate::reader::{Entry, Reader};
use crate::segments;
use crate::signing::PublicKey;
use crate::table::Kept;

/// The place that faults give.
const PLACE: &str = "audit_logs";

/// The result of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// The number of records that are in both, equal in every column.
    pub same: u64,
    /// The number of records in the journal that are newer than the newest in the database: not delivered yet.
    pub undelivered: u64,
    /// The number of records in the journal that are missing in the database below its newest. The verification of
    /// the table finds out whether marks excuse that.
    pub missing: u64,
    /// The number of records in the database that are older than the journal's first: pruned here.
    pub only_there: u64,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// Why a comparison failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Journal(#[from] io::Error),
    /// The database does not answer.
    #[error("the database gives no answer")]
    Database(#[from] DatabaseError),
}

/// Compares the journal of `instance` in `directory` with the table, page by page. `trusted` are the keys that have
/// signed the journal, `last` is the number of its last record, which may be pruned.
///
/// # Errors
///
/// Fails if the journal or the database cannot be read.
pub async fn compare(
    directory: &Path,
    instance: &str,
    table: &AuditTable,
    trusted: &[PublicKey],
    last: u64,
) -> Result<Comparison, LedgerError> {
    let mut compared = Comparison::default();
    let claimed = claimed(directory, trusted)?;
    // The database is read first: a record is written here before it is delivered, so that a record that is only
    // there was not merely written while we looked.
    let newest = table.position(instance).await?.map_or(0, |at| at.seq);
    let mut rows = Along { rows: Records::of(table, instance), next: None };
    let mut reader = Reader::open(directory)?;
    let mut last = last;
    while let Some(entry) = reader.read()? {
        let Some(seq) = entry.seq() else { continue };
        last = seq.max(last);
        match rows.take(seq, &mut compared.only_there).await? {
            Some(row) => compared.judge(entry, seq, &row),
            None if seq > newest => compared.undelivered = compared.undelivered.saturating_add(1),
            None => compared.missing = compared.missing.saturating_add(1),
        }
    }
    if newest > last {
        let kind = FaultKind::DatabaseAhead { to: newest };
        compared.faults.push(Fault::new(Some(last.saturating_add(1)), PLACE, None, kind));
    }
    if let Some(to) = claimed.filter(|claimed| *claimed > newest) {
        let kind = FaultKind::RowsMissing { to };
        compared.faults.push(Fault::new(Some(newest.saturating_add(1)), PLACE, None, kind));
    }
    Ok(compared)
}

/// The record up to which the database had everything, as the newest checkpoint says.
fn claimed(directory: &Path, trusted: &[PublicKey]) -> io::Result<Option<u64>> {
    let head = segments::read_or_empty(&directory.join(segments::HEAD))?;
    let read = SignedCheckpoint::parse(&head);
    let read = read.filter(|it| it.signers().iter().any(|key| trusted.contains(key)));
    Ok(read.and_then(|it| it.checkpoint.delivered))
}

impl Comparison {
    fn judge(&mut self, entry: Entry<'_>, seq: u64, row: &Kept) {
        let Ok(Value::Object(written)) = serde_json::from_slice(entry.text) else { return };
        let columns = differing(&written, &row.record);
        if columns.is_empty() {
            self.same = self.same.saturating_add(1);
        } else if self.faults.len() < super::KEPT {
            let kind = FaultKind::DatabaseDiffers { columns };
            self.faults.push(Fault::new(Some(seq), entry.segment, Some(entry.line), kind));
        }
    }
}

/// The names of the members that differ.
fn differing(written: &Map<String, Value>, row: &Map<String, Value>) -> Vec<String> {
    let in_row = |name: &str| row.get(name).unwrap_or(&Value::Null);
    // Older versions did not keep the durability.
    let is_kept = |name: &str| name != "durability" || row.contains_key(name);
    let mut differ: Vec<String> = written
        .iter()
        .filter(|(name, value)| is_kept(name) && in_row(name) != *value)
        .map(|(name, _)| name.clone())
        .collect();
    let more = row.iter().filter(|(name, value)| !value.is_null() && !written.contains_key(*name));
    differ.extend(more.map(|(name, _)| name.clone()));
    differ
}

/// The rows, read in step with the journal.
struct Along<'a> {
    rows: Records<'a>,
    next: Option<Kept>,
}

impl Along<'_> {
    /// The row of the record `seq`. Numbers are asked for in ascending order; rows in between are counted in
    /// `passed`.
    async fn take(&mut self, seq: u64, passed: &mut u64) -> Result<Option<Kept>, DatabaseError> {
        loop {
            if self.next.is_none() {
                self.next = self.rows.next().await?;
            }
            match self.next.as_ref().map(|row| row.seq) {
                Some(number) if number < seq => {
                    self.next = None;
                    *passed = passed.saturating_add(1);
                }
                Some(number) if number == seq => return Ok(self.next.take()),
                _ => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_columns_that_differ_are_named() {
        let members = |value: Value| if let Value::Object(it) = value { it } else { Map::new() };
        let written = members(json!({"user_id": "ann", "seq": 1, "details": {"a": 1, "b": 2}}));
        let same = members(json!({"details": {"b": 2, "a": 1}, "seq": 1, "user_id": "ann"}));
        assert!(differing(&written, &same).is_empty());
        let other = members(json!({"user_id": "bob", "seq": 1, "details": {}, "route": "/x"}));
        assert_eq!(differing(&written, &other), ["user_id", "details", "route"]);
    }
}
