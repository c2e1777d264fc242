//! Waiting for what will come: a condition and a deadline, never a bare sleep.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up: generous, for a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Asks again and again until there is something, and ends the test when there never is.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ends the test when `work` takes longer than anything may.
pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, work).await;
    done.unwrap_or_else(|late| panic!("took too long: {what}: {late}"))
}
