//! Counts how often an answer was given lately.

use std::sync::atomic::{AtomicU32, Ordering};

/// A counter of uses within a tick. The first use in a later tick starts from half of the count so far. Two
/// concurrent uses may count as one, which is precise enough to rank answers.
///
/// The upper half of the number is the tick modulo 65,536, the lower half is the count.
#[derive(Debug)]
pub(super) struct Uses(AtomicU32);

impl Uses {
    pub(super) fn once(tick: u32) -> Self {
        Self(AtomicU32::new(packed(tick, 1)))
    }

    pub(super) fn same(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }

    pub(super) fn again(&self, tick: u32) {
        let (last, count) = self.unpacked();
        let before = if last == tick & 0xffff { count } else { count / 2 };
        self.0.store(packed(tick, before.saturating_add(1)), Ordering::Relaxed);
    }

    /// The count, if the last use was in this tick or the one before.
    pub(super) fn lately(&self, tick: u32) -> Option<u32> {
        let (last, count) = self.unpacked();
        let age = (tick & 0xffff).wrapping_sub(last) & 0xffff;
        (age <= 1).then_some(count)
    }

    fn unpacked(&self) -> (u32, u32) {
        let packed = self.0.load(Ordering::Relaxed);
        (packed >> 16, packed & 0xffff)
    }
}

fn packed(tick: u32, count: u32) -> u32 {
    tick << 16 | count.min(0xffff)
}

#[cfg(test)]
mod tests {
    use super::Uses;

    #[test]
    fn what_is_asked_for_often_counts_more_and_is_forgotten() {
        let uses = Uses::once(7);
        (0..9).for_each(|_| uses.again(7));
        assert_eq!((uses.lately(7), uses.lately(8), uses.lately(9)), (Some(10), Some(10), None));
        uses.again(8);
        assert_eq!(uses.lately(8), Some(6));
        (0..100_000).for_each(|_| uses.again(8));
        assert_eq!(uses.lately(8), Some(0xffff));
    }

    #[test]
    fn ticks_begin_again() {
        let uses = Uses::once(0xffff);
        assert_eq!((uses.lately(0x1_0000), uses.lately(0x1_0001)), (Some(1), None));
        uses.again(0x1_0000);
        assert_eq!(uses.lately(0x1_0000), Some(1));
    }
}
