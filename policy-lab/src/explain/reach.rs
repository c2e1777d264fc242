//! Answers the two questions of a reviewer: who can do this, and what can this user do? The pipeline is asked
//! for every user, or for every route.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::facts::OrganizationKey;
use policy_store::routes::Route;
use policy_store::source::{FactSource as _, FactsError};
use proxy::judge::workbench::{Verdict, WorkbenchError};
use serde::Serialize;

use super::Explainer;

use world::World;

/// The circumstances of a question about what users can do.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The id of the object. Without it, an object of the user's own organisation is made up.
    pub object: Option<String>,
    /// The `X-Tenant` of every request.
    pub tenant: Option<String>,
}

/// The users who can do something.
#[derive(Debug, Serialize)]
pub struct WhoCan {
    /// The action.
    pub action: String,
    /// The method.
    pub method: String,
    /// The path.
    pub template: String,
    /// The id of the object; `null` if the object is made up in each user's own organisation.
    pub object: Option<String>,
    /// The tenant that the requests name.
    pub tenant: Option<String>,
    /// The number of users that were tried.
    pub users: usize,
    /// The users who can.
    pub allowed: Vec<Holder>,
    /// The users who cannot, by the reason.
    pub refused: BTreeMap<String, Vec<String>>,
}

/// A user who can do something.
#[derive(Debug, Serialize)]
pub struct Holder {
    /// The user.
    pub user: String,
    /// The user's organisation.
    pub organization: Option<String>,
    /// The user's effective roles.
    pub roles: Vec<String>,
    /// The policies that let the user in.
    pub policies: Vec<PolicyPlace>,
}

/// A policy and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PolicyPlace {
    /// The `@id` of the policy.
    pub policy: String,
    /// The file of the policy.
    pub file: String,
    /// The line in the file.
    pub line: usize,
}

/// The actions that a user can do.
#[derive(Debug, Serialize)]
pub struct WhatCan {
    /// The user.
    pub user: String,
    /// The user's organisation.
    pub organization: Option<String>,
    /// The user's effective roles.
    pub roles: Vec<String>,
    /// The user's features.
    pub features: Vec<String>,
    /// The tenant that the requests name.
    pub tenant: Option<String>,
    /// The actions that the user can do.
    pub allowed: Vec<Doable>,
    /// The actions that the user cannot do, by the reason.
    pub refused: BTreeMap<String, Vec<String>>,
}

/// An action that a user can do.
#[derive(Debug, Serialize)]
pub struct Doable {
    /// The action.
    pub action: String,
    /// The method.
    pub method: String,
    /// The path.
    pub template: String,
    /// The policies that let the user in.
    pub policies: Vec<PolicyPlace>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// No route has this action.
    #[error("no route of the bundle is the action `{0}`")]
    NoAction(String),
    /// No user has this id.
    #[error("no user has the id `{0}`")]
    NoUser(String),
    /// No organisation has this slug.
    #[error("no organisation has the slug `{0}`")]
    NoTenant(String),
    /// The action is not about an object with an id.
    #[error("`{0}` is about no object that has an id")]
    NoneToName(String),
    /// No object has this id.
    #[error("no {kind} has the id `{id}`")]
    NoObject {
        /// The type of the object.
        kind: String,
        /// The id of the object.
        id: String,
    },
    /// The facts cannot be loaded.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// A request cannot be judged.
    #[error(transparent)]
    Workbench(#[from] WorkbenchError),
}

impl Explainer {
    /// Returns who can do `action`.
    ///
    /// # Errors
    ///
    /// Fails if no route has this action, or if the facts cannot be loaded.
    pub async fn who_can(&self, action: &str, reach: &Reach) -> Result<WhoCan, ReachError> {
        let published = self.bundle();
        let bundle = &published.bundle;
        let mut routes = bundle.routes().routes().iter();
        let route = routes.find(|route| *route.action == *action);
        let route = route.ok_or_else(|| ReachError::NoAction(action.to_owned()))?;
        self.find(route, reach).await?;
        let world = World::new(self, reach).await?;
        let ids = self.notebook.users().await?;
        let mut answer = WhoCan {
            action: route.action.to_string(),
            method: route.method.clone(),
            template: route.template.to_string(),
            object: reach.object.clone(),
            tenant: reach.tenant.clone(),
            users: ids.len(),
            allowed: Vec::new(),
            refused: BTreeMap::new(),
        };
        for id in ids {
            let user = match self.scene_user(&id).await {
                // A row that cannot be read denies only that user, as in the gate.
                Err(FactsError::Unreadable { .. }) => {
                    let refused = answer.refused.entry("facts_unavailable".to_owned());
                    refused.or_default().push(id.to_string());
                    continue;
                }
                read => read?,
            };
            let Some(user) = user else { continue };
            let verdict = world.judge(route, &user).await?;
            if verdict.allowed() {
                answer.allowed.push(Holder {
                    user: id.to_string(),
                    organization: user.organization.as_ref().map(ToString::to_string),
                    roles: user.roles.iter().map(ToString::to_string).collect(),
                    policies: places(bundle, &verdict),
                });
            } else {
                answer.refused.entry(verdict.reason().to_owned()).or_default().push(id.to_string());
            }
        }
        answer.allowed.sort_by(|one, other| one.organization.cmp(&other.organization));
        Ok(answer)
    }

