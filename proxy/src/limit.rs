//! A bound on requests for each client's address, when one is configured.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota};

/// So many requests a second from one address, in bursts of as many.
pub(crate) struct RateLimit(DefaultKeyedRateLimiter<IpAddr>);

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit").field("addresses", &self.0.len()).finish()
    }
}

impl RateLimit {
    /// `per_second` requests; zero is no limit.
    pub(crate) fn new(per_second: u32) -> Option<Self> {
        let quota = Quota::per_second(NonZeroU32::new(per_second)?);
        Some(Self(DefaultKeyedRateLimiter::keyed(quota)))
    }

    /// Whether one more request may come from `client` now. An IPv6 client owns its /64.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        let key = match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(address) => {
                IpAddr::V6((u128::from(address) >> 64 << 64).into())
            }
        };
        self.0.check_key(&key).is_ok()
    }

    /// Forgets addresses that have been quiet.
    pub(crate) fn forget_quiet(&self) {
        self.0.retain_recent();
    }
}
