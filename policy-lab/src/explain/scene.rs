//! The current facts with hypothetical changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use policy_store::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use policy_store::source::{FactSource, FactsError, FixedFacts};
use proxy::judge::workbench::Notebook;

use super::change::Change;

/// Facts that are read once and can be changed hypothetically.
pub(super) struct Scene {
    base: Arc<Notebook<dyn FactSource>>,
    state: Mutex<State>,
}

/// The facts that were read, the made-up facts, and the changes.
#[derive(Default)]
struct State {
    users: BTreeMap<Arc<str>, Option<UserFacts>>,
    organizations: HashMap<OrganizationKey, Option<OrganizationFacts>>,
    objects: HashMap<(String, String), Option<OwnedFacts>>,
    made_up: FixedFacts,
    changes: Vec<Change>,
}

/// What the scene knows about a row.
enum Known<T> {
    /// The row was not looked up yet.
    NotYet,
    /// The row has this content, or does not exist.
    As(Option<T>),
}

impl<T> Known<T> {
    fn found(self) -> Option<T> {
        match self {
            Self::NotYet => None,
            Self::As(found) => found,
        }
    }
}

/// The facts that were looked up so far, without changes, by id.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The users that exist.
    pub users: BTreeMap<Arc<str>, UserFacts>,
    /// The organisations that exist.
    pub organizations: BTreeMap<Arc<str>, OrganizationFacts>,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").finish_non_exhaustive()
    }
}

impl Scene {
    /// Returns a scene with the facts of `base`, unchanged.
    pub(super) fn new(base: Arc<Notebook<dyn FactSource>>) -> Self {
        Self { base, state: Mutex::default() }
    }

    /// Forgets all facts and changes.
    pub(super) fn forget(&self) {
        self.with(|state| *state = State::default());
    }

    /// Applies these changes from now on, and no others.
    pub(super) fn change(&self, changes: &[Change]) {
        self.with(|state| state.changes = changes.to_vec());
    }

    /// Adds a made-up user.
    pub(super) fn make_up_user(&self, user: UserFacts) {
        self.with(|state| drop(state.made_up.users.insert(Arc::clone(&user.id), user)));
    }

    /// Adds a made-up organisation.
    pub(super) fn make_up_organization(&self, organization: OrganizationFacts) {
        self.with(|state| {
            state.made_up.organizations.retain(|it| it.id != organization.id);
            state.made_up.organizations.push(organization);
        });
    }

    /// Adds a made-up object.
    pub(super) fn make_up_object(&self, kind: &str, id: &str, owned: OwnedFacts) {
        let key = (kind.to_owned(), id.to_owned());
        self.with(|state| drop(state.made_up.objects.insert(key, owned)));
    }

    /// Returns the facts that were looked up so far, without made-up ones.
    pub(super) fn seen(&self) -> Seen {
        self.with(|state| Seen {
            users: state
                .users
                .values()
                .flatten()
                .map(|it| (Arc::clone(&it.id), it.clone()))
                .collect(),
            organizations: state
                .organizations
                .values()
                .flatten()
                .map(|it| (Arc::clone(&it.id), it.clone()))
                .collect(),
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Returns the user with the changes applied, if it was looked up.
    fn user(&self, id: &str) -> Known<UserFacts> {
        if let Some(user) = self.made_up.users.get(id) {
            return Known::As(Some(user.clone()));
        }
        let Some(mut user) = self.users.get(id).cloned() else { return Known::NotYet };
        if let Some(user) = &mut user {
            self.changes.iter().for_each(|change| change.user(user));
        }
        Known::As(user)
    }

    /// Returns the organisation with the changes applied, if it was looked up.
    fn organization(&self, key: &OrganizationKey) -> Known<OrganizationFacts> {
        let named = |it: &&OrganizationFacts| match key {
            OrganizationKey::Id(id) => it.id == *id,
            OrganizationKey::Slug(slug) => it.slug == *slug,
        };
        if let Some(organization) = self.made_up.organizations.iter().find(named) {
            return Known::As(Some(organization.clone()));
        }
        let Some(mut organization) = self.organizations.get(key).cloned() else {
            return Known::NotYet;
        };
        if let Some(organization) = &mut organization {
            self.changes.iter().for_each(|change| change.organization(organization));
        }
        Known::As(organization)
    }

    fn object(&self, key: &(String, String)) -> Known<OwnedFacts> {
        let made_up = self.made_up.objects.get(key).cloned().map(Some);
        made_up.or_else(|| self.objects.get(key).cloned()).map_or(Known::NotYet, Known::As)
    }
}

#[async_trait]
impl FactSource for Scene {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        if let Known::As(known) = self.with(|state| state.user(id)) {
            return Ok(known);
        }
        let read = self.base.user(id).await?;
        self.with(|state| drop(state.users.insert(Arc::from(id), read)));
        Ok(self.with(|state| state.user(id)).found())
    }

    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        if let Known::As(known) = self.with(|state| state.organization(key)) {
            return Ok(known);
        }
        let read = self.base.organization(key).await?;
        self.with(|state| drop(state.organizations.insert(key.clone(), read)));
        Ok(self.with(|state| state.organization(key)).found())
    }

    async fn object(&self, kind: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError> {
        let key = (kind.to_owned(), id.to_owned());
        if let Known::As(known) = self.with(|state| state.object(&key)) {
            return Ok(known);
        }
        let read = self.base.object(kind, id).await?;
        self.with(|state| drop(state.objects.insert(key, read.clone())));
        Ok(read)
    }

    async fn ping(&self) -> Result<(), FactsError> {
        self.base.ping().await
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        self.base.users().await
    }

    fn knows(&self, kind: &str) -> bool {
        self.base.knows(kind)
    }
}
