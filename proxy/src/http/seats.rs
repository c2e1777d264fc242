//! Limits the number of connections, in total and per client, and closes idle ones to make room for new
//! ones. A seat stands for one connection.
//!
//! Only idle connections are closed, the longest idle first. A connection is idle while it waits for a request or
//! for the rest of its head. It marks itself idle or busy without a lock, and the registry reads the marks
//! only when a bound is reached. A list in the order of use would need a lock that all
//! requests share.

mod line;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::http::limit::owned_by;

use line::Line;

/// The state of a busy connection.
const BUSY: u64 = 0;
/// The state of a connection that was told to close.
const LEAVING: u64 = u64::MAX;
/// The maximum number of connections that were told to close but are still open. Beyond it, accepting waits.
const SLACK: usize = 64;
/// The maximum wait for them. They close at once unless the machine is very busy.
const PATIENCE: Duration = Duration::from_millis(20);

/// The maximum number of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The maximum in total.
    pub(crate) total: usize,
    /// The maximum from one client: an IPv4 address or the /64 of an IPv6 address.
    pub(crate) client: usize,
}

/// The bound for which a connection was refused or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// [`Bounds::total`].
    Total,
    /// [`Bounds::client`].
    Client,
}

impl Beyond {
    /// Every bound.
    pub(crate) const ALL: [Self; 2] = [Self::Total, Self::Client];

    /// The name of the bound in metrics and log lines.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Client => "client",
        }
    }
}

/// A change of the seats, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A seat was taken.
    Taken,
    /// A seat was freed.
    Free,
    /// An idle connection was told to close.
    ClosedEarly(Beyond),
}

/// The registry of all seats.
pub(crate) struct Seats {
    bounds: Bounds,
    began: Instant,
    state: Mutex<State>,
    left: Notify,
    observer: Box<dyn Fn(Event) + Send + Sync>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    taken: HashMap<u64, Arc<Mark>>,
    /// How many of the taken seats were told to close.
    leaving: usize,
    line: Line,
    clients: HashMap<IpAddr, Client>,
}

/// The connections of one client.
#[derive(Debug, Default)]
struct Client {
    taken: usize,
    leaving: usize,
    line: Line,
}

/// The state of a connection, shared between the connection and the registry.
#[derive(Debug)]
struct Mark {
    client: Option<IpAddr>,
    /// [`BUSY`], [`LEAVING`], or the start of the idle time in nanoseconds since the registry was made.
    state: AtomicU64,
    told: Notify,
}

/// The seat of one connection. Dropping a seat frees it.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    mark: Arc<Mark>,
    seats: Arc<Seats>,
}

impl std::fmt::Debug for Seats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seats").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Seats {
    /// A registry with these bounds.
    pub(crate) fn new(
        bounds: Bounds,
        observer: impl Fn(Event) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (state, left) = (Mutex::default(), Notify::new());
        Arc::new(Self { bounds, began: Instant::now(), state, left, observer: Box::new(observer) })
    }

    /// Takes a seat for a connection that has sent nothing yet. `client` is its address; `None` exempts the connection
    /// from the per-client bound. At a bound, the longest idle connection that counts towards it is told to close.
    ///
    /// # Errors
    ///
    /// Fails at a bound if none of its connections is idle.
    pub(crate) fn take(self: &Arc<Self>, client: Option<IpAddr>) -> Result<Seat, Beyond> {
        let client = client.map(owned_by);
        let now = self.now();
        let mut state = self.state();
        if let Some(client) = client
            && state.of(client) >= self.bounds.client
        {
            self.close_longest_idle(&mut state, Some(client), now).ok_or(Beyond::Client)?;
        }
        if state.taken.len() - state.leaving >= self.bounds.total {
            self.close_longest_idle(&mut state, None, now).ok_or(Beyond::Total)?;
        }
        let mark = Arc::new(Mark { client, state: AtomicU64::new(now), told: Notify::new() });
        let number = state.add(&mark, now);
        drop(state);
        (self.observer)(Event::Taken);
        Ok(Seat { number, mark, seats: Arc::clone(self) })
    }

    /// Tells up to `count` connections to close, the longest idle first. For a process that is out of descriptors.
    pub(crate) fn make_room(&self, count: usize) {
        let now = self.now();
        let mut state = self.state();
        for _ in 0..count {
            if self.close_longest_idle(&mut state, None, now).is_none() {
                return;
            }
        }
    }

    /// Waits until at most [`SLACK`] connections that were told to close are still open, so that the bounds are never
    /// exceeded by much.
    pub(crate) async fn settled(&self) {
        let gone = async {
            while self.state().leaving > SLACK {
                self.left.notified().await;
            }
        };
        let _too_busy = tokio::time::timeout(PATIENCE, gone).await;
    }

    /// Tells the longest idle connection to close: of all connections, or of one client.
    fn close_longest_idle(&self, state: &mut State, of: Option<IpAddr>, now: u64) -> Option<()> {
        let State { taken, line, clients, .. } = state;
        let line = match of {
            Some(client) => &mut clients.get_mut(&client)?.line,
            None => line,
        };
        let mark = line.longest_idle(taken, now)?;
        state.leaving += 1;
        if let Some(client) = mark.client.and_then(|client| state.clients.get_mut(&client)) {
            client.leaving += 1;
        }
        mark.told.notify_one();
        let beyond = if of.is_some() { Beyond::Client } else { Beyond::Total };
        (self.observer)(Event::ClosedEarly(beyond));
        Some(())
    }

    /// Nanoseconds since the registry was made; never [`BUSY`] or [`LEAVING`].
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).clamp(1, LEAVING - 1)
    }

    // A poisoned lock is fine: the state is consistent between any two statements that can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of a client's connections that were not told to close.
    fn of(&self, client: IpAddr) -> usize {
        self.clients.get(&client).map_or(0, |it| it.taken - it.leaving)
    }

    fn add(&mut self, mark: &Arc<Mark>, now: u64) -> u64 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.taken.insert(number, Arc::clone(mark));
        self.line.add(number, now, &self.taken);
        if let Some(client) = mark.client {
            let client = self.clients.entry(client).or_default();
            client.taken += 1;
            client.line.add(number, now, &self.taken);
        }
        number
    }

    fn remove(&mut self, number: u64) {
        let Some(mark) = self.taken.remove(&number) else { return };
        let leaving = usize::from(mark.is_leaving());
        self.leaving -= leaving;
        let Some(address) = mark.client else { return };
        let Some(client) = self.clients.get_mut(&address) else { return };
        client.taken -= 1;
        client.leaving -= leaving;
        if client.taken == 0 {
            self.clients.remove(&address);
        }
    }
}

impl Mark {
    fn is_leaving(&self) -> bool {
        self.state.load(Ordering::Acquire) == LEAVING
    }
}

impl Seat {
    /// Marks the connection as waiting for the next request.
    pub(crate) fn idle(&self) {
        let (state, now) = (&self.mark.state, self.seats.now());
        // A connection that was told to close stays in that state.
        let _leaving = state.compare_exchange(BUSY, now, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Marks the start of a request. `false`: the connection was told to close before; do not serve the request.
    #[must_use]
    pub(crate) fn busy(&self) -> bool {
        let stays = |state: u64| (state != LEAVING).then_some(BUSY);
        self.mark.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, stays).is_ok()
    }

    /// Completes when the connection is told to close, which happens only while it is idle. Call it once per
    /// connection.
    pub(crate) async fn told_to_close(&self) {
        self.mark.told.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.state().remove(self.number);
        self.seats.left.notify_one();
        (self.seats.observer)(Event::Free);
    }
}