    /// Checks that the object in question exists: otherwise every user would be refused with `not_found`.
    async fn find(&self, route: &Route, reach: &Reach) -> Result<(), ReachError> {
        let Some(id) = &reach.object else { return Ok(()) };
        let key = OrganizationKey::Id(Arc::from(&**id));
        let found = match &*route.resource {
            _ if !route.scope.looks_up() => {
                return Err(ReachError::NoneToName(route.action.to_string()));
            }
            "User" => self.notebook.user(id).await?.is_some(),
            "Organization" => self.notebook.organization(&key).await?.is_some(),
            kind => self.notebook.object(kind, id).await?.is_some(),
        };
        let kind = || route.resource.to_string();
        if found { Ok(()) } else { Err(ReachError::NoObject { kind: kind(), id: id.clone() }) }
    }

    /// Returns what the user `id` can do.
    ///
    /// # Errors
    ///
    /// Fails if there is no such user, or if the facts cannot be loaded.
    pub async fn what_can(&self, id: &str, reach: &Reach) -> Result<WhatCan, ReachError> {
        let published = self.bundle();
        let bundle = &published.bundle;
        let user = self.scene_user(id).await?;
        let user = user.ok_or_else(|| ReachError::NoUser(id.to_owned()))?;
        let world = World::new(self, reach).await?;
        let mut answer = WhatCan {
            user: id.to_owned(),
            organization: user.organization.as_ref().map(ToString::to_string),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            features: user.features.iter().map(ToString::to_string).collect(),
            tenant: reach.tenant.clone(),
            allowed: Vec::new(),
            refused: BTreeMap::new(),
        };
        for route in bundle.routes().routes() {
            let verdict = world.judge(route, &user).await?;
            if verdict.allowed() {
                answer.allowed.push(doable(bundle, route, &verdict));
            } else {
                let actions = answer.refused.entry(verdict.reason().to_owned()).or_default();
                actions.push(route.action.to_string());
            }
        }
        Ok(answer)
    }
}

fn doable(bundle: &Bundle, route: &Arc<Route>, verdict: &Verdict) -> Doable {
    Doable {
        action: route.action.to_string(),
        method: route.method.clone(),
        template: route.template.to_string(),
        policies: places(bundle, verdict),
    }
}

fn places(bundle: &Bundle, verdict: &Verdict) -> Vec<PolicyPlace> {
    let rule = |id: &Arc<str>| bundle.rules().find(|rule| rule.id == *id);
    let rules = verdict.record.policies.iter().filter_map(rule);
    rules
        .map(|rule| PolicyPlace {
            policy: rule.id.to_string(),
            file: rule.file.clone(),
            line: rule.line,
        })
        .collect()
}
