//! What the journal notes of itself once it can: periods in which records could not be written.

use std::time::{Duration, Instant};

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::shared::{Shared, spelled};
use super::{Unrecordable, now};
use crate::Record;
use crate::mark::{UNAVAILABLE, details, mark};

/// The time without a refusal after which an outage is over.
const CALM: Duration = Duration::from_secs(1);

/// A period in which records could not be written.
#[derive(Debug)]
pub(super) struct Outage {
    from: OffsetDateTime,
    to: OffsetDateTime,
    /// When the last record was refused.
    last: Instant,
    refused: u64,
}

impl Outage {
    fn mark(&self) -> Record {
        let spelled = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        let (from, to) = (spelled(self.from), spelled(self.to));
        let told = json!({ "from": from, "to": to, "refused": self.refused });
        mark(UNAVAILABLE, details(told), now())
    }
}

impl Shared {
    /// Notes that a record was refused or lost.
    pub(super) fn note_failure(&self) {
        let (at, last) = (now(), Instant::now());
        let mut outage = self.outage();
        let it = outage.get_or_insert(Outage { from: at, to: at, last, refused: 0 });
        (it.to, it.last) = (it.to.max(at), last);
        it.refused = it.refused.saturating_add(1);
    }

    /// Marks an outage in the journal once it is over; with `early`, before that. A mark that cannot be written now
    /// is tried again the next time.
    pub(super) fn write_outage(&self, early: bool) {
        let over = |outage: &mut Outage| early || outage.last.elapsed() >= CALM;
        let Some(outage) = self.outage().take_if(over) else { return };
        // While the quota is used up, the outage is not over, though a mark could be written.
        let written = early || self.writer().room().is_ok();
        if !written || self.write_mark(&outage.mark()).is_err() {
            let mut now = self.outage();
            let more = now.take();
            let mut outage = outage;
            if let Some(more) = more {
                (outage.to, outage.last) = (more.to, more.last);
                outage.refused = outage.refused.saturating_add(more.refused);
            }
            *now = Some(outage);
        }
    }

    /// Writes a mark, even if the quota is used up.
    pub(super) fn write_mark(&self, mark: &Record) -> Result<(), Unrecordable> {
        spelled(mark, |line| Ok(self.writer().append_anyway(line).map(drop)?))
    }
}
