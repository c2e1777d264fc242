//! A seat for each connection: how many there may be, in all and from one client, and who makes room when
//! there are too many.
//!
//! Only idle connections make room, the longest idle first: those that wait for a request, or whose request
//! has no complete head yet. A connection says itself when it is idle and when it is busy, without a lock; the
//! registry looks at that only when a bound is reached. A list in the order of use would be a lock that all
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

/// A connection is busy.
const BUSY: u64 = 0;
/// A connection was told to close.
const LEAVING: u64 = u64::MAX;
/// Connections that were told to close are waited for beyond this number before the next one is accepted.
const SLACK: usize = 64;
/// They are waited for at most this long: they close at once, unless the machine is very busy.
const PATIENCE: Duration = Duration::from_millis(20);

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// In all.
    pub(crate) total: usize,
    /// From one client: an IPv4 address or the /64 of an IPv6 address.
    pub(crate) client: usize,
}

/// The bound that a connection was beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// [`Bounds::total`].
    Total,
    /// [`Bounds::client`].
    Client,
}

impl Beyond {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Total, Self::Client];

    /// The word for the metrics and the log.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Client => "client",
        }
    }
}

/// What happens to seats, for whoever counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A seat was taken.
    Taken,
    /// A seat is free again.
    Free,
    /// An idle connection was told to close.
    ClosedEarly(Beyond),
}

/// All seats.
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
    /// Those among them that were told to close.
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

/// What a connection says of itself, and what it is told.
#[derive(Debug)]
struct Mark {
    client: Option<IpAddr>,
    /// [`BUSY`], [`LEAVING`], or since when it is idle, in nanoseconds since the registry was made.
    state: AtomicU64,
    told: Notify,
}

/// The seat of one connection, which is free again when it is dropped.
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
    /// Seats within these bounds.
    pub(crate) fn new(
        bounds: Bounds,
        observer: impl Fn(Event) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (state, left) = (Mutex::default(), Notify::new());
        Arc::new(Self { bounds, began: Instant::now(), state, left, observer: Box::new(observer) })
    }

    /// A seat for a connection that has sent nothing yet. `client` is its address, unless connections from there are
    /// bounded only in all. At a bound the longest idle connection within it is told to close.
    ///
    /// # Errors
    ///
    /// At a bound within which no connection is idle.
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

    /// Tells up to `count` connections to close, the longest idle first: the process is out of descriptors.
    pub(crate) fn make_room(&self, count: usize) {
        let now = self.now();
        let mut state = self.state();
        for _ in 0..count {
            if self.close_longest_idle(&mut state, None, now).is_none() {
                return;
            }
        }
    }

    /// Waits until nearly all that were told to close are gone, so that there are never many more connections than
    /// there may be.
    pub(crate) async fn settled(&self) {
        let gone = async {
            while self.state().leaving > SLACK {
                self.left.notified().await;
            }
        };
        let _too_busy = tokio::time::timeout(PATIENCE, gone).await;
    }

    /// Tells the longest idle connection to close: of all, or of a client.
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

    /// Nanoseconds since the registry was made: never [`BUSY`], never [`LEAVING`].
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).clamp(1, LEAVING - 1)
    }

    // The lock guards values that are whole between any two statements that can panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many connections a client has that were not told to close.
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
    /// The connection waits for the next request.
    pub(crate) fn idle(&self) {
        let (state, now) = (&self.mark.state, self.seats.now());
        // One that was told to close stays so.
        let _leaving = state.compare_exchange(BUSY, now, Ordering::AcqRel, Ordering::Acquire);
    }

    /// A request has begun. `false`: the connection was told to close before that, and the request is not to be served.
    #[must_use]
    pub(crate) fn busy(&self) -> bool {
        let stays = |state: u64| (state != LEAVING).then_some(BUSY);
        self.mark.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, stays).is_ok()
    }

    /// Ends when the connection is told to close, which happens only while it is idle. To be made once for a
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
