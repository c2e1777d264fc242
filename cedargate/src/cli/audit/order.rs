//! Sorts the records of a journal by time.
//!
//! A journal keeps records in the order of their writing, a database in the order of time. Concurrent requests
//! overtake each other on the way to the disk by moments, but a query must return the same from both.

use std::collections::BTreeMap;

use audit::Phase;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::source::Found;

/// The maximum by which a record overtakes another, unless a clock is set.
const WINDOW: Duration = Duration::MINUTE;
/// The maximum number of bytes that are held back.
const ROOM: usize = 16 << 20;

/// The sort key, as in the database: time, id and phase. The number keeps equal records apart.
type Key = (OffsetDateTime, Uuid, &'static str, u64);

/// Records that are held back until no older record can come.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: BTreeMap<Key, Found>,
    bytes: usize,
    newest: Option<OffsetDateTime>,
    count: u64,
}

impl Order {
    /// Notes the time of a record that was read, whether it matches or not.
    pub(super) fn passed(&mut self, at: OffsetDateTime) {
        self.newest = self.newest.max(Some(at));
    }

    /// Adds a matching record.
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

    /// Takes the oldest record out, if no older one is to be expected or too much is held back.
    pub(super) fn due(&mut self) -> Option<Found> {
        let ((at, ..), _) = self.held.first_key_value()?;
        let is_old = self.newest.is_some_and(|newest| newest - *at > WINDOW);
        if is_old || self.bytes > ROOM { self.rest() } else { None }
    }

    /// Takes the oldest record out.
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
