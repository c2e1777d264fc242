//! A bound on requests for each client's address, when one is configured.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::{DefaultKeyedRateLimiter, Quota};

/// Requests between two looks for addresses that have been quiet.
const FORGET_EVERY: u32 = 10_000;

/// So many requests a second from one address, in bursts of as many.
pub(crate) struct RateLimit {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    asked: AtomicU32,
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit").field("addresses", &self.limiter.len()).finish_non_exhaustive()
    }
}

impl RateLimit {
    /// `per_second` requests; zero is no limit.
    pub(crate) fn new(per_second: u32) -> Option<Self> {
        let quota = Quota::per_second(NonZeroU32::new(per_second)?);
        Some(Self { limiter: DefaultKeyedRateLimiter::keyed(quota), asked: AtomicU32::new(0) })
    }

    /// Whether one more request may come from `client` now. An IPv6 client owns its /64.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        let key = match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        };
        // Addresses that have been quiet are forgotten now and then, so that strangers cannot
        // fill the memory.
        if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&key).is_ok()
    }
}
