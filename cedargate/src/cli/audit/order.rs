//! Puts the records of a journal into the order of their times.
//!
//! A journal has them in the order in which they were written, a database by time. Requests that run
//! side by side overtake each other on the way to the disk by moments; the same question has to have
//! the same answer from both.

use std::collections::BTreeMap;

use audit::Phase;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::source::Found;

/// Nothing overtakes anything by more, unless a clock is set.
const WINDOW: Duration = Duration::MINUTE;
/// No more text is held back.
const ROOM: usize = 16 << 20;

/// As the database orders: by time, id and the phase's word. The number tells apart what is the same.
type Key = (OffsetDateTime, Uuid, &'static str, u64);

/// What is held back until nothing older can come.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: BTreeMap<Key, Found>,
    bytes: usize,
    newest: Option<OffsetDateTime>,
    count: u64,
}

impl Order {
    /// A record of that time was read, meant or not.
    pub(super) fn passed(&mut self, at: OffsetDateTime) {
        self.newest = self.newest.max(Some(at));
    }

    /// Takes one.
    pub(super) fn put(&mut self, found: Found) {
        let phase = match found.record.phase {
            Phase::Intent => "intent",
            Phase::Outcome => "outcome",
            Phase::Denial => "denial",
        };
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(found.line.len());
        self.held.insert((found.record.timestamp, found.record.id, phase, self.count), found);
    }

    /// The oldest, if nothing older is to be expected.
    pub(super) fn due(&mut self) -> Option<Found> {
        let ((at, ..), _) = self.held.first_key_value()?;
        let is_old = self.newest.is_some_and(|newest| newest - *at > WINDOW);
        if is_old || self.bytes > ROOM { self.rest() } else { None }
    }

    /// The oldest.
    pub(super) fn rest(&mut self) -> Option<Found> {
        let (_, found) = self.held.pop_first()?;
        self.bytes = self.bytes.saturating_sub(found.line.len());
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use audit::Record;
    use time::macros::datetime;

    fn found(seconds: i64, bytes: usize) -> Found {
        let at = datetime!(2025-01-02 3:04:05 UTC) + Duration::seconds(seconds);
        let record = Record::new(Uuid::nil(), Phase::Intent, at);
        Found { line: "x".repeat(bytes), record, seq: None, behind: None }
    }

    fn given(order: &mut Order, put: Vec<Found>) -> Vec<i64> {
        let mut seen = Vec::new();
        for found in put {
            order.passed(found.record.timestamp);
            order.put(found);
            seen.extend(std::iter::from_fn(|| order.due()));
        }
        let start = datetime!(2025-01-02 3:04:05 UTC);
        seen.iter().map(|found| (found.record.timestamp - start).whole_seconds()).collect()
    }

    #[test]
    fn what_was_overtaken_comes_first_and_nothing_waits_for_ever() {
        let mut order = Order::default();
        let seconds = [3, 1, 2, 62, 61, 64, 200];
        let seen = given(&mut order, seconds.into_iter().map(|at| found(at, 1)).collect());
        assert_eq!(seen, [1, 2, 3, 61, 62, 64]);
        assert!(order.rest().is_some() && order.rest().is_none());
    }

    #[test]
    fn no_more_is_held_back_than_there_is_room_for() {
        let mut order = Order::default();
        let put = (0..40).map(|at| found(at, 1 << 20)).collect();
        assert_eq!(given(&mut order, put), (0..24).collect::<Vec<_>>());
    }
}
