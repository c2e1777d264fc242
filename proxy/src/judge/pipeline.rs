//! The pipeline from arrival to verdict (`gate.md`, "One request, start to end").
//!
//! INVARIANT: only `Pipeline::guest` and `Pipeline::conclude` make a `Permit`, and only after
//! every layer has let the request pass. Without a permit a request never reaches the upstream.

mod ask;
mod caller;
#[cfg(test)]
mod filled;
mod memo;
mod seen;
mod tenancy;
mod witness;

use std::sync::Arc;

use bytes::Bytes;
use policy_store::bundle::Layer;
use policy_store::cache::{FactStore, Terms};
use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts};
use policy_store::watch::{BundleStore, Published};

use crate::accept::Arrival;
use crate::config::Tenancy;
use crate::judge::body;
use crate::judge::break_glass;
use crate::judge::credentials::{self, CookieRules};
use crate::judge::decide::{Denied, Early, Judged};
use crate::judge::identify::{VerifiedToken, Verifier};
use crate::judge::refusal::Refusal;
use crate::judge::resolve::{Access, resolve};
use crate::judge::trail::Trail;
use crate::metrics::Metrics;

use ask::Answer as _;
pub(crate) use caller::Caller;
pub(crate) use memo::Memo;
use seen::{Rest, Seen};
use tenancy::Asked;
pub use witness::{Moment, Put, Witness};

/// The maximum number of times that a request is judged because its facts have become too old meanwhile.
pub(crate) const TRIES: usize = 3;

/// Judges requests by policies, keys and facts.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) bundles: Arc<BundleStore>,
    pub(crate) facts: Arc<FactStore>,
    pub(crate) verifier: Verifier,
    pub(crate) tenancy: Tenancy,
    pub(crate) cookie: Option<CookieRules>,
    /// The maximum number of members at the top of a judged body.
    pub(crate) json_members: usize,
    pub(crate) memo: Arc<Memo>,
    /// Receives each question that is put to the policies; `None` in a gate that serves requests.
    pub(crate) witness: Option<Arc<Witness>>,
    pub(crate) metrics: Arc<Metrics>,
}

/// A request that the layers up to `role` let pass.
#[derive(Debug)]
pub(crate) struct Admitted {
    published: Arc<Published>,
    access: Access,
    caller: Caller,
    justification: Option<Arc<str>>,
    broke_glass: bool,
    terms: Terms,
}

/// Proof that every layer allowed one request of one caller.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) caller: Option<Caller>,
    pub(crate) tenant: Option<Arc<Fact<OrganizationFacts>>>,
    pub(crate) broke_glass: Option<Arc<str>>,
    /// The caller's features that the bundle knows.
    pub(crate) features: Vec<Arc<str>>,
    /// Private, so that only this module can make a permit.
    _made_here: (),
}

/// The body of a request that is judged by its body; empty for all others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) bytes: &'a Bytes,
    /// Whether the request waited for its body after it was admitted.
    pub(crate) just_read: bool,
}

/// The result of [`Pipeline::admit`].
#[derive(Debug)]
pub(crate) enum First {
    /// The permit of a public route, which needs no further judging.
    Guest(Permit),
    /// An authenticated caller; the rest is judged once the body was read, if needed.
    Caller(Box<Admitted>),
}

impl Admitted {
    /// Whether the body must be read before the rest can be judged.
    pub(crate) fn reads_body(&self) -> bool {
        self.access.reads_body()
    }
}

impl Pipeline {
    /// Judges a request up to the layer `role`.
    ///
    /// # Errors
    ///
    /// Fails with the first [`Refusal`]. No later stage runs.
    pub(crate) async fn admit(
        &self,
        arrival: &Arrival,
        now: f64,
        trail: &mut Trail,
    ) -> Result<First, Refusal> {
        let identify = credentials::identify(&self.verifier, arrival, self.cookie.as_ref(), now);
        self.admit_as(arrival, identify, now, trail).await
    }

