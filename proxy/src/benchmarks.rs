//! Doors to stages that nobody outside calls, for the micro-benchmarks and the count of allocations
//! in `tests/`. Nothing that serves comes through here.

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

/// The line as a gate walks it, tokens verified, but without sockets and a journal.
#[derive(Debug)]
pub struct Line(Workbench);

impl Line {
    /// The line of a workbench, with tokens by these issuers, which are remembered. Has to be made in
    /// a runtime.
    ///
    /// # Errors
    ///
    /// When the keys are not good.
    pub fn new(mut workbench: Workbench, issuers: &[Issuer]) -> Result<Self, KeysError> {
        let (keys, metrics) =
            (KeyStore::start(issuers, &Supervisor::default())?, &workbench.pipeline.metrics);
        workbench.pipeline.verifier = Verifier::new(keys, Duration::from_secs(30), true, metrics);
        Ok(Self(workbench))
    }

    /// Accepts a head. `None`: it is no HTTP.
    pub fn accept(&self, head: &Bytes) -> Option<Arrival> {
        let peer = ([127, 0, 0, 1], 1).into();
        let raw = RawHead { bytes: head.clone(), fault: None };
        accept::accept(&raw, peer, &self.0.rules).map(|accepted| accepted.arrival)
    }

    /// Judges a request without a body at `now` (seconds since the epoch). Gives its intent.
    ///
    /// # Errors
    ///
    /// The refusal.
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

/// The questions about one request, to be put to Cedar again and again.
#[derive(Debug)]
pub struct Questions {
    published: Arc<Published>,
    puts: Vec<Put>,
}

impl Questions {
    /// Those that are put when `ask` is judged for the first time. Has to be called in a runtime.
    ///
    /// # Errors
    ///
    /// When it cannot be judged.
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

    /// Puts all of them. Whether all are answered with yes.
    ///
    /// # Errors
    ///
    /// When a policy fails to evaluate.
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

/// Builds the entities of a caller. How many they are.
///
/// # Errors
///
/// When it has a role that the bundle does not know.
pub fn entities(
    bundle: &Bundle,
    user: &UserFacts,
    organization: &OrganizationFacts,
) -> Result<usize, Denied> {
    let known = [entities::user(bundle, user)?, entities::organization(bundle, organization)?];
    Ok(std::hint::black_box(known).len())
}

/// Resolves what is asked for. Whether a route is.
///
/// # Errors
///
/// When its query cannot be read.
pub fn resolve(
    arrival: &Arrival,
    bundle: &Bundle,
    tenancy: &Tenancy,
) -> Result<bool, accept::Malformed> {
    Ok(resolve::resolve(arrival, bundle, tenancy)?.route().is_some())
}

/// Spells a record into `out`.
///
/// # Errors
///
/// When it has no spelling.
pub fn spell(record: &Record, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    audit::spell(record, out)
}
