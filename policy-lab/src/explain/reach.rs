//! The reviewer's two questions: who can do this, and what can this user do? Each is answered by
//! asking the pipeline for everybody, or for everything.

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

/// What somebody may do to what.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The object; one of the user's own organisation is made up without it.
    pub object: Option<String>,
    /// `X-Tenant` of every request.
    pub tenant: Option<String>,
}

/// Who can do something.
#[derive(Debug, Serialize)]
pub struct WhoCan {
    /// The action.
    pub action: String,
    /// The method.
    pub method: String,
    /// The path.
    pub template: String,
    /// The object that was asked about; `null`: one of each user's own organisation.
    pub object: Option<String>,
    /// The tenant that was named.
    pub tenant: Option<String>,
    /// How many users were asked about.
    pub users: usize,
    /// Those who can.
    pub allowed: Vec<Holder>,
    /// Those who cannot, by the reason.
    pub refused: BTreeMap<String, Vec<String>>,
}

/// A user who can.
#[derive(Debug, Serialize)]
pub struct Holder {
    /// The user.
    pub user: String,
    /// Its organisation.
    pub organization: Option<String>,
    /// Its effective roles.
    pub roles: Vec<String>,
    /// The policies that let it in.
    pub policies: Vec<PolicyPlace>,
}

/// A policy and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PolicyPlace {
    /// Its `@id`.
    pub policy: String,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
}

/// What a user can do.
#[derive(Debug, Serialize)]
pub struct WhatCan {
    /// The user.
    pub user: String,
    /// Its organisation.
    pub organization: Option<String>,
    /// Its effective roles.
    pub roles: Vec<String>,
    /// Its features.
    pub features: Vec<String>,
    /// The tenant that was named.
    pub tenant: Option<String>,
    /// What it can do.
    pub allowed: Vec<Doable>,
    /// What it cannot, by the reason.
    pub refused: BTreeMap<String, Vec<String>>,
}

/// Something that a user can do.
#[derive(Debug, Serialize)]
pub struct Doable {
    /// The action.
    pub action: String,
    /// The method.
    pub method: String,
    /// The path.
    pub template: String,
    /// The policies that let it in.
    pub policies: Vec<PolicyPlace>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// No route is this action.
    #[error("no route of the bundle is the action `{0}`")]
    NoAction(String),
    /// Nobody has this id.
    #[error("no user has the id `{0}`")]
    NoUser(String),
    /// No organisation has this slug.
    #[error("no organisation has the slug `{0}`")]
    NoTenant(String),
    /// The action is about no object.
    #[error("`{0}` is about no object that has an id")]
    NoneToName(String),
    /// No object has this id.
    #[error("no {kind} has the id `{id}`")]
    NoObject {
        /// Its type.
        kind: String,
        /// The id.
        id: String,
    },
    /// The facts cannot be had.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// A request cannot be judged.
    #[error(transparent)]
    Workbench(#[from] WorkbenchError),
}

impl Explainer {
    /// Who can do `action`.
    ///
    /// # Errors
    ///
    /// When no route is this action, or the facts cannot be had.
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
                // A row that cannot be read denies that user alone, as the gate does.
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

    /// The object that is asked about, if one is, is there: else everybody would be told `not_found`.
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

    /// What the user `id` can do.
    ///
    /// # Errors
    ///
    /// When there is no such user, or the facts cannot be had.
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
