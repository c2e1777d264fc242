//! The clock of the records, which somebody may set back.
//!
//! INVARIANT: records made after the clock was set back stand behind a mark that says so, at the beginning of a
//! segment whose name has the greatest time before. So a search by time misses nothing.

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Writer;
use crate::journal::now;
use crate::journal::recovery::ClockBack;
use crate::mark::{CLOCK_BACK, details, mark};
use crate::spelling::spell;

/// What the journal knows of the clock.
#[derive(Debug)]
pub(in crate::journal) struct Clock {
    /// The greatest time that the clock has ever shown.
    pub(super) greatest: OffsetDateTime,
    /// The time that the clock showed last.
    last: OffsetDateTime,
    /// Set if the clock was set back and the journal has no mark of it yet.
    back: Option<ClockBack>,
    /// How often the clock was set back.
    count: u64,
}

impl Clock {
    /// A clock that continues from the greatest known time, and from what was found at the start.
    pub(in crate::journal) fn begin(
        greatest: Option<OffsetDateTime>,
        back: Option<ClockBack>,
    ) -> Self {
        let mut clock = Self {
            greatest: greatest.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            last: OffsetDateTime::UNIX_EPOCH,
            back: None,
            count: 0,
        };
        if let Some(back) = back {
            clock.is_back(back);
        }
        clock
    }

    /// Notes the time of the clock. Returns whether it was set back since the last call.
    fn observe(&mut self, now: OffsetDateTime) -> bool {
        let back = ClockBack::seen(self.last, now);
        let greatest = self.greatest;
        (self.last, self.greatest) = (now, greatest.max(now));
        if back.is_some() {
            self.is_back(ClockBack { greatest, clock: now });
        }
        back.is_some()
    }

    /// Notes that the mark is written.
    pub(super) fn marked(&mut self) {
        self.back = None;
    }

    fn is_back(&mut self, back: ClockBack) {
        tracing::warn!(
            greatest = %back.greatest,
            clock = %back.clock,
            "the clock was set back: records count by the greatest time before that, too"
        );
        self.count = self.count.saturating_add(1);
        self.back.get_or_insert(back);
    }
}

impl ClockBack {
    fn mark(&self) -> crate::Record {
        let spelled = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        let (greatest, clock) = (spelled(self.greatest), spelled(self.clock));
        mark(CLOCK_BACK, details(json!({ "greatest": greatest, "clock": clock })), self.clock)
    }
}

impl Writer {
    /// Looks at the clock before something is written. If it was set back, the segment ends here.
    pub(super) fn look_at_clock(&mut self) {
        if self.clock.observe(now()) && self.segment.is_some() {
            self.give_up();
        }
    }

    /// Seals the mark that the clock was set back, before the records that follow it.
    pub(super) fn seal_clock(&mut self) {
        let Some(back) = &self.clock.back else { return };
        let mut line = Vec::new();
        if spell(&back.mark(), &mut line).is_ok() {
            self.sealer.seal(&line, &mut self.gathered);
        }
    }

    /// Looks at the clock while nothing is written, and marks it if it was set back.
    pub(in crate::journal) fn mind_clock(&mut self) {
        self.look_at_clock();
        if self.clock.back.is_some() {
            let written = self.write(0, None);
            let _said = self.noted(written);
        }
    }

    /// How often the clock was set back.
    pub(in crate::journal) fn clocks_back(&self) -> u64 {
        self.clock.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_clock_is_set_back_when_it_says_less_than_before_by_more_than_a_second() {
        let at = datetime!(2026-11-30 12:00 UTC);
        let mut clock = Clock::begin(Some(at), None);
        let steps = [(0, false), (10, false), (9, false), (5, true), (6, false), (-9999, true)];
        for (seconds, back) in steps {
            let now = at + time::Duration::seconds(seconds);
            assert_eq!(clock.observe(now), back, "{seconds}");
        }
        assert_eq!((clock.count, clock.greatest), (2, at + time::Duration::seconds(10)));
        // The first step back is the one that is marked: the greatest time is the same.
        assert_eq!(clock.back.unwrap().greatest, clock.greatest);
        let clock = Clock::begin(Some(at), ClockBack::seen(at, at - time::Duration::days(30)));
        assert_eq!((clock.count, clock.back.is_some()), (1, true));
    }
}
