//! Finds who may change a fact: asks the route that changes the fact, for each role alone.

use std::sync::Arc;

use policy_store::bundle::Layer;
use policy_store::facts::{OrganizationFacts, UserFacts};
use policy_store::routes::{FactKind, Route};
use proxy::judge::workbench::{Ask, WorkbenchError};
use serde_json::{Map, Value, json};

use super::change::{Change, To};
use super::report::{Who, With};
use super::{Explainer, candidates, layers};

/// The names of made-up users and organisations. They contain blanks, unlike every id in a request.
const SOMEBODY: &str = "somebody of that role";
const ELSEWHERE: &str = "another organisation";
const BESIDE: &str = "another organisation of the group";

/// How a fact can be changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Means {
    /// The callers who may make the change, the least powerful first.
    pub(super) by: Vec<Who>,
    /// The request that makes the change; `None` if no route does.
    pub(super) with: Option<With>,
}

/// A request that makes a change, and its subject.
struct Errand {
    ask: Ask,
    with: With,
    /// The organisation that the fact belongs to.
    home: Option<OrganizationFacts>,
}

/// The statuses that keep a user from nothing.
struct Standing {
    user: Arc<str>,
    organization: Arc<str>,
}

impl Explainer {
    /// Returns who may make a change after the changes in `before`.
    pub(super) async fn means(
        &self,
        change: &Change,
        before: &[Change],
    ) -> Result<Means, WorkbenchError> {
        self.scene.change(before);
        let published = self.bundle();
        let mut means = Means::default();
        for route in published.bundle.routes().routes() {
            let Some(member) = route.changes(change.kind) else { continue };
            let errand = self.errand(route, member, change, before);
            let by = self.askers(&errand).await?;
            if means.with.is_none() || (means.by.is_empty() && !by.is_empty()) {
                means = Means { by, with: Some(errand.with) };
            }
        }
        Ok(means)
    }

    fn errand(&self, route: &Route, member: &str, change: &Change, before: &[Change]) -> Errand {
        let seen = self.scene.seen();
        let mut user = seen.users.get(&change.of).cloned();
        if let Some(user) = &mut user {
            before.iter().chain([change]).for_each(|it| it.user(user));
        }
        let home = match &user {
            Some(user) if change.kind.is_of_user() => user.organization.clone(),
            _ => Some(Arc::clone(&change.of)),
        };
        let mut home = home.and_then(|id| seen.organizations.get(&id).cloned());
        if let Some(home) = &mut home {
            for change in before {
                change.organization(home);
            }
        }
        let body =
            Value::Object(Map::from_iter([(member.to_owned(), value(change, user.as_ref()))]));
        let path = route.path_of(&change.of, "");
        let ask = Ask {
            user: Some(Arc::from(SOMEBODY)),
            method: route.method.clone(),
            target: path.clone(),
            body: Some(body.to_string()),
            ..Ask::default()
        };
        let with = With {
            method: route.method.clone(),
            path,
            action: route.action.to_string(),
            member: member.to_owned(),
        };
        Errand { ask, with, home }
    }

    /// Returns the roles that may make the request, the least powerful first.
    async fn askers(&self, errand: &Errand) -> Result<Vec<Who>, WorkbenchError> {
        let standing = self.standing(errand).await?;
        self.make_up_places(errand, &standing.organization);
        let home = errand.home.as_ref().map(|it| Arc::clone(&it.id));
        let grouped = errand.home.as_ref().is_some_and(|it| it.group.is_some());
        let mut found = Vec::new();
        for role in candidates::roles(&self.bundle().bundle) {
            let may = async |place: Option<Arc<str>>| {
                let roles = vec![Arc::clone(&role)];
                self.may(errand, roles, place, &standing.user).await
            };
            let elsewhere = may(Some(Arc::from(ELSEWHERE))).await?;
            let role = role.to_string();
            let named = || home.as_ref().map(ToString::to_string);
            if !elsewhere.allowed && !elsewhere.place_matters {
                continue;
            }
            if elsewhere.allowed || may(None).await?.allowed {
                found.push(Who { role, of: None, of_group_of: None });
            } else if grouped && may(Some(Arc::from(BESIDE))).await?.allowed {
                found.push(Who { role, of: None, of_group_of: named() });
            } else if home.is_some() && may(home.clone()).await?.allowed {
                found.push(Who { role, of: named(), of_group_of: None });
            }
        }
        Ok(found)
    }

    /// Returns the statuses with which a user who has all roles gets furthest.
    async fn standing(&self, errand: &Errand) -> Result<Standing, WorkbenchError> {
        let all: Vec<Arc<str>> = self.bundle().bundle.vocabulary().roles().cloned().collect();
        let mut best = (None, Standing { user: Arc::from(""), organization: Arc::from("") });
        for organization in &self.statuses {
            self.make_up_places(errand, organization);
            for user in &self.statuses {
                let place = Some(Arc::from(ELSEWHERE));
                let may = self.may(errand, all.clone(), place, user).await?;
                let further = best.0.is_none_or(|stage| may.stage > stage);
                if further {
                    let standing =
                        Standing { user: Arc::clone(user), organization: Arc::clone(organization) };
                    best = (Some(may.stage), standing);
                }
            }
        }
        Ok(best.1)
    }

    fn make_up_places(&self, errand: &Errand, status: &Arc<str>) {
        let group = errand.home.as_ref().and_then(|it| it.group.clone());
        for (id, group) in [(ELSEWHERE, None), (BESIDE, group)] {
            self.scene.make_up_organization(OrganizationFacts {
                id: Arc::from(id),
                slug: Arc::from(id),
                status: Arc::clone(status),
                deleted: false,
                features: Vec::new(),
                workflows: Vec::new(),
                group,
            });
        }
    }

    async fn may(
        &self,
        errand: &Errand,
        roles: Vec<Arc<str>>,
        organization: Option<Arc<str>>,
        status: &Arc<str>,
    ) -> Result<May, WorkbenchError> {
        self.scene.make_up_user(UserFacts {
            id: Arc::from(SOMEBODY),
            organization,
            roles,
            features: Vec::new(),
            status: Arc::clone(status),
            tokens_valid_after: None,
            revoked_tokens: Vec::new(),
        });
        let verdict = self.trial.judge(&errand.ask).await?;
        let bundle = &self.bundle().bundle;
        let refused = verdict.refusal.as_ref().map(|refusal| layers::rank(bundle, refusal).0);
        Ok(May {
            allowed: refused.is_none(),
            stage: refused.map_or(u8::MAX, |layer| layer as u8),
            place_matters: !matches!(refused, Some(Layer::Boundary | Layer::Role)),
        })
    }
}

/// The result of a request by a made-up user.
struct May {
    allowed: bool,
    /// The layer that refused the request, as a number; the maximum if none did.
    stage: u8,
    /// Whether the result might differ in another organisation: the layers `boundary` and `role` do not look at
    /// it.
    place_matters: bool,
}

/// Returns the value in the body that makes the change.
fn value(change: &Change, user: Option<&UserFacts>) -> Value {
    let list = |list: &[Arc<str>]| json!(list.iter().map(|it| &**it).collect::<Vec<_>>());
    match (change.kind, user, &change.to) {
        (FactKind::UserRoles, Some(user), _) => list(&user.roles),
        (FactKind::UserFeatures, Some(user), _) => list(&user.features),
        (_, _, To::With(name)) => json!({ &**name: true }),
        (_, _, To::Without(name)) => json!({ &**name: false }),
        (_, _, To::Is(word)) => json!(**word),
        (_, _, To::Set(so)) => json!(so),
    }
}
