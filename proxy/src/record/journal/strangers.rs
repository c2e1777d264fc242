//! Requests of nobody: so many a second are written, the others counted.
//!
//! Whoever has no token yet can ask as often as he likes. He fills no disk by it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::record::entry::{Phase, Record, Word};

const SECOND: Duration = Duration::from_secs(1);

/// The strangers of this second.
#[derive(Debug)]
pub(super) struct Strangers {
    limit: u32,
    /// Seconds are measured, not read from the wall clock: that may be set back.
    since: Instant,
    admitted: u32,
    counted: Option<Counted>,
}

/// Those that were only counted.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    reasons: BTreeMap<Word, u64>,
    from: OffsetDateTime,
    to: OffsetDateTime,
}

impl Strangers {
    /// At most `limit` a second are written.
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, since: Instant::now(), admitted: 0, counted: None }
    }

    /// Counts a request if there were too many before it; else it is to be written.
    pub(super) fn counts(&mut self, reason: &Word, at: OffsetDateTime) -> bool {
        if self.since.elapsed() >= SECOND {
            self.since = Instant::now();
            self.admitted = 0;
        }
        if self.admitted < self.limit {
            self.admitted = self.admitted.saturating_add(1);
            return false;
        }
        let one = Counted { reasons: BTreeMap::from([(reason.clone(), 1)]), from: at, to: at };
        self.give_back(one);
        true
    }

    /// What was counted, when its second is over or `early`.
    pub(super) fn take(&mut self, early: bool) -> Option<Counted> {
        if early || self.since.elapsed() >= SECOND { self.counted.take() } else { None }
    }

    /// Counts again what could not be written.
    pub(super) fn give_back(&mut self, counted: Counted) {
        let Some(mine) = &mut self.counted else {
            self.counted = Some(counted);
            return;
        };
        for (reason, count) in counted.reasons {
            let sum = mine.reasons.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
        mine.from = mine.from.min(counted.from);
        mine.to = mine.to.max(counted.to);
    }
}

impl Counted {
    /// The one record that stands for them all.
    pub(super) fn summary(&self) -> Record {
        let spelled = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        let mut record = Record::new(Uuid::now_v7(), Phase::Denial, self.to);
        record.reason = "summary".into();
        let summary = json!({
            "counts": self.reasons,
            "from": spelled(self.from),
            "to": spelled(self.to),
        });
        record.details.insert("summary".into(), summary);
        record
    }
}
