//! Connections to the upstream that nobody uses at the moment.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use super::{Answer, Link};

/// Shelves of connections: a thread keeps to its own, so that workers do not wait for each other.
const SHELVES: usize = 16;
/// Connections on a shelf at the most.
const MOST: usize = 128;
/// Connections that are dead or too old are looked for this often.
const TIDY_EVERY: Duration = Duration::from_secs(5);
/// One that was found unused so often is closed: after a minute. So nobody reads a clock to put one here.
const UNUSED: u32 = 12;

/// Connections to the upstream that nobody uses at the moment. The last one that was used is the first to be
/// taken: the others may grow too old.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    shelves: [Mutex<Vec<Link>>; SHELVES],
}

impl Pool {
    /// A connection to one of `addresses` that seems to be alive.
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

    /// Keeps a connection whose last answer was read whole, if the upstream goes on with it.
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

    /// Closes connections that are dead or too old, until it is dropped.
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

/// The shelf of this thread.
fn own_shelf() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHELVES;
    }
    OWN.with(|own| *own)
}
