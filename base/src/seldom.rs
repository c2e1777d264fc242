//! Log lines that a client can cause as often as it likes: at most one a second, which says how many were left out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time between two lines, in milliseconds.
const EVERY: u64 = 1000;

/// Decides which of many equal lines is written.
#[derive(Debug)]
pub struct Seldom {
    began: Instant,
    /// When the next line may be written, in milliseconds since the beginning.
    next: AtomicU64,
    left_out: AtomicU64,
}

impl Default for Seldom {
    fn default() -> Self {
        Self { began: Instant::now(), next: AtomicU64::new(0), left_out: AtomicU64::new(0) }
    }
}

impl Seldom {
    /// Whether a line may be written now, and how many were left out before it.
    pub fn now(&self) -> Option<u64> {
        self.after(self.began.elapsed())
    }

    fn after(&self, passed: Duration) -> Option<u64> {
        let now = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let due = |next: u64| (now >= next).then_some(now.saturating_add(EVERY));
        if self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_says_how_many_were_left_out() {
        let seldom = Seldom::default();
        let said: Vec<Option<u64>> =
            [0, 1, 999, 1000, 1500, 5000].map(|it| seldom.after(Duration::from_millis(it))).into();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
