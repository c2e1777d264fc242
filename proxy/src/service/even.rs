//! Delays a refusal that must not reveal whether an object exists, so that its timing reveals nothing.
//!
//! The number of database queries is the same either way (`pipeline/tenancy.rs`). What is left is a difference of
//! microseconds: an existing row is decoded, and the policies are evaluated for it. The difference
//! vanishes because all such responses are sent at whole multiples of a step.

use std::time::{Duration, Instant};

/// The step. It is longer than the queries take on a near database. On a distant one, a difference of microseconds
/// still rarely crosses a multiple of the step.
const STEP: Duration = Duration::from_millis(2);

/// Waits for the next multiple of [`STEP`] since `began`.
pub(super) async fn wait(began: Instant) {
    tokio::time::sleep_until((began + next(began.elapsed())).into()).await;
}

/// The first multiple of [`STEP`] after `passed`.
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
