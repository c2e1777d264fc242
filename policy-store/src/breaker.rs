//! A circuit breaker before the facts database: while the database is down, requests fail at once instead of
//! each waiting for its own timeout.
//!
//! A load that fails or is slow does not open the circuit by itself: it starts a probe over a connection of its
//! own. The circuit opens only when probes fail: requests that wait for facts then fail at once, and probing
//! goes on until a probe succeeds.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::bundle::Bundle;
use crate::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::{FactSource, FactsError, Unfit};

/// The duration after which a load is slow enough to start a probe.
const SLOW: Duration = Duration::from_millis(50);
/// The interval between two probes of a database that is down.
const PROBED_EVERY: Duration = Duration::from_millis(100);

/// The number of probes in a row that must fail before the circuit opens: the first may have met a connection
/// that was just cut.
const DOUBTED: u32 = 2;
/// The minimum timeout of a probe while the database is known to be down. A gate that is flooded must not take
/// its own slowness for the database's.
const PATIENCE: Duration = Duration::from_secs(5);

/// A callback that receives `true` when the circuit opens and `false` when it closes.
pub type Hears = dyn Fn(bool) + Send + Sync;

/// A source of facts with a circuit breaker before it.
pub struct Breaker {
    source: Arc<dyn FactSource>,
    /// The timeout of a probe.
    limit: Duration,
    open: watch::Sender<bool>,
    probing: AtomicBool,
    hears: Box<Hears>,
    own: Weak<Self>,
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breaker").field("open", &*self.open.borrow()).finish_non_exhaustive()
    }
}

impl Breaker {
    /// Returns a breaker before `source`, whose probes have the timeout `limit`. The breaker calls `hears` each
    /// time the circuit opens (`true`) or closes (`false`).
    pub fn new(source: Arc<dyn FactSource>, limit: Duration, hears: Box<Hears>) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            source,
            limit,
            open: watch::Sender::new(false),
            probing: AtomicBool::new(false),
            hears,
            own: own.clone(),
        })
    }

    async fn guard<T>(
        &self,
        ask: impl Future<Output = Result<T, FactsError>>,
    ) -> Result<T, FactsError> {
        let mut state = self.open.subscribe();
        if *state.borrow() {
            self.suspect();
            return Err(down());
        }
        let slow = async {
            sleep(SLOW).await;
            self.suspect();
            pending::<()>().await;
        };
        let answer = tokio::select! {
            biased;
            answer = ask => answer,
            _ = state.wait_for(|open| *open) => Err(down()),
            () = slow => Err(down()),
        };
        if matches!(answer, Err(FactsError::Unavailable(_) | FactsError::Timeout)) {
            self.suspect();
        }
        answer
    }

    /// Starts probing, unless a probe is running.
    fn suspect(&self) {
        if self.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(own) = self.own.upgrade() {
            tokio::spawn(async move { own.probe().await });
        }
    }

    async fn probe(&self) {
        // Without this guard a probe that panics would leave the circuit in its state for ever. With it, the
        // next load that fails or is refused starts a new probe.
        let unwinding = Probing(&self.probing);
        let mut failures = 0;
        loop {
            // Waiting requests need an answer soon, so the first probes have the short timeout. Once the
            // circuit is open, nothing is urgent, and a gate flooded with refused requests must not take its
            // own slowness for the database's.
            let limit = if failures < DOUBTED { self.limit } else { PATIENCE.max(self.limit) };
            let answer = timeout(limit, self.source.ping()).await;
            let answer = answer.unwrap_or(Err(FactsError::Timeout));
            let Err(error) = answer else { break };
            failures += 1;
            if failures < DOUBTED {
                continue;
            }
            if !self.open.send_replace(true) {
                tracing::error!(%error, "the facts database is down: requests that need facts are refused at once");
                (self.hears)(true);
            }
            sleep(PROBED_EVERY).await;
        }
        self.probing.store(false, Ordering::Release);
        // From here on another task may be probing and own the flag.
        std::mem::forget(unwinding);
        if self.open.send_replace(false) {
            tracing::info!("the facts database answers again");
            (self.hears)(false);
        }
    }
}

/// Clears the flag that a probe is running when it is dropped.
struct Probing<'a>(&'a AtomicBool);

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn down() -> FactsError {
    FactsError::Unavailable("it is down, and asked every 100 ms whether it is back".to_owned())
}

#[async_trait]
impl FactSource for Breaker {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        self.guard(self.source.user(id)).await
    }

    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        self.guard(self.source.organization(key)).await
    }

    async fn object(&self, kind: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError> {
        self.guard(self.source.object(kind, id)).await
    }

    /// Pings the source. While the circuit is open, this fails without asking: a source that answers again is
    /// reported as ready only once requests are no longer refused.
    async fn ping(&self) -> Result<(), FactsError> {
        if *self.open.borrow() {
            self.suspect();
            return Err(down());
        }
        self.source.ping().await
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        self.source.users().await
    }

    fn knows(&self, kind: &str) -> bool {
        self.source.knows(kind)
    }

    async fn check(&self, bundle: &Bundle) -> Result<Vec<String>, Unfit> {
        self.source.check(bundle).await
    }
}

#[cfg(test)]
mod tests;
