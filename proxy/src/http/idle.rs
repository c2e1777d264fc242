//! How long nothing happens on a connection, without a timer for each request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Ends a time of idleness. Its one timer is set anew only when it goes off: then it looks how long
/// nothing has happened, and goes on for the rest.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    /// `None`: it was not waited yet, and the clock was not read.
    since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, since: None, timer: Box::pin(tokio::time::sleep(limit)) }
    }

    /// From now on nothing happens.
    pub(crate) fn begin(&mut self) {
        self.since = None;
    }

    /// Waits until nothing has happened for the limit.
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
        // The timer of the first time goes off in the middle of the second.
        tokio::time::sleep(limit / 2).await;
        idle.begin();
        let begun = Instant::now();
        poll_fn(|cx| idle.poll_over(cx)).await;
        assert!(begun.elapsed() >= limit);
    }
}
