//! The straight line from arrival to verdict (`gate.md`, "One request, start to end").
//!
//! INVARIANT: only [`Pipeline::guest`] and [`Pipeline::conclude`] make a [`Permit`], and only after
//! every layer has let the request pass. Nothing reaches the upstream without one.

mod ask;
mod tenancy;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cedar_policy::Entity;
use policy_store::bundle::{Bundle, Layer};
use policy_store::cache::FactStore;
use policy_store::facts::{Fact, ObjectFacts, OrganizationFacts, OrganizationKey, UserFacts};
use policy_store::source::FactsError;
use policy_store::watch::{BundleStore, Published};

use crate::accept::Arrival;
use crate::body;
use crate::break_glass;
use crate::config::Tenancy;
use crate::credentials::{self, CookieRules};
use crate::decide::{self, Denied, Question};
use crate::entities::{self, Circumstances, uid};
use crate::identify::Verifier;
use crate::refusal::Refusal;
use crate::resolve::{Access, resolve};
use crate::trail::Trail;

use ask::{Rest, question};

/// What judges requests: policies, keys and facts.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) bundles: Arc<BundleStore>,
    pub(crate) facts: Arc<FactStore>,
    pub(crate) verifier: Verifier,
    pub(crate) tenancy: Tenancy,
    pub(crate) cookie: Option<CookieRules>,
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) user: Arc<Fact<UserFacts>>,
    pub(crate) organization: Option<Arc<Fact<OrganizationFacts>>>,
    pub(crate) token_id: Option<Arc<str>>,
    token_age: Option<i64>,
    entities: Vec<Entity>,
}

/// A request that the layers up to `role` let pass.
#[derive(Debug)]
pub(crate) struct Admitted {
    published: Arc<Published>,
    access: Access,
    caller: Caller,
    justification: Option<Arc<str>>,
    broke_glass: bool,
    deadline: Instant,
}

/// Proof that every layer said yes to one caller doing one thing.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) caller: Option<Caller>,
    pub(crate) tenant: Option<Arc<Fact<OrganizationFacts>>>,
    pub(crate) broke_glass: Option<Arc<str>>,
}

/// How far the first half of the line leads.
#[derive(Debug)]
pub(crate) enum First {
    /// A public route: nothing more is asked.
    Guest(Permit),
    /// Somebody who is signed in; the rest is judged once a body was read.
    Caller(Box<Admitted>),
}

impl Admitted {
    /// Whether the body has to be read before the rest can be judged.
    pub(crate) fn reads_body(&self) -> bool {
        self.access.reads_body()
    }
}

impl Pipeline {
    /// Walks a request up to the layer `role`.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`]; nothing below it runs.
    pub(crate) async fn admit(
        &self,
        arrival: &Arrival,
        now: f64,
        trail: &mut Trail,
    ) -> Result<First, Refusal> {
        // One snapshot for the whole request: a reload must not judge half of it by each version.
        let published = self.bundles.current();
        let bundle = &published.bundle;
        trail.bundle(bundle);
        if let Some(fault) = arrival.fault {
            return Err(fault.into());
        }
        let access = resolve(arrival, bundle, &self.tenancy)?;
        let slice = access.slice(bundle);
        trail.access(&access, slice.public);
        if slice.public {
            return Self::guest(arrival, bundle, &access, trail);
        }
        let deadline = self.facts.deadline();
        let caller = self.caller(arrival, now, bundle, deadline, trail).await?;
        let mut justification = None;
        let asked = question(bundle, &access, arrival, &caller, &Rest::default())?;
        let permitted = decide::early(bundle, slice, asked, || {
            justification = break_glass::justification(arrival.control.break_glass.as_deref())?;
            Ok::<(), Refusal>(())
        });
        // A justification is a circumstance only once its form has been judged.
        let permitted = match (permitted, &justification) {
            (Err(Refusal::Denied(Denied::ByDefault)), Some(reason)) => {
                let rest = Rest { justification: Some(reason), ..Rest::default() };
                let asked = question(bundle, &access, arrival, &caller, &rest)?;
                decide::early(bundle, slice, asked, || Ok::<(), Refusal>(()))?
            }
            (other, _) => other?,
        };
        trail.permitted(&permitted);
        let broke_glass = permitted.broke_glass;
        let admitted = Admitted {
            access,
            caller,
            justification,
            broke_glass,
            deadline,
            published: Arc::clone(&published),
        };
        Ok(First::Caller(Box::new(admitted)))
    }

