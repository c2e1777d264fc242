//! What the courier of a database finds there and marks in the journal: removals by retention, other journals, and
//! records that the database had and no longer has.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Errand, SinkError, wall_clock};
use crate::AuditTable;
use crate::checkpoint::SignedCheckpoint;
use crate::mark::{DELIVERY_BEGUN, JOURNALS_KNOWN, RETAINED, SINK_LOST, details};
use crate::segments;
use crate::table::Removal;

/// The interval between two looks for removals.
const REMOVALS: Duration = Duration::from_secs(5);
/// The interval between two looks for other journals: each gate that shares a database marks by the hour how far the
/// others are.
const OTHERS: Duration = Duration::from_hours(1);
/// The minimum age of records that may be removed (45 CFR 164.316(b)(2)(i)): six years, less a day for clocks that
/// differ.
const SIX_YEARS: time::Duration = time::Duration::days(6 * 365);

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Whether the findings at the beginning are marked.
    begun: bool,
    removals: Option<Instant>,
    others: Option<Instant>,
    /// What the last mark said about other journals.
    known: Vec<Value>,
}

impl Notices {
    /// Marks what the sink lacks when delivery begins. The sink has records up to `has`.
    ///
    /// # Errors
    ///
    /// Fails if the journal does not take the mark.
    pub(super) fn begun(&mut self, errand: &Errand, has: u64) -> Result<(), SinkError> {
        if self.begun || errand.sink.table().is_none() {
            return Ok(());
        }
        let journal = errand.journal.upgrade().ok_or(SinkError::Closed)?;
        let sink = errand.sink.name();
        let first = segments::list(&errand.directory)?.first().map_or(1, |it| it.first);
        match journal.claimed() {
            Some(had) if had > has => {
                tracing::error!(
                    had,
                    has,
                    "the database had taken more audit records of this journal than it has now: somebody removed them, or put an older database in its place"
                );
                journal
                    .mark(SINK_LOST, details(json!({ "sink": sink, "had": had, "has": has })))?;
            }
            None if has == 0 && first > 1 => {
                journal.mark(DELIVERY_BEGUN, details(json!({ "sink": sink, "first": first })))?;
            }
            _ => {}
        }
        self.begun = true;
        Ok(())
    }

    /// Looks for removals and other journals, if it is time to.
    ///
    /// # Errors
    ///
    /// Fails if the database does not answer, or the journal does not take a mark.
    pub(super) async fn look(&mut self, errand: &Errand) -> Result<(), SinkError> {
        let Some(table) = errand.sink.table() else { return Ok(()) };
        if is_due(self.removals, REMOVALS) {
            for removal in table.removals(&errand.instance).await? {
                sign(errand, table, &removal).await?;
            }
            self.removals = Some(Instant::now());
        }
        if is_due(self.others, OTHERS) {
            let known = others(table, &errand.instance).await?;
            if !known.is_empty() && known != self.known {
                let journal = errand.journal.upgrade().ok_or(SinkError::Closed)?;
                let told = json!({ "sink": errand.sink.name(), "journals": known });
                journal.mark(JOURNALS_KNOWN, details(told))?;
                self.known = known;
            }
            self.others = Some(Instant::now());
        }
        Ok(())
    }
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

/// Marks a removal. A removal that is not allowed gets no mark: then the missing records are a fault.
async fn sign(errand: &Errand, table: &AuditTable, removal: &Removal) -> Result<(), SinkError> {
    let cutoff = OffsetDateTime::parse(&removal.cutoff, &Rfc3339).ok();
    let youngest = wall_clock().saturating_sub(SIX_YEARS);
    if cutoff.is_none_or(|cutoff| cutoff > youngest) {
        tracing::error!(
            id = %removal.id,
            cutoff = %removal.cutoff,
            "the database says that retention removed audit records that have to be kept for six years"
        );
    } else {
        let Removal { instance, first, last, head, records, cutoff, removed_at, .. } = removal;
        let told = json!({
            "sink": errand.sink.name(), "instance": instance, "first": first, "last": last, "head": head,
            "records": records, "cutoff": cutoff, "removed_at": removed_at,
        });
        let journal = errand.journal.upgrade().ok_or(SinkError::Closed)?;
        journal.mark(RETAINED, details(told))?;
    }
    Ok(table.removal_signed(&removal.id, &errand.instance).await?)
}

/// The other journals that the database knows, and the last checkpoint that it has of each.
async fn others(table: &AuditTable, own: &str) -> Result<Vec<Value>, SinkError> {
    let mut known = Vec::new();
    for instance in table.vouched().await? {
        if instance == own {
            continue;
        }
        let last = table.last_voucher(&instance).await?;
        let last = last.and_then(|last| SignedCheckpoint::parse(last.line.as_bytes()));
        let Some(last) = last.map(|last| last.checkpoint) else { continue };
        known.push(json!({
            "instance": instance, "seq": last.seq, "number": last.number, "head": last.head,
        }));
    }
    Ok(known)
}