    /// Like [`Pipeline::admit`], for a caller whom `identify` names. The only other user is the workbench,
    /// which forwards nothing.
    pub(crate) async fn admit_as(
        &self,
        arrival: &Arrival,
        identify: impl Future<Output = Result<Arc<VerifiedToken>, Refusal>>,
        now: f64,
        trail: &mut Trail,
    ) -> Result<First, Refusal> {
        // One snapshot for the whole request: a reload must not judge one half by the old bundle and one by the new.
        let published = self.bundles.current();
        let bundle = &published.bundle;
        trail.bundle(bundle);
        if let Some(fault) = arrival.fault {
            return Err(fault.into());
        }
        tracing::trace!(path = %arrival.path, method = %arrival.method, "judging");
        let access = resolve(arrival, bundle, &self.tenancy)?;
        let slice = access.slice(bundle);
        trail.access(&access, slice.public);
        if slice.public {
            return self.guest(arrival, &published, &access, trail);
        }
        // Runs before the timeout for facts starts, because the token may have to wait for its issuer's keys.
        let token = identify.await?;
        let reads = matches!(&*arrival.method, "GET" | "HEAD");
        let mut terms = self.facts.terms(reads).within(trail.time_for_facts);
        let caller = self.caller(token, now, &terms, trail).await?;
        let seen = Seen::early(arrival, &access, Some(&caller));
        let early = self.memo.early(&published, &seen, self.witness())?;
        early.guards.clone()?;
        let justification = break_glass::justification(arrival.control.break_glass.as_deref())?;
        let permitted = match (&early.permits, &justification) {
            // A justification is part of the question only if nothing else permits the request.
            (Err(Denied::ByDefault), Some(reason)) => {
                let rest = Rest { justification: Some(reason), ..Rest::default() };
                Early::ask(bundle, &seen.with(rest), self.witness())?.permits?
            }
            (permits, _) => permits.clone()?,
        };
        trail.permitted(&permitted);
        body::expected(access.route(), arrival)?;
        let broke_glass = permitted.broke_glass;
        terms.pause();
        let admitted = Admitted {
            access,
            caller,
            justification,
            broke_glass,
            terms,
            published: Arc::clone(&published),
        };
        Ok(First::Caller(Box::new(admitted)))
    }

    /// Judges the rest: tenant, object, and the layers after `role`. `None`: the request must be admitted
    /// again, because it waited for its body or for facts, and its admission may no longer hold.
    ///
    /// # Errors
    ///
    /// Fails with the first [`Refusal`].
    pub(crate) async fn conclude(
        &self,
        arrival: &Arrival,
        mut admitted: Admitted,
        body: Sent<'_>,
        trail: &mut Trail,
    ) -> Result<Option<Permit>, Refusal> {
        admitted.terms.resume();
        // A body may take half a minute to arrive. The caller is admitted again afterwards, by the current user,
        // policies and keys, any of which may have been revoked meanwhile.
        if body.just_read || !self.supported(&admitted.terms, trail) {
            trail.time_for_facts = Some(admitted.terms.left());
            return Ok(None);
        }
        let concluded = self.judge_whole(arrival, &admitted, body.bytes, trail).await;
        if !matches!(concluded, Err(Refusal::Unloaded(_)))
            && !self.supported(&admitted.terms, trail)
        {
            trail.time_for_facts = Some(admitted.terms.left());
            return Ok(None);
        }
        let (tenant, features) = concluded?;
        let broke_glass = admitted.justification.filter(|_| admitted.broke_glass);
        let caller = Some(admitted.caller);
        Ok(Some(Permit { caller, tenant, broke_glass, features, _made_here: () }))
    }

    /// Makes new policies answer recent questions before they are put in force.
    pub(crate) fn rehearse_swaps(&self) {
        let memo = Arc::clone(&self.memo);
        self.bundles.rehearse_by(Arc::new(move |next| memo.rehearse(next)));
    }

    fn witness(&self) -> Option<&Witness> {
        self.witness.as_deref()
    }

    /// Whether the collected facts are recent enough for a decision now.
    fn supported(&self, terms: &Terms, trail: &mut Trail) -> bool {
        if terms.bridged() {
            trail.bridged();
        }
        trail.oldest_fact().is_none_or(|oldest| self.facts.supports(oldest, terms))
    }

    /// Returns the tenant in which the request acts, and the caller's known features.
    async fn judge_whole(
        &self,
        arrival: &Arrival,
        admitted: &Admitted,
        body: &Bytes,
        trail: &mut Trail,
    ) -> Result<(Option<Arc<Fact<OrganizationFacts>>>, Vec<Arc<str>>), Refusal> {
        let access = &admitted.access;
        let terms = body::Terms { tenant_names: &self.tenancy.names, members: self.json_members };
        let body =
            if access.reads_body() { body::judge(body, terms)? } else { body::Judged::default() };
        let named = self.named_tenant(arrival, admitted, &body, trail).await?;
        let mut asked = Asked::default();
        let judged = self.judge_object(arrival, admitted, named, &body, &mut asked, trail).await;
        if judged.as_ref().is_err_and(Refusal::says_not_found) {
            self.even_out(admitted, &asked).await?;
        }
        let tenant = judged?;
        let features = self.known_features(admitted, tenant.as_deref());
        Ok((tenant, features))
    }

