//! Metrics of the gate's caches: how many bytes each holds and may hold.

use std::sync::{Mutex, PoisonError};

use prometheus::{Error, IntGaugeVec};

use super::register::Register;

/// Metrics of the caches that clients, authenticated or not, can make grow.
pub struct MemoryMetrics {
    held: IntGaugeVec,
    limit: IntGaugeVec,
    watched: Mutex<Vec<Watched>>,
}

/// The name of a cache, and a function that returns how many bytes it holds.
type Watched = (&'static str, Box<dyn Fn() -> u64 + Send + Sync>);

impl std::fmt::Debug for MemoryMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryMetrics").finish_non_exhaustive()
    }
}

impl MemoryMetrics {
    pub(super) fn new(new: &Register<'_>) -> Result<Self, Error> {
        Ok(Self {
            held: new.gauges(
                "cedargate_memory_held_bytes",
                "Bytes that a memory holds, by its own count.",
                &["memory"],
            )?,
            limit: new.gauges(
                "cedargate_memory_limit_bytes",
                "Bytes that a memory may hold: the key of that name under `memory`.",
                &["memory"],
            )?,
            watched: Mutex::default(),
        })
    }

    /// Shows a cache from now on: its limit, and the size that `held` returns at each scrape.
    pub fn watch(
        &self,
        memory: &'static str,
        limit: u64,
        held: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        self.limit.with_label_values(&[memory]).set(number(limit));
        self.watched().push((memory, Box::new(held)));
    }

    pub(super) fn ask(&self) {
        for (memory, held) in &*self.watched() {
            self.held.with_label_values(&[*memory]).set(number(held()));
        }
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
