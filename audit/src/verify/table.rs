//! Verifies a database's copy of journals, with nothing but the database and a public key.
//!
//! Each record is spelled from its columns as in the journal, and its hash is computed from that and the hash before
//! it; the first lines of segments, which the chain includes as well, and the signed checkpoints come from
//! `audit_checkpoints`. Rows are read in order, page by page, so that memory is bounded.
//!
//! A number that is missing is a deletion, unless a mark in a journal that is itself verified says otherwise: that
//! the database refused the record, that delivery began behind it, or that retention removed it.

mod gaps;
mod keys;
mod pass;
mod rows;

use std::collections::BTreeMap;

use database::DatabaseError;
use serde_json::Value;
use time::OffsetDateTime;

use super::fault::{Fault, FaultKind};
use super::mark::Mark;
use crate::AuditTable;
use crate::seal::{Head, Position};
use crate::signing::PublicKey;
use crate::table::Extent;

use gaps::Hints;
use pass::Pass;
pub(super) use rows::Records;
use rows::Vouchers;

/// The result of verifying a database's copy of one journal.
#[derive(Debug, Clone, Default)]
pub struct Copied {
    /// The id of the journal.
    pub instance: String,
    /// The number of the first record.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
    /// The number of records.
    pub records: u64,
    /// The number of checkpoints.
    pub checkpoints: u64,
    /// How far the journal is verified; `None`: not at all.
    pub verified: Option<Vouched>,
    /// The number of records that cannot be verified: nothing that vouches for them was delivered.
    pub unverifiable: u64,
    /// The number of records behind the last checkpoint.
    pub unsigned: u64,
    /// Notes that are not faults.
    pub notes: Vec<String>,
    /// The faults, in the order of records.
    pub faults: Vec<Fault>,
    /// The marks that matter here, each with its number.
    marks: Vec<(u64, Mark)>,
    gaps: gaps::Gaps,
}

/// How far a journal is verified.
#[derive(Debug, Clone, Copy)]
pub struct Vouched {
    /// The number of the last verified record.
    pub seq: u64,
    /// The key that has signed.
    pub key: PublicKey,
    /// The time of the signature.
    pub time: OffsetDateTime,
}

impl Copied {
    /// Whether everything is verified and nothing is wrong, except for what is not signed yet.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.faults.is_empty() && self.unverifiable == 0 && self.verified.is_some()
    }

    /// Whether the record `seq` is verified.
    fn covers(&self, seq: u64) -> bool {
        let wrong = |fault: &Fault| {
            fault.seq.is_some_and(|at| at <= seq && fault.to().unwrap_or(at) >= seq)
        };
        self.verified.is_some_and(|it| it.seq >= seq) && !self.faults.iter().any(wrong)
    }
}

/// Verifies a database's copies of journals: of all, or of the one that `only` names. Trusts these keys, and those
/// that they vouch for.
///
/// # Errors
///
/// Fails if the database cannot be queried.
pub async fn verify_table(
    table: &AuditTable,
    trusted: &[PublicKey],
    only: Option<&str>,
) -> Result<Vec<Copied>, DatabaseError> {
    let mut all: BTreeMap<String, Extent> = BTreeMap::new();
    for extent in table.extents().await? {
        all.insert(extent.instance.clone(), extent);
    }
    for instance in table.vouched().await? {
        let none = Extent { instance: instance.clone(), first: 0, last: 0 };
        all.entry(instance).or_insert(none);
    }
    let mut marks = BTreeMap::new();
    for instance in all.keys() {
        let told = table.marks(instance).await?;
        let read =
            |(seq, kind, details): &(u64, String, Value)| Some((*seq, Mark::read(kind, details)?));
        marks.insert(instance.clone(), told.iter().filter_map(read).collect::<Vec<_>>());
    }
    let mut found = Vec::new();
    for instance in all.keys().filter(|it| only.is_none_or(|only| only == it.as_str())) {
        let hints = Hints::of(instance, &marks);
        found.push(one(table, instance, trusted, hints).await?);
    }
    gaps::settle(&mut found);
    known_journals(table, &mut found).await?;
    if only.is_none() {
        unsealed(table, &mut found).await?;
    }
    for copied in &mut found {
        copied.faults.sort_by_key(|fault| fault.seq);
    }
    Ok(found)
}

