//! A rate limit on requests per client address, if configured.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

/// The size of an entry in bytes: the address, its count, and its place in the tables of the cache.
const ADDRESS: u64 = 160;

/// When the past requests of an address are worked off, in nanoseconds since the limit was made.
type WorkedOff = Arc<AtomicU64>;

/// The maximum number of requests per second from one address, in bursts of the same number.
///
/// The memory is bounded. An address that was forgotten because of too many others starts with a full burst. A client
/// with that many addresses cannot be held by a per-address limit anyway, and no other client is refused for it.
pub(crate) struct RateLimit {
    /// The time in nanoseconds that one request takes to work off.
    each: u64,
    began: Instant,
    addresses: Arc<Cache<IpAddr, WorkedOff, EachTheSame, ahash::RandomState>>,
}

#[derive(Debug, Clone)]
struct EachTheSame;

impl Weighter<IpAddr, WorkedOff> for EachTheSame {
    fn weight(&self, _: &IpAddr, _: &WorkedOff) -> u64 {
        ADDRESS
    }
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit")
            .field("addresses", &self.addresses.len())
            .finish_non_exhaustive()
    }
}

/// A second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;

impl RateLimit {
    /// A limit of `per_second` requests, whose counts take at most `memory` bytes. `None` for zero requests: no limit.
    pub(crate) fn new(per_second: u32, memory: u64) -> Option<Self> {
        let each = SECOND / u64::from(NonZeroU32::new(per_second)?.get());
        let usual = usize::try_from(memory / ADDRESS).unwrap_or(usize::MAX);
        let hasher = ahash::RandomState::new();
        let addresses =
            Cache::with(usual, memory, EachTheSame, hasher, DefaultLifecycle::default());
        Some(Self { each, began: Instant::now(), addresses: Arc::new(addresses) })
    }

    /// A function that returns how many bytes the addresses take.
    pub(crate) fn held(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let addresses = Arc::clone(&self.addresses);
        move || addresses.weight()
    }

    /// Whether one more request from `client` is allowed now. Counts the request if so.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        self.allows_after(client, self.began.elapsed())
    }

    fn allows_after(&self, client: IpAddr, passed: Duration) -> bool {
        let now = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        let address = owned_by(client);
        let worked_off = self.addresses.get(&address).unwrap_or_else(|| {
            let new = WorkedOff::default();
            self.addresses.insert(address, Arc::clone(&new));
            new
        });
        let one_more = |before: u64| {
            let after = before.max(now).saturating_add(self.each);
            (after <= now.saturating_add(SECOND)).then_some(after)
        };
        worked_off.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

/// The first of the addresses that a client owns if it has this one: an IPv6 client owns its /64. An IPv4
/// address and its IPv4-mapped form are the same client.
pub(crate) fn owned_by(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: u64 = 1 << 20;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let limit = RateLimit::new(5, MEMORY).unwrap();
        let at = |millis: u64, client: &str| {
            (0..100)
                .filter(|_| limit.allows_after(ip(client), Duration::from_millis(millis)))
                .count()
        };
        assert_eq!((at(0, "192.0.2.1"), at(0, "192.0.2.2")), (5, 5));
        assert_eq!((at(100, "192.0.2.1"), at(200, "192.0.2.1"), at(800, "192.0.2.1")), (0, 1, 3));
        assert_eq!(at(10_000, "192.0.2.1"), 5);
        assert!(RateLimit::new(0, MEMORY).is_none());
    }

    #[test]
    fn a_client_is_its_address_or_its_network() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(owned_by(ip(one)) == owned_by(ip(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn many_addresses_fill_no_memory_and_nobody_else_is_refused() {
        let limit = RateLimit::new(1, MEMORY).unwrap();
        for number in 0..100_000_u32 {
            assert!(limit.allows(IpAddr::V4(number.into())));
        }
        let held = limit.held()();
        assert!(held > 0 && held <= MEMORY, "{held}");
    }
}