    /// Walks the rest of the line: tenant, object, and the layers after `role`.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`].
    pub(crate) async fn conclude(
        &self,
        arrival: &Arrival,
        admitted: Admitted,
        body: &Bytes,
        trail: &mut Trail,
    ) -> Result<Permit, Refusal> {
        let access = &admitted.access;
        let body = if access.reads_body() {
            body::judge(body, &self.tenancy.names)?
        } else {
            body::Judged::default()
        };
        let named = self.named_tenant(arrival, &admitted, &body, trail).await?;
        let object = self.object(&admitted, trail).await?;
        let tenant = self.tenant(&admitted, named, object.as_ref(), trail).await?;
        trail.tenant(tenant.as_deref());
        if tenant.is_none() && access.route().is_some_and(|route| route.scope.needs_tenant()) {
            return Err(Refusal::TenantRequired);
        }
        judge_rest(arrival, &admitted, tenant.as_deref(), object.as_ref(), &body)?;
        let broke_glass = admitted.justification.filter(|_| admitted.broke_glass);
        Ok(Permit { caller: Some(admitted.caller), tenant, broke_glass })
    }

    /// A public route: no token is looked at, nor any name of a tenant.
    fn guest(
        arrival: &Arrival,
        bundle: &Bundle,
        access: &Access,
        trail: &mut Trail,
    ) -> Result<First, Refusal> {
        let slice = access.slice(bundle);
        let types = bundle.types();
        let circumstances = Circumstances {
            path: &arrival.path,
            method: &arrival.method,
            client: Some(arrival.client),
            ..Circumstances::default()
        };
        let question = || {
            let context = circumstances.context(bundle)?;
            let resource = uid(&types.endpoint, access.action());
            Question::new(slice, uid(&types.guest, "guest"), resource, context, Vec::new())
        };
        let permitted = decide::early(bundle, slice, question()?, || Ok::<(), Refusal>(()))?;
        decide::late(bundle, slice, question()?)?.all()?;
        trail.permitted(&permitted);
        Ok(First::Guest(Permit { caller: None, tenant: None, broke_glass: None }))
    }

    /// Who asks: the token says who, the database whether and what they are.
    async fn caller(
        &self,
        arrival: &Arrival,
        now: f64,
        bundle: &Bundle,
        deadline: Instant,
        trail: &mut Trail,
    ) -> Result<Caller, Refusal> {
        let token = credentials::identify(&self.verifier, arrival, self.cookie.as_ref(), now)?;
        let user = self.facts.user(&token.subject, deadline).await?;
        let user = user.ok_or(Refusal::UnknownUser)?;
        trail.user(&user);
        if revoked(&token, &user.value) {
            return Err(Refusal::Revoked);
        }
        let organization = match &user.value.organization {
            None => None,
            Some(id) => Some(self.own_organization(id, deadline).await?),
        };
        if let Some(organization) = &organization {
            trail.asked_at(organization.asked_at);
        }
        let mut entities = vec![entities::user(bundle, &user.value)?];
        if let Some(organization) = &organization {
            entities.push(entities::organization(bundle, &organization.value)?);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a difference of NumericDates, which are below 2^53"
        )]
        let token_age = token.issued_at.map(|issued_at| (now - issued_at).max(0.0) as i64);
        Ok(Caller { user, organization, token_id: token.jti.clone(), token_age, entities })
    }

    async fn own_organization(
        &self,
        id: &Arc<str>,
        deadline: Instant,
    ) -> Result<Arc<Fact<OrganizationFacts>>, Refusal> {
        let key = OrganizationKey::Id(Arc::clone(id));
        let found = self.facts.organization(&key, deadline).await?;
        found.ok_or_else(|| {
            Refusal::Unloaded(FactsError::Unreadable {
                kind: "organization".to_owned(),
                id: id.to_string(),
                problem: "a user belongs to it, and it does not exist".to_owned(),
            })
        })
    }
}

/// The layers after `role`; the form of handed-out roles is judged before the last of them.
fn judge_rest(
    arrival: &Arrival,
    admitted: &Admitted,
    tenant: Option<&Fact<OrganizationFacts>>,
    object: Option<&ObjectFacts>,
    body: &body::Judged,
) -> Result<(), Refusal> {
    let bundle = &admitted.published.bundle;
    let access = &admitted.access;
    let slice = access.slice(bundle);
    let roles_in = access.route().and_then(|route| route.roles_in.as_deref());
    let roles = roles_in.map(|name| body.roles(name, |role| bundle.vocabulary().has_role(role)));
    let known_roles = match &roles {
        Some(Ok(roles)) => roles.as_slice(),
        _ => &[],
    };
    let rest = Rest {
        tenant,
        object,
        body_fields: &body.fields,
        body_roles: known_roles,
        justification: admitted.justification.as_ref(),
    };
    let caller = &admitted.caller;
    let asked = question(bundle, access, arrival, caller, &rest)?;
    let judged = decide::late(bundle, slice, asked)?;
    judged.before(Layer::Escalation)?;
    roles.transpose()?;
    Ok(judged.all()?)
}

/// Whether a token was taken back: by its id, or with all that were issued before a moment. A
/// token that does not say when it was issued was issued before any moment.
fn revoked(token: &crate::identify::VerifiedToken, user: &UserFacts) -> bool {
    let by_id = token.jti.as_ref().is_some_and(|id| user.revoked_tokens.contains(id));
    let by_time =
        user.tokens_valid_after.is_some_and(|after| token.issued_at.is_none_or(|at| at < after));
    by_id || by_time
}
