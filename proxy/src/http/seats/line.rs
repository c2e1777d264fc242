//! Connections in the order in which they became idle.
//!
//! The order is kept lazily: a connection does not update it when it becomes idle or busy. An entry holds the start of
//! the idle time as known when the entry was made, which is never later than the current one. So the first entry that
//! still is accurate is the longest idle connection; an outdated one is put back at its current place.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{BUSY, LEAVING, Mark};

/// The time in nanoseconds for which no search is made after all connections were found busy.
const PAUSE: u64 = 10_000_000;

/// Connections, ordered by the earliest time since when each may be idle.
#[derive(Debug, Default)]
pub(super) struct Line {
    entries: BinaryHeap<Reverse<(u64, u64)>>,
    /// The time before which no search is made, because all connections were busy.
    pause: u64,
}

impl Line {
    /// Adds a connection that is idle since `now`.
    pub(super) fn add(&mut self, number: u64, now: u64, taken: &HashMap<u64, Arc<Mark>>) {
        // Entries of closed connections stay behind; this bounds their number.
        if self.entries.len() > 2 * taken.len() + 16 {
            self.entries.retain(|Reverse((_, number))| taken.contains_key(number));
        }
        self.entries.push(Reverse((now, number)));
    }

    /// The longest idle connection, marked as told to close. `None`: all are busy.
    pub(super) fn longest_idle(
        &mut self,
        taken: &HashMap<u64, Arc<Mark>>,
        now: u64,
    ) -> Option<Arc<Mark>> {
        if now < self.pause {
            return None;
        }
        while let Some(Reverse((since, number))) = self.entries.pop() {
            let Some(mark) = taken.get(&number) else { continue };
            match mark.state.load(Ordering::Acquire) {
                LEAVING => {}
                // An entry that was put back below: all others are busy too, or became idle only a moment ago.
                _ if since > now => {
                    self.entries.push(Reverse((since, number)));
                    break;
                }
                BUSY => self.entries.push(Reverse((now + 1, number))),
                idle if idle > since => self.entries.push(Reverse((idle, number))),
                idle => {
                    let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
                    if mark.state.compare_exchange(idle, LEAVING, success, failure).is_ok() {
                        return Some(Arc::clone(mark));
                    }
                    self.entries.push(Reverse((now + 1, number)));
                }
            }
        }
        self.pause = now.saturating_add(PAUSE);
        None
    }
}

#[cfg(test)]
impl Line {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn unpause(&mut self) {
        self.pause = 0;
    }
}
