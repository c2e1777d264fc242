//! The minimum pace at which the peer of a connection must move bytes.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::idle::Idle;

/// How slow a client may be in the middle of a request or a response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The maximum time in which no bytes move, and the time over which the rate is averaged.
    pub(crate) timeout: Duration,
    /// The minimum number of bytes per second. 0: only silence ends the wait.
    pub(crate) rate: u64,
}

/// Ends the wait for a peer that moves nothing for [`Patience::timeout`], or moves less than
/// [`Patience::rate`] on average while the gate waits for it. Other time does not count.
/// With a limit on silence alone, a client that sends one byte a minute could hold its connection for ever.
#[derive(Debug)]
pub(crate) struct Pace {
    idle: Idle,
    patience: Patience,
    /// The start of the current wait.
    since: Option<Instant>,
    waited: Duration,
    moved: u64,
    too_slow: bool,
}

impl Pace {
    pub(crate) fn new(patience: Patience) -> Self {
        Self {
            idle: Idle::new(patience.timeout),
            patience,
            since: None,
            waited: Duration::ZERO,
            moved: 0,
            too_slow: false,
        }
    }

    /// Starts another request or response: the pace so far is forgotten.
    pub(crate) fn begin(&mut self) {
        self.idle.begin();
        (self.since, self.waited, self.moved, self.too_slow) = (None, Duration::ZERO, 0, false);
    }

    /// Records that the peer has moved this number of bytes.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.idle.begin();
        self.moved += bytes as u64;
        // The clock is read only if the gate waited for the peer.
        let Some(since) = self.since.take() else { return };
        self.waited += since.elapsed();
        if self.waited >= self.patience.timeout {
            let seconds = self.waited.as_secs().max(1);
            self.too_slow = self.moved < self.patience.rate.saturating_mul(seconds);
            (self.waited, self.moved) = (Duration::ZERO, 0);
        }
    }

    /// Whether the peer has been too slow on average.
    pub(crate) fn is_too_slow(&self) -> bool {
        self.too_slow
    }

    /// Completes when the peer has moved nothing for the timeout, or has been too slow on average.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.patience.rate > 0 && self.since.is_none() {
            self.since = Some(Instant::now());
        }
        if !self.too_slow {
            ready!(self.idle.poll_over(cx));
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn pace(rate: u64) -> Pace {
        Pace::new(Patience { timeout: Duration::from_secs(10), rate })
    }

    /// Moves `bytes` each second until the pace is over. Returns the seconds that passed, at most 100.
    async fn until_over(pace: &mut Pace, bytes: usize) -> u64 {
        let begun = Instant::now();
        for _ in 0..100 {
            tokio::select! {
                () = poll_fn(|cx| pace.poll_over(cx)) => break,
                () = tokio::time::sleep(Duration::from_secs(1)) => pace.moved(bytes),
            }
        }
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_over_after_the_timeout_and_a_steady_stream_is_not() {
        assert_eq!(until_over(&mut pace(100), 99).await, 10);
        assert_eq!(until_over(&mut pace(100), 100).await, 100);
        assert_eq!(until_over(&mut pace(0), 1).await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_over_after_the_timeout() {
        let mut pace = pace(0);
        let begun = Instant::now();
        poll_fn(|cx| pace.poll_over(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_does_not_count() {
        let mut pace = pace(100);
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            pace.moved(1);
        }
        assert!(!pace.is_too_slow());
    }
}
