//! An idle timeout that does not set a timer for each request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// An idle timeout. Its single timer is reset only when it fires, to the remaining idle time.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    /// The start of the idle time; `None` until the first poll, so that `begin` reads no clock.
    since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: Box::pin(tokio::time::sleep(limit)) }
    }

    /// Restarts the idle time.
    pub(crate) fn begin(&mut self) {
        self.since = None;
    }

    /// Completes when the connection has been idle for the limit.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let over = since + self.limit;
            if Instant::now() >= over {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(over);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn it_is_over_a_limit_after_the_last_beginning() {
        let limit = Duration::from_millis(30);
        let mut idle = Idle::new(limit);
        // The timer of the first idle time fires in the middle of the second one.
        tokio::time::sleep(limit / 2).await;
        idle.begin();
        let begun = Instant::now();
        poll_fn(|cx| idle.poll_over(cx)).await;
        assert!(begun.elapsed() >= limit);
    }
}
