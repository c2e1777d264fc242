//! Entry points to private stages, for the micro-benchmarks and the count of allocations
//! in `tests/`. The running gate does not use them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::Record;
use base::supervise::Supervisor;
use bytes::Bytes;
use policy_store::bundle::Bundle;
use policy_store::facts::{OrganizationFacts, UserFacts};
use policy_store::source::{FactSource, FactsError};
use policy_store::watch::{BundleStore, Published};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accept::{self, Arrival};
use crate::config::{Issuer, Tenancy};
use crate::http::head::RawHead;
use crate::judge::decide::{self, Denied};
use crate::judge::entities;
use crate::judge::identify::Verifier;
use crate::judge::keys::{KeyStore, KeysError};
use crate::judge::pipeline::{First, Moment, Put, Sent, Witness};
use crate::judge::refusal::Refusal;
use crate::judge::resolve;
use crate::judge::trail::Trail;
use crate::judge::workbench::{self, Ask, Workbench, WorkbenchError};

/// The pipeline of a gate, with verification of tokens, but without sockets and a journal.
#[derive(Debug)]
pub struct Line(Workbench);

impl Line {
    /// The pipeline of a workbench that also verifies tokens of these issuers and remembers them. Must be called
    /// inside a runtime.
    ///
    /// # Errors
    ///
    /// Fails if the keys are invalid.
    pub fn new(mut workbench: Workbench, issuers: &[Issuer]) -> Result<Self, KeysError> {
        let (keys, metrics) =
            (KeyStore::start(issuers, &Supervisor::default())?, &workbench.pipeline.metrics);
        workbench.pipeline.verifier = Verifier::new(keys, Duration::from_secs(30), true, metrics);
        Ok(Self(workbench))
    }

    /// Accepts a head. `None`: the bytes are not HTTP.
    pub fn accept(&self, head: &Bytes) -> Option<Arrival> {
        let peer = ([127, 0, 0, 1], 1).into();
        let raw = RawHead { bytes: head.clone(), fault: None };
        accept::accept(&raw, peer, &self.0.rules).map(|accepted| accepted.arrival)
    }

    /// Judges a request without a body at `now` (seconds since the epoch). Returns its intent.
    ///
    /// # Errors
    ///
    /// Fails with the refusal.
    pub async fn judge(&self, arrival: &Arrival, now: f64) -> Result<Record, Refusal> {
        let (id, at) = (Uuid::nil(), OffsetDateTime::UNIX_EPOCH);
        let mut trail = Box::new(Trail::begin(arrival, id, at, Instant::now()));
        let pipeline = &self.0.pipeline;
        if let First::Caller(admitted) = pipeline.admit(arrival, now, &mut trail).await? {
            let sent = Sent { bytes: &Bytes::new(), just_read: false };
            let permit = pipeline.conclude(arrival, *admitted, sent, &mut trail).await?;
            permit.ok_or(Refusal::Unloaded(FactsError::Late))?;
        }
        trail.intended();
        Ok(trail.record)
    }
}

/// The questions about one request, to be put to Cedar repeatedly.
#[derive(Debug)]
pub struct Questions {
    published: Arc<Published>,
    puts: Vec<Put>,
}

impl Questions {
    /// The questions that are put when `ask` is judged for the first time. Must be called inside a runtime.
    ///
    /// # Errors
    ///
    /// Fails if the request cannot be judged.
    pub async fn about(
        ask: &Ask,
        bundles: &Arc<BundleStore>,
        facts: Arc<dyn FactSource>,
    ) -> Result<Self, WorkbenchError> {
        let witness = Some(Arc::new(Witness::default()));
        let (bundles, tenancy) = (Arc::clone(bundles), Tenancy::default());
        let published = bundles.current();
        let bench = Workbench::over(bundles, facts, tenancy, witness, workbench::TTL)?;
        let puts = bench.judge(ask).await?.questions;
        Ok(Self { published, puts })
    }

    /// Puts all questions. Returns whether every answer is yes.
    ///
    /// # Errors
    ///
    /// Fails if a policy fails to evaluate.
    pub fn put(&self) -> Result<bool, Denied> {
        let bundle = &self.published.bundle;
        let mut yes = !self.puts.is_empty();
        for Put { moment, action, question } in &self.puts {
            let slice = bundle.slice(action).unwrap_or_else(|| bundle.unmapped());
            yes &= match moment {
                Moment::Early => {
                    let early = decide::early(bundle, slice, question)?;
                    early.guards.is_ok() && early.permits.is_ok()
                }
                Moment::Late => decide::late(bundle, slice, question)?.all().is_ok(),
                Moment::ActIn => decide::act_in(bundle, question)?,
            };
        }
        Ok(yes)
    }
}

/// Builds the entities of a caller. Returns how many there are.
///
/// # Errors
///
/// Fails if the user has a role unknown to the bundle.
pub fn entities(
    bundle: &Bundle,
    user: &UserFacts,
    organization: &OrganizationFacts,
) -> Result<usize, Denied> {
    let known = [entities::user(bundle, user)?, entities::organization(bundle, organization)?];
    Ok(std::hint::black_box(known).len())
}

/// Resolves a request. Returns whether it matches a route.
///
/// # Errors
///
/// Fails if the query cannot be read.
pub fn resolve(
    arrival: &Arrival,
    bundle: &Bundle,
    tenancy: &Tenancy,
) -> Result<bool, accept::Malformed> {
    Ok(resolve::resolve(arrival, bundle, tenancy)?.route().is_some())
}

/// Writes a record as JSON to `out`.
///
/// # Errors
///
/// Fails if the record cannot be written as JSON.
pub fn spell(record: &Record, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    audit::spell(record, out)
}
