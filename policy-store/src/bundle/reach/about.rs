//! The properties of a request besides its caller: tenant, object and body, as far as the policies after the
//! layer `role` can distinguish them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

use cedar_policy::{Entity, EntityUid, RestrictedExpression as Expression};

use super::callers::{Caller, Callers, WORDS, entities, text, uid};
use super::words::Words;
use crate::routes::Body;

/// The id of another user's account, or of another organisation.
pub(super) const ANOTHER: &str = "another";

/// What is known about a request once its body is read and its object is looked up.
#[derive(Debug, Clone, Default)]
pub(in crate::bundle) struct About<'a> {
    lacking: Vec<Lack>,
    /// Whether the object belongs to another organisation than the tenant.
    pub(super) foreign: bool,
    /// The roles that the object holds or promises.
    held: Vec<&'a str>,
    /// The members of the body.
    pub(super) fields: Vec<&'a str>,
    /// The roles that the body hands out.
    pub(super) handed: Vec<&'a str>,
    /// Whether the request comes with a justification.
    pub(super) justified: bool,
}

/// A property that a request in order has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bundle) enum Lack {
    /// The request names a tenant.
    Tenant,
    /// The tenant has bought all features.
    Features,
    /// The tenant has enabled the workflow.
    Workflow,
    /// The object has an owner.
    Owner,
    /// The tenant is the caller's own organisation.
    Home,
}

/// One unusual property of a request.
#[derive(Debug, Clone)]
enum Oddity<'a> {
    Lack(Lack),
    Foreign,
    Held(&'a str),
    Fields(Vec<&'a str>),
    Handed(Vec<&'a str>),
    Justified,
}

impl<'a> About<'a> {
    /// Returns a request that is in order.
    pub(in crate::bundle) fn usual() -> Self {
        Self::default()
    }

    /// Returns the requests with one unusual property, among the properties that the policies may look at.
    pub(in crate::bundle) fn odd(callers: Callers<'a>, said: &Words<'a>) -> Vec<Self> {
        Oddity::all(callers, said).iter().map(|odd| Self::usual().but(odd)).collect()
    }

    /// Returns the requests with two unusual properties.
    pub(super) fn very_odd(callers: Callers<'a>, said: &Words<'a>) -> Vec<Self> {
        let odd = Oddity::all(callers, said);
        let later = |place: usize| odd.get(place + 1..).unwrap_or_default();
        let two = odd.iter().enumerate().flat_map(|(place, odd)| {
            later(place).iter().map(|other| Self::usual().but(odd).but(other))
        });
        two.collect()
    }

    fn but(mut self, odd: &Oddity<'a>) -> Self {
        match odd {
            Oddity::Lack(what) => self.lacking.push(*what),
            Oddity::Foreign => self.foreign = true,
            Oddity::Held(role) => self.held.push(role),
            Oddity::Fields(fields) => self.fields.clone_from(fields),
            Oddity::Handed(roles) => self.handed.clone_from(roles),
            Oddity::Justified => self.justified = true,
        }
        self
    }

    pub(super) fn has(&self, what: Lack) -> bool {
        !self.lacking.contains(&what)
    }

    /// Returns the entity of the object `own`, or `None` if the object is an endpoint or an organisation: the
    /// question contains these already, as far as it needs them.
    pub(super) fn object(
        &self,
        callers: Callers<'_>,
        caller: &Caller<'_>,
        own: &EntityUid,
    ) -> Option<Entity> {
        let types = callers.bundle.types();
        if [&types.endpoint, &types.organization].contains(&own.type_name()) {
            return None;
        }
        let mut attributes = HashMap::from([
            ("workflow".to_owned(), text(caller.workflow())),
            ("roles".to_owned(), entities(&types.role, &self.held)),
        ]);
        if own.type_name() == &types.user {
            attributes.insert("status".to_owned(), text(caller.status()));
            attributes.insert("features".to_owned(), Expression::new_set([]));
        }
        if self.has(Lack::Owner) {
            let owner = if self.foreign { ANOTHER } else { caller.world().organization };
            let owner = Expression::new_entity_uid(uid(&types.organization, owner));
            attributes.insert("organization".to_owned(), owner.clone());
            attributes.insert("owner".to_owned(), owner);
        }
        Entity::new(own.clone(), attributes, HashSet::new()).ok()
    }
}

/// Describes a request as a message does.
impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacking = self.lacking.iter().map(|lack| match lack {
            Lack::Tenant => "without a tenant",
            Lack::Features => "in a tenant that has bought no feature",
            Lack::Workflow => "in a tenant that has enabled no workflow",
            Lack::Owner => "for an object that belongs to nobody",
            Lack::Home => "in another tenant than the own",
        });
        let foreign = self.foreign.then_some("for an object of another tenant");
        let justified = self.justified.then_some("with a justification");
        let mut said: Vec<String> =
            lacking.chain(foreign).chain(justified).map(str::to_owned).collect();
        for (what, names) in [
            ("for an object with the roles", &self.held),
            ("with a body that has the members", &self.fields),
            ("with a body that hands out", &self.handed),
        ] {
            if !names.is_empty() {
                said.push(format!("{what} {}", names.join(", ")));
            }
        }
        f.write_str(&said.join(", "))
    }
}

impl<'a> Oddity<'a> {
    fn all(callers: Callers<'a>, said: &Words<'a>) -> Vec<Self> {
        let mut all: Vec<Self> =
            [Lack::Tenant, Lack::Features, Lack::Workflow, Lack::Home].map(Self::Lack).into();
        all.push(Self::Justified);
        let roles = said.told_apart(callers.bundle.vocabulary().roles().map(|it| &**it));
        if callers.route.scope.looks_up() {
            all.extend([Self::Foreign, Self::Lack(Lack::Owner)]);
            all.extend(roles.iter().map(|role| Self::Held(role)));
        }
        if callers.route.body == Body::Json {
            let words: BTreeSet<&str> = said.asking("body_fields").collect();
            all.push(Self::Fields(words.iter().copied().collect()));
            all.extend(words.into_iter().take(WORDS).map(|word| Self::Fields(vec![word])));
        }
        if callers.route.roles_in.is_some() {
            all.push(Self::Handed(roles.clone()));
            all.extend(roles.into_iter().map(|role| Self::Handed(vec![role])));
        }
        all
    }
}
