//! When a refusal is answered that must not tell whether something is there.
//!
//! The database is asked the same number of questions either way (`pipeline/tenancy.rs`). What is left
//! are microseconds: a row that is there is decoded, and the policies are asked about it. They
//! vanish where all such answers leave at whole multiples of a step.

use std::time::{Duration, Instant};

/// Longer than the questions take with a database that is near. Where it is far, the times between
/// which one could choose are still so far apart.
const STEP: Duration = Duration::from_millis(2);

/// Waits until a whole number of steps have passed since `began`.
pub(super) async fn wait(began: Instant) {
    tokio::time::sleep_until((began + next(began.elapsed())).into()).await;
}

/// The first whole number of steps after `passed`.
fn next(passed: Duration) -> Duration {
    let steps = passed.as_nanos() / STEP.as_nanos();
    STEP * u32::try_from(steps).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_at_whole_steps() {
        for (passed, leaves) in [(0, 2000), (150, 2000), (1999, 2000), (2000, 4000), (4100, 6000)] {
            let leaves = Duration::from_micros(leaves);
            assert_eq!(next(Duration::from_micros(passed)), leaves, "{passed}");
        }
    }
}
