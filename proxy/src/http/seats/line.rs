//! Connections in the order in which they became idle.
//!
//! The order is kept lazily: a connection does not touch it when it becomes idle or busy. An entry says since when a
//! connection was idle when the entry was made, and that is never later than the truth. So the first entry that
//! still is true is the longest idle connection; one that is not is put where it belongs now.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{BUSY, LEAVING, Mark};

/// Where all connections were found busy, they are not looked through again for so long, in nanoseconds.
const PAUSE: u64 = 10_000_000;

/// Connections, those that may be idle for longest first.
#[derive(Debug, Default)]
pub(super) struct Line {
    entries: BinaryHeap<Reverse<(u64, u64)>>,
    /// Until when nobody is looked for, because nobody was idle.
    pause: u64,
}

impl Line {
    /// Puts a connection into the line, which is idle since `now`.
    pub(super) fn add(&mut self, number: u64, now: u64, taken: &HashMap<u64, Arc<Mark>>) {
        // Entries of connections that have ended are left behind, but never more than there are others.
        if self.entries.len() > 2 * taken.len() + 16 {
            self.entries.retain(|Reverse((_, number))| taken.contains_key(number));
        }
        self.entries.push(Reverse((now, number)));
    }

    /// The connection that is idle for longest, which is to close from now on. `None`: all are busy.
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
                // It is what was put back below: all others are busy, too, or were idle only a moment ago.
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
