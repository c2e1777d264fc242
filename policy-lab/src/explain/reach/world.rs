//! The world in which everybody is asked about: the facts as they are, and for each organisation an
//! object of each type that is made up, so that nobody has to name one.

use std::sync::Arc;

use policy_store::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use policy_store::routes::{Route, Scope};
use policy_store::source::{FactSource as _, FactsError};
use proxy::judge::workbench::{self, Ask, Verdict, Workbench};

use super::{Reach, ReachError};
use crate::explain::Explainer;

/// The organisation of those who belong to none, when an object of theirs is asked about.
const NOBODYS: &str = "an-organisation";

/// The facts and what is made up.
pub(super) struct World<'a> {
    explainer: &'a Explainer,
    bench: Workbench,
    reach: &'a Reach,
    tenant: Option<OrganizationFacts>,
}

impl Explainer {
    /// A user as the scene has it.
    pub(super) async fn scene_user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        self.scene.user(id).await
    }
}

impl<'a> World<'a> {
    /// A world for one question.
    pub(super) async fn new(
        explainer: &'a Explainer,
        reach: &'a Reach,
    ) -> Result<Self, ReachError> {
        explainer.scene.change(&[]);
        // Nothing changes in this world: what was read once is good for all.
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

    /// Whether a user can ask for a route, in any of the workflows if it has them.
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

    /// The organisation that owns what is made up.
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

    /// The id of an object of the organisation, which is there from now on.
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
