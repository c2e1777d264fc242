//! The straight line from arrival to verdict (`gate.md`, "One request, start to end").
//!
//! INVARIANT: only [`Pipeline::guest`] and [`Pipeline::conclude`] make a [`Permit`], and only after
//! every layer has let the request pass. Nothing reaches the upstream without one.

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
    pub(crate) async fn admit(&self, arrival: &Arrival, now: f64, trail: &mut Trail) -> Result<First, Refusal> {
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
            return self.guest(arrival, bundle, &access, trail);
        }
        let deadline = self.facts.deadline();
        let caller = self.caller(arrival, now, bundle, deadline, trail).await?;
        let mut justification = None;
        let question = self.question(bundle, &access, arrival, &caller, &Rest::default())?;
        let permitted = decide::early(bundle, slice, question, || {
            justification = break_glass::justification(arrival.control.break_glass.as_deref())?;
            Ok::<(), Refusal>(())
        });
        // A justification is a circumstance only once its form has been judged.
        let permitted = match (permitted, &justification) {
            (Err(Refusal::Denied(Denied::ByDefault)), Some(reason)) => {
                let rest = Rest { justification: Some(reason), ..Rest::default() };
                let question = self.question(bundle, &access, arrival, &caller, &rest)?;
                decide::early(bundle, slice, question, || Ok::<(), Refusal>(()))?
            }
            (other, _) => other?,
        };
        trail.permitted(&permitted);
        let broke_glass = permitted.broke_glass;
        let admitted = Admitted { access, caller, justification, broke_glass, deadline, published: Arc::clone(&published) };
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
        let body = if access.reads_body() { body::judge(body, &self.tenancy.names)? } else { body::Judged::default() };
        let named = self.named_tenant(arrival, &admitted, &body, trail).await?;
        let object = self.object(&admitted, trail).await?;
        let tenant = self.tenant(&admitted, named, object.as_ref(), trail).await?;
        trail.tenant(tenant.as_deref());
        if tenant.is_none() && access.route().is_some_and(|route| route.scope.needs_tenant()) {
            return Err(Refusal::TenantRequired);
        }
        self.judge_rest(arrival, &admitted, tenant.as_deref(), object.as_ref(), &body)?;
        let broke_glass = admitted.justification.filter(|_| admitted.broke_glass);
        Ok(Permit { caller: Some(admitted.caller), tenant, broke_glass })
    }

    fn judge_rest(
        &self,
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
        let question = self.question(bundle, access, arrival, caller, &rest)?;
        let judged = decide::late(bundle, slice, question)?;
        judged.before(Layer::Escalation)?;
        roles.transpose()?;
        Ok(judged.all()?)
    }

    /// A public route: no token is looked at, nor any name of a tenant.
    fn guest(&self, arrival: &Arrival, bundle: &Bundle, access: &Access, trail: &mut Trail) -> Result<First, Refusal> {
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
        #[expect(clippy::cast_possible_truncation, reason = "a difference of NumericDates, which are below 2^53")]
        let token_age = token.issued_at.map(|issued_at| (now - issued_at).max(0.0) as i64);
        Ok(Caller { user, organization, token_id: token.jti.clone(), token_age, entities })
    }

    async fn own_organization(&self, id: &Arc<str>, deadline: Instant) -> Result<Arc<Fact<OrganizationFacts>>, Refusal> {
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

    /// The tenant that the request names, when all its names are permitted and agree.
    async fn named_tenant(
        &self,
        arrival: &Arrival,
        admitted: &Admitted,
        body: &body::Judged,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, Refusal> {
        let mut keys = admitted.access.tenants(arrival, &self.tenancy);
        keys.extend(body.tenants(&self.tenancy.names)?.into_iter().map(OrganizationKey::Id));
        let mut tenants: Vec<Arc<Fact<OrganizationFacts>>> = Vec::with_capacity(keys.len());
        for key in keys {
            let named = match &key {
                OrganizationKey::Id(name) | OrganizationKey::Slug(name) => name,
            };
            let refused = || Refusal::CrossTenant(named.to_string());
            if named.is_empty() {
                return Err(refused());
            }
            let found = self.facts.organization(&key, admitted.deadline).await?;
            let found = found.ok_or_else(refused)?;
            trail.asked_at(found.asked_at);
            if !self.may_act_in(admitted, &found.value)? {
                return Err(refused());
            }
            tenants.push(found);
        }
        let mut tenants = tenants.into_iter();
        let first = tenants.next();
        if tenants.any(|other| first.as_ref().is_some_and(|it| it.value.id != other.value.id)) {
            return Err(Refusal::TenantConflict);
        }
        Ok(first)
    }

    /// Asks the policies whether the caller may act in `tenant`.
    fn may_act_in(&self, admitted: &Admitted, tenant: &OrganizationFacts) -> Result<bool, Refusal> {
        let bundle = &admitted.published.bundle;
        let entity = entities::organization(bundle, tenant)?;
        let resource = entity.uid();
        let mut known = admitted.caller.entities.clone();
        if !known.iter().any(|it| it.uid() == resource) {
            known.push(entity);
        }
        let principal = uid(&bundle.types().user, &admitted.caller.user.value.id);
        let context = cedar_policy::Context::empty();
        let question = Question::new(bundle.act_in(), principal, resource, context, known)?;
        match decide::act_in(bundle, question) {
            Ok(()) => Ok(true),
            Err(Denied::ByDefault | Denied::ByRule(_)) => Ok(false),
            Err(other) => Err(other.into()),
        }
    }

    /// The object that the request names; an absent one is not found.
    async fn object(&self, admitted: &Admitted, trail: &mut Trail) -> Result<Option<ObjectFacts>, Refusal> {
        let Some((kind, id)) = admitted.access.object() else { return Ok(None) };
        let found = self.facts.object(kind, id, admitted.deadline).await?;
        let found = found.ok_or(Refusal::NotFound)?;
        trail.asked_at(found.asked_at());
        Ok(Some(found))
    }

    /// The tenant in which the request acts: the one that it names; else the object's, if the
    /// caller may act there; else the caller's own.
    async fn tenant(
        &self,
        admitted: &Admitted,
        named: Option<Arc<Fact<OrganizationFacts>>>,
        object: Option<&ObjectFacts>,
        trail: &mut Trail,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, Refusal> {
        if named.is_some() {
            return Ok(named);
        }
        let own = admitted.caller.organization.clone();
        let Some(owner) = object.and_then(ObjectFacts::owner) else { return Ok(own) };
        if own.as_ref().is_some_and(|own| own.value.id == *owner) {
            return Ok(own);
        }
        let key = OrganizationKey::Id(Arc::clone(owner));
        let Some(owner) = self.facts.organization(&key, admitted.deadline).await? else { return Ok(own) };
        trail.asked_at(owner.asked_at);
        if self.may_act_in(admitted, &owner.value)? { Ok(Some(owner)) } else { Ok(own) }
    }

    fn question(
        &self,
        bundle: &Bundle,
        access: &Access,
        arrival: &Arrival,
        caller: &Caller,
        rest: &Rest<'_>,
    ) -> Result<Question, Denied> {
        let types = bundle.types();
        let resource = match access.object() {
            Some((kind, id)) => {
                let kind = types.resource(kind);
                uid(kind.ok_or_else(|| Denied::Unaskable("the type of the object is unknown".to_owned()))?, id)
            }
            None => uid(&types.endpoint, access.action()),
        };
        let mut known = caller.entities.clone();
        let mut add = |entity: Entity| {
            if !known.iter().any(|it| it.uid() == entity.uid()) {
                known.push(entity);
            }
        };
        if let Some(tenant) = rest.tenant {
            add(entities::organization(bundle, &tenant.value)?);
        }
        if let Some(object) = rest.object {
            add(entities::object(bundle, &resource, object)?);
        }
        let circumstances = Circumstances {
            path: &arrival.path,
            method: &arrival.method,
            tenant: rest.tenant.map(|tenant| &*tenant.value.id),
            feature: access.feature().map(|it| &**it),
            workflow: access.workflow().map(|it| &**it),
            body_fields: rest.body_fields,
            body_roles: rest.body_roles,
            break_glass: rest.justification.map(|it| &**it),
            client: Some(arrival.client),
            token_age: caller.token_age,
        };
        let principal = uid(&types.user, &caller.user.value.id);
        Question::new(access.slice(bundle), principal, resource, circumstances.context(bundle)?, known)
    }
}

/// What is known only after the layer `role`.
#[derive(Debug, Default)]
struct Rest<'a> {
    tenant: Option<&'a Fact<OrganizationFacts>>,
    object: Option<&'a ObjectFacts>,
    body_fields: &'a [Arc<str>],
    body_roles: &'a [Arc<str>],
    justification: Option<&'a Arc<str>>,
}

/// Whether a token was taken back: by its id, or with all that were issued before a moment. A
/// token that does not say when it was issued was issued before any moment.
fn revoked(token: &crate::identify::VerifiedToken, user: &UserFacts) -> bool {
    let by_id = token.jti.as_ref().is_some_and(|id| user.revoked_tokens.contains(id));
    let by_time = user.tokens_valid_after.is_some_and(|after| token.issued_at.is_none_or(|at| at < after));
    by_id || by_time
}