    /// Judges the object, the tenant and the layers after `role`. Writes to `asked` which questions were put to
    /// the database, whatever the result.
    async fn judge_object(
        &self,
        arrival: &Arrival,
        admitted: &Admitted,
        named: Option<Arc<Fact<OrganizationFacts>>>,
        body: &body::Judged,
        asked: &mut Asked,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, Refusal> {
        let (access, terms) = (&admitted.access, &admitted.terms);
        let before = terms.questions();
        let object = self.object(admitted, trail).await;
        let between = terms.questions();
        asked.object = between > before;
        let object = object?;
        let tenant = self.tenant(arrival, admitted, named, object.as_ref(), trail).await;
        asked.owner = terms.questions() > between;
        let tenant = tenant?;
        trail.tenant(tenant.as_deref());
        if tenant.is_none() && access.route().is_some_and(|route| route.scope.needs_tenant()) {
            return Err(Refusal::TenantRequired);
        }
        self.judge_rest(arrival, admitted, tenant.as_ref(), object.as_ref(), body)?;
        Ok(tenant)
    }

    /// The caller's features that the bundle knows. Unknown features of the caller and of the tenant are left out
    /// and counted.
    fn known_features(
        &self,
        admitted: &Admitted,
        tenant: Option<&Fact<OrganizationFacts>>,
    ) -> Vec<Arc<str>> {
        let vocabulary = admitted.published.bundle.vocabulary();
        let own = &admitted.caller.user.value.features;
        let bought = tenant.map_or(&[][..], |tenant| tenant.value.features.as_slice());
        let unknown = own.iter().chain(bought).filter(|name| !vocabulary.has_feature(name)).count();
        if unknown > 0 {
            self.metrics.facts.unknown_features(unknown as u64);
        }
        own.iter().filter(|name| vocabulary.has_feature(name)).cloned().collect()
    }

    /// Judges the layers after `role`. The list of handed-out roles is checked before the last layer.
    fn judge_rest(
        &self,
        arrival: &Arrival,
        admitted: &Admitted,
        tenant: Option<&Arc<Fact<OrganizationFacts>>>,
        object: Option<&ObjectFacts>,
        body: &body::Judged,
    ) -> Result<(), Refusal> {
        let Admitted { published, access, caller, justification, .. } = admitted;
        let bundle = &published.bundle;
        let roles_in = access.route().and_then(|route| route.roles_in.as_deref());
        let known = |role: &str| bundle.vocabulary().has_role(role);
        let (body_roles, roles_fault) = match roles_in.map(|name| body.roles(name, known)) {
            None => (Vec::new(), None),
            Some(Ok(roles)) => (roles, None),
            Some(Err(fault)) => (Vec::new(), Some(fault)),
        };
        let rest = Rest {
            tenant,
            object,
            body_fields: &body.fields,
            body_roles: &body_roles,
            justification: justification.as_ref(),
        };
        let seen = Seen::early(arrival, access, Some(caller)).with(rest);
        let (fresh, known);
        let judged: &Judged = if justification.is_some() {
            fresh = Judged::ask(bundle, &seen, self.witness())?;
            &fresh
        } else {
            known = self.memo.late(published, &seen, self.witness())?;
            &known
        };
        judged.before(Layer::Escalation)?;
        roles_fault.map_or(Ok(()), Err)?;
        Ok(judged.all()?)
    }

    /// Judges a request to a public route, which reads neither a token nor names of tenants.
    fn guest(
        &self,
        arrival: &Arrival,
        published: &Published,
        access: &Access,
        trail: &mut Trail,
    ) -> Result<First, Refusal> {
        let seen = Seen::early(arrival, access, None);
        let early = self.memo.early(published, &seen, self.witness())?;
        early.guards.clone()?;
        let permitted = early.permits.clone()?;
        self.memo.late(published, &seen, self.witness())?.all()?;
        trail.permitted(&permitted);
        Ok(First::Guest(Permit {
            caller: None,
            tenant: None,
            broke_glass: None,
            features: Vec::new(),
            _made_here: (),
        }))
    }
}
