//! Fails at once what needs a database that is down, instead of letting each request find out.
//!
//! A load that fails or takes its time arouses suspicion, nothing more: a probe then asks over a
//! connection of its own. Only when that fails is the circuit open: whoever waits is told at once,
//! and the probe goes on until it is answered.

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

/// A load that takes longer is looked into.
const SLOW: Duration = Duration::from_millis(50);
/// A database that is down is asked this often whether it is back.
const PROBED_EVERY: Duration = Duration::from_millis(100);

/// So many probes in a row have to fail: the first may have met a connection that was just cut.
const DOUBTED: u32 = 2;
/// A probe of a database that is known to be down may take this long. A gate that is flooded must not take its own
/// slowness for the database's.
const PATIENCE: Duration = Duration::from_secs(5);

/// Hears whether the circuit is open.
pub type Hears = dyn Fn(bool) + Send + Sync;

/// A source with a circuit breaker before it.
pub struct Breaker {
    source: Arc<dyn FactSource>,
    /// How long a probe may take.
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
    /// A breaker before `source`, whose probes may take as long as `limit`. `hears` is told each time
    /// that the circuit opens (`true`) or closes.
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

    /// Begins to probe, unless somebody does.
    fn suspect(&self) {
        if self.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(own) = self.own.upgrade() {
            tokio::spawn(async move { own.probe().await });
        }
    }

    async fn probe(&self) {
        // One that panics would leave the circuit as it is for ever: the next load that fails, or is
        // refused, begins another one.
        let unwinding = Probing(&self.probing);
        let mut failures = 0;
        loop {
            // Those who wait have to be told soon; once they are, nothing presses, and a gate that is
            // flooded with refused requests must not take its own slowness for the database's.
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
        // From here on it may be somebody else's.
        std::mem::forget(unwinding);
        if self.open.send_replace(false) {
            tracing::info!("the facts database answers again");
            (self.hears)(false);
        }
    }
}

/// Says that nobody probes any more when it is dropped.
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

    /// Nobody is told that it is there while requests are still refused.
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
