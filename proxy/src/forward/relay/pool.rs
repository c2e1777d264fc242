//! The pool of idle connections to the upstream.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::{Answer, Link};

/// The number of shelves. Each thread uses its own shelf, so that workers do not wait for each other.
const SHELVES: usize = 16;
/// The maximum number of connections on a shelf.
const MOST: usize = 128;
/// The interval at which dead and old connections are removed.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// The number of intervals after which an unused connection is closed, in all a minute. Counting intervals saves
/// reading a clock for each returned connection.
const UNUSED: u32 = 12;

/// The idle connections to the upstream. The most recently used one is taken first, so that
/// surplus connections grow old and are closed.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    shelves: [Mutex<Vec<Link>>; SHELVES],
}

impl Pool {
    /// Takes a connection to one of `addresses` that seems to be alive.
    pub(super) fn take(&self, addresses: &[SocketAddr]) -> Option<Link> {
        let own = own_shelf();
        let others = (1..SHELVES).filter_map(|step| {
            match self.shelves.get((own + step) % SHELVES)?.try_lock() {
                Ok(free) => Some(free),
                Err(TryLockError::Poisoned(free)) => Some(free.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        });
        let first = self.shelf(own).into_iter();
        first.chain(others).find_map(|mut shelf| {
            std::iter::from_fn(|| shelf.pop()).find(|link| usable(link, addresses))
        })
    }

    /// Returns a connection after a complete response, if the upstream keeps it open.
    pub(crate) fn put(&self, mut link: Link, last: &Answer) {
        if !last.goes_on() || !link.is_quiet() || !link.outgoing.is_flushed() {
            return;
        }
        link.park();
        if let Some(mut shelf) = self.shelf(own_shelf())
            && shelf.len() < MOST
        {
            shelf.push(link);
        }
    }

    fn shelf(&self, place: usize) -> Option<MutexGuard<'_, Vec<Link>>> {
        Some(self.shelves.get(place)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes dead and old connections at regular intervals. Never ends.
    pub(crate) async fn keep_tidy(&self) {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            for place in 0..SHELVES {
                if let Some(mut shelf) = self.shelf(place) {
                    shelf.retain_mut(|link| {
                        link.unused += 1;
                        link.unused < UNUSED && link.is_quiet()
                    });
                }
            }
        }
    }
}

fn usable(link: &Link, addresses: &[SocketAddr]) -> bool {
    addresses.contains(&link.address) && link.is_quiet()
}

/// The index of this thread's shelf.
fn own_shelf() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHELVES;
    }
    OWN.with(|own| *own)
}
