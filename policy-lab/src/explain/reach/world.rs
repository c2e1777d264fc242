//! The world in which users are tried: the current facts, and a made-up object of each type for each
//! organisation, so that a reviewer need not name any object.

use std::sync::Arc;

use policy_store::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use policy_store::routes::{Route, Scope};
use policy_store::source::{FactSource as _, FactsError};
use proxy::judge::workbench::{self, Ask, Verdict, Workbench};

use super::{Reach, ReachError};
use crate::explain::Explainer;

/// The made-up organisation whose objects are used for users without an organisation.
const NOBODYS: &str = "an-organisation";

/// The current facts with made-up objects.
pub(super) struct World<'a> {
    explainer: &'a Explainer,
    bench: Workbench,
    reach: &'a Reach,
    tenant: Option<OrganizationFacts>,
}

impl Explainer {
    /// Returns a user from the scene.
    pub(super) async fn scene_user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        self.scene.user(id).await
    }
}

impl<'a> World<'a> {
    /// Returns a world for one question.
    pub(super) async fn new(
        explainer: &'a Explainer,
        reach: &'a Reach,
    ) -> Result<Self, ReachError> {
        explainer.scene.change(&[]);
        // Facts do not change in this world: a fact that was read once is valid for all requests.
        let bench = Workbench::over(
            Arc::clone(&explainer.bundles),
            Arc::<super::super::scene::Scene>::clone(&explainer.scene),
            explainer.tenancy.clone(),
            None,
            workbench::TTL,
        )?;
        let tenant = match &reach.tenant {
            None => None,
            Some(slug) => {
                let key = OrganizationKey::Slug(Arc::from(slug.as_str()));
                let found = explainer.scene.organization(&key).await?;
                Some(found.ok_or_else(|| ReachError::NoTenant(slug.clone()))?)
            }
        };
        Ok(Self { explainer, bench, reach, tenant })
    }

    /// Judges a user's request for a route; if the route has workflows, one allowed workflow is enough.
    pub(super) async fn judge(
        &self,
        route: &Route,
        user: &UserFacts,
    ) -> Result<Verdict, ReachError> {
        let home = self.home(user).await?;
        let workflows = home.as_ref().map(|it| it.workflows.clone()).unwrap_or_default();
        let (first, rest) = match workflows.split_first() {
            Some((first, rest)) if has_workflow(route) => (Arc::clone(first), rest.to_vec()),
            _ => (Arc::from("any"), Vec::new()),
        };
        let mut verdict = self.ask(route, user, home.as_ref(), &first).await?;
        for workflow in rest {
            if verdict.allowed() {
                break;
            }
            verdict = self.ask(route, user, home.as_ref(), &workflow).await?;
        }
        Ok(verdict)
    }

    /// Returns the organisation that owns made-up objects.
    async fn home(&self, user: &UserFacts) -> Result<Option<OrganizationFacts>, FactsError> {
        if self.tenant.is_some() {
            return Ok(self.tenant.clone());
        }
        let Some(id) = &user.organization else { return Ok(None) };
        self.explainer.scene.organization(&OrganizationKey::Id(Arc::clone(id))).await
    }

    async fn ask(
        &self,
        route: &Route,
        user: &UserFacts,
        home: Option<&OrganizationFacts>,
        workflow: &Arc<str>,
    ) -> Result<Verdict, ReachError> {
        let id = match &self.reach.object {
            Some(object) => object.clone(),
            None => self.make_up(route, home, workflow),
        };
        let ask = Ask {
            user: Some(Arc::clone(&user.id)),
            method: route.method.clone(),
            target: route.path_of(&id, workflow),
            tenant: self.reach.tenant.clone(),
            ..Ask::default()
        };
        Ok(self.bench.judge(&ask).await?)
    }

    /// Makes up an object of the organisation, and returns its id.
    fn make_up(
        &self,
        route: &Route,
        home: Option<&OrganizationFacts>,
        workflow: &Arc<str>,
    ) -> String {
        let owner = home.map_or_else(|| Arc::from(NOBODYS), |it| Arc::clone(&it.id));
        let scene = &self.explainer.scene;
        if home.is_none() {
            scene.make_up_organization(nobodys());
        }
        if route.scope == Scope::Organization {
            return owner.to_string();
        }
        let id = format!("made-up:{owner}:{workflow}");
        if !route.scope.looks_up() {
            return id;
        }
        if &*route.resource == "User" {
            scene.make_up_user(UserFacts {
                id: Arc::from(id.as_str()),
                organization: Some(owner),
                roles: Vec::new(),
                features: Vec::new(),
                status: Arc::from(""),
                tokens_valid_after: None,
                revoked_tokens: Vec::new(),
            });
        } else {
            let workflow = has_workflow(route).then(|| Arc::clone(workflow));
            let object = OwnedFacts { owner: Some(owner), workflow, roles: None };
            scene.make_up_object(&route.resource, &id, object);
        }
        id
    }
}

fn has_workflow(route: &Route) -> bool {
    matches!(route.scope, Scope::Workflow | Scope::WorkflowLookup)
}

fn nobodys() -> OrganizationFacts {
    OrganizationFacts {
        id: Arc::from(NOBODYS),
        slug: Arc::from(NOBODYS),
        status: Arc::from(""),
        deleted: false,
        features: Vec::new(),
        workflows: Vec::new(),
        group: None,
    }
}