async fn one(
    table: &AuditTable,
    instance: &str,
    trusted: &[PublicKey],
    hints: Hints,
) -> Result<Copied, DatabaseError> {
    let trusted = keys::trusted(table, instance, trusted).await?;
    let mut records = Records::of(table, instance);
    let mut vouchers = Vouchers::of(table, instance);
    let era = vouchers.peek().await?;
    let mut pass = Pass::new(instance, trusted, hints, era);
    loop {
        if let Some(record) = records.next().await? {
            while let Some(group) = vouchers.before(record.seq).await? {
                pass.vouched(group);
            }
            pass.record(&record);
            continue;
        }
        // What vouches for a record is delivered behind it: a voucher that is newer than all records means that newer
        // records have arrived.
        let Some(seq) = vouchers.peek().await? else { break };
        if seq > pass.at()
            && let Some(record) = records.next().await?
        {
            pass.record(&record);
            continue;
        }
        if let Some(group) = vouchers.before(u64::MAX).await? {
            pass.vouched(group);
        }
    }
    Ok(pass.finish())
}

/// Checks that the journals that others knew are there, as far as these knew them.
async fn known_journals(table: &AuditTable, found: &mut [Copied]) -> Result<(), DatabaseError> {
    let mut claims = Vec::new();
    for (index, copied) in found.iter().enumerate() {
        // The last mark about each journal counts.
        let mut last = BTreeMap::new();
        for (seq, mark) in &copied.marks {
            if let Mark::Known(journals) = mark
                && copied.covers(*seq)
            {
                for (instance, at) in journals {
                    last.insert(instance.clone(), (*seq, *at));
                }
            }
        }
        claims.extend(last.into_iter().map(|(instance, said)| (index, instance, said)));
    }
    for (index, journal, (seq, at)) in claims {
        let kind = match standing(table, &journal, at).await? {
            Standing::Fine => continue,
            Standing::Gone => FaultKind::JournalGone { journal },
            Standing::Back => FaultKind::JournalRolledBack { journal },
        };
        if let Some(copied) = found.get_mut(index) {
            let place = pass::place(&copied.instance);
            copied.faults.push(Fault::new(Some(seq), &place, None, kind));
        }
    }
    Ok(())
}

/// How a journal compares with what a mark says about it.
enum Standing {
    Fine,
    Gone,
    Back,
}

async fn standing(
    table: &AuditTable,
    journal: &str,
    said: Position,
) -> Result<Standing, DatabaseError> {
    let before = said.seq.checked_sub(1).map(|seq| (seq, u64::MAX >> 1, String::new()));
    let mut after = before;
    loop {
        let page = table.vouchers(journal, after.as_ref(), 500).await?;
        let Some(last) = page.last() else { break };
        let end = last.seq > said.seq;
        after = Some((last.seq, last.number, last.digest.clone()));
        if page.iter().any(|it| head_of(&it.line) == Some(said)) {
            return Ok(Standing::Fine);
        }
        if end {
            break;
        }
    }
    let nothing = table.position(journal).await?.is_none();
    let unsigned = table.last_voucher(journal).await?.is_none();
    Ok(if nothing && unsigned { Standing::Gone } else { Standing::Back })
}

fn head_of(line: &str) -> Option<Position> {
    #[derive(serde::Deserialize)]
    struct Said {
        seq: u64,
        head: Head,
    }
    let said: Said = serde_json::from_str(line).ok()?;
    Some(Position { seq: said.seq, head: said.head })
}

/// Reports rows that no gate has written: they have no seal, though sealed ones are older.
async fn unsealed(table: &AuditTable, found: &mut [Copied]) -> Result<(), DatabaseError> {
    let rows = table.unsealed().await?;
    if let Some(copied) = found.first_mut().filter(|_| rows > 0) {
        copied.faults.push(Fault::new(None, "audit_logs", None, FaultKind::RowsUnsealed { rows }));
    }
    Ok(())
}
