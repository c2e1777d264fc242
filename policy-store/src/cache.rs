//! The cache before the source: a short time to live, one load per key at a time, and no fact that
//! is known to have changed.
//!
//! INVARIANT: no fact leaves here that the database was asked for longer ago than the time to live,
//! but while the database is down, for reads, where the operator has chosen that (`stale_for`).
//! Errors are never kept.

mod change;
mod errand;
mod likeness;
mod shelf;
mod terms;
mod weight;

use std::sync::Arc;
use std::time::Instant;

use crate::facts::{
    Fact, ObjectFacts, OrganizationFacts, OrganizationGist, OrganizationKey, OwnedFacts, Standing,
    UserFacts, UserGist,
};
use crate::source::{FactSource, FactsError};

pub use change::Change;
use likeness::Numbers;
use shelf::{Common, Keeps, Shelf, Wants};
pub use terms::{Event, Lookup, Observer, Outcome, Settings, Terms};
pub use weight::Weigh;
use weight::{Bounded, bounded};

/// The slugs of organisations may hold this part of the memory for facts.
const SLUGS: u64 = 40;

/// The type of an object, and its id.
type ObjectKey = (Arc<str>, Arc<str>);

/// Facts, at most a time to live old.
pub struct FactStore {
    source: Arc<dyn FactSource>,
    common: Arc<Common>,
    users: Arc<Shelf<Arc<str>, UserFacts>>,
    organizations: Arc<Shelf<Arc<str>, OrganizationFacts>>,
    /// Loads by slug, of which nothing is kept but which id it was.
    by_slug: Arc<Shelf<Arc<str>, OrganizationFacts>>,
    slugs: Bounded<Arc<str>, Arc<str>>,
    objects: Arc<Shelf<ObjectKey, OwnedFacts>>,
}

impl std::fmt::Debug for FactStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FactStore").field("settings", &self.common.settings).finish_non_exhaustive()
    }
}

impl FactStore {
    /// A store before `source`.
    pub fn new(source: Arc<dyn FactSource>, settings: Settings, observer: Box<Observer>) -> Self {
        let common = Arc::new(Common::new(settings, observer));
        let users = Numbers {
            likeness: Some(likeness::by(&common, Standing::of)),
            gist: Some(likeness::by(&common, UserGist::of)),
        };
        let gist = likeness::by(&common, OrganizationGist::of);
        let organizations = || Numbers { likeness: None, gist: Some(Arc::clone(&gist)) };
        let likeness = Some(likeness::by(&common, OwnedFacts::clone));
        let objects = Numbers { likeness, gist: None };
        Self {
            source,
            users: Shelf::new("user", Keeps::Absent, users, &common),
            organizations: Shelf::new("organization", Keeps::Present, organizations(), &common),
            by_slug: Shelf::new("organization", Keeps::Nothing, organizations(), &common),
            slugs: bounded(&settings, SLUGS),
            objects: Shelf::new("object", Keeps::Present, objects, &common),
            common,
        }
    }

    /// How many bytes the facts take that are kept, whether or not they still count. What they are compared
    /// by is left out: it is a fortieth of the bound at the most.
    pub fn held(&self) -> u64 {
        let shelves = self.users.held() + self.organizations.held() + self.objects.held();
        shelves + self.by_slug.held() + self.slugs.weight()
    }

    /// The source behind the cache.
    pub fn source(&self) -> &Arc<dyn FactSource> {
        &self.source
    }

    /// The terms of a request that starts now.
    pub fn terms(&self, reads: bool) -> Terms {
        let since = Instant::now();
        let left = self.common.settings.timeout;
        let (bridged, questions) = Default::default();
        Terms { deadline: since + left, left, since, reads, bridged, questions }
    }

    /// Whether a decision that is made now may rest on a fact that was asked for at `oldest`.
    pub fn supports(&self, oldest: Instant, terms: &Terms) -> bool {
        let Settings { ttl, stale_for, .. } = self.common.settings;
        let age = oldest.elapsed();
        if terms.bridged() {
            return age < ttl + stale_for;
        }
        age < ttl || (ttl.is_zero() && oldest >= terms.since)
    }

    /// What is true about the user `id`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When that cannot be had on these terms.
    pub async fn user(
        &self,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<Option<Arc<Fact<UserFacts>>>, FactsError> {
        self.user_for(Wants::Caller, id, terms).await
    }

    async fn user_for(
        &self,
        wants: Wants,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<Option<Arc<Fact<UserFacts>>>, FactsError> {
        let load = || {
            let (source, wanted) = (Arc::clone(&self.source), Arc::clone(id));
            async move { source.user(&wanted).await }
        };
        self.users.fetch(wants, id, terms, load).await
    }

    /// What is true about an organisation; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When that cannot be had on these terms.
    pub async fn organization(
        &self,
        key: &OrganizationKey,
        terms: &Terms,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, FactsError> {
        self.organization_for(Wants::Thing, key, terms).await
    }

    /// The same, asked of the database whatever is known: whoever must not learn whether there is
    /// such an organisation waits for an answer in either case.
    ///
    /// # Errors
    ///
    /// As [`Self::organization`].
    pub async fn organization_anew(
        &self,
        key: &OrganizationKey,
        terms: &Terms,
    ) -> Result<(), FactsError> {
        self.organization_for(Wants::Anew, key, terms).await.map(drop)
    }

    async fn organization_for(
        &self,
        wants: Wants,
        key: &OrganizationKey,
        terms: &Terms,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, FactsError> {
        let slug = match key {
            OrganizationKey::Id(id) => return self.organization_by_id(wants, id, terms).await,
            OrganizationKey::Slug(slug) => slug,
        };
        // Where it was the last time is where to look; whether it is still its slug, the fact says.
        if wants != Wants::Anew
            && let Some(id) = self.slugs.get(slug)
        {
            let found = self.organization_by_id(wants, &id, terms).await?;
            if let Some(found) = found.filter(|it| it.value.slug == *slug) {
                return Ok(Some(found));
            }
            self.slugs.remove(slug);
        }
        let load = || {
            let (source, wanted) = (Arc::clone(&self.source), key.clone());
            async move { source.organization(&wanted).await }
        };
        let found = self.by_slug.fetch(wants, slug, terms, load).await?;
        if let Some(found) = found.as_ref().filter(|it| it.value.slug == *slug) {
            self.slugs.insert(Arc::clone(slug), Arc::clone(&found.value.id));
        }
        Ok(found)
    }

    async fn organization_by_id(
        &self,
        wants: Wants,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, FactsError> {
        let load = || {
            let source = Arc::clone(&self.source);
            let wanted = OrganizationKey::Id(Arc::clone(id));
            async move { source.organization(&wanted).await }
        };
        self.organizations.fetch(wants, id, terms, load).await
    }

    /// What is true about the object `id` of type `kind`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When that cannot be had on these terms, or nobody has said how.
    pub async fn object(
        &self,
        kind: &Arc<str>,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<Option<ObjectFacts>, FactsError> {
        self.object_for(Wants::Thing, kind, id, terms).await
    }

    /// The same, asked of the database whatever is known, as [`Self::organization_anew`].
    ///
    /// # Errors
    ///
    /// As [`Self::object`].
    pub async fn object_anew(
        &self,
        kind: &Arc<str>,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<(), FactsError> {
        self.object_for(Wants::Anew, kind, id, terms).await.map(drop)
    }

    async fn object_for(
        &self,
        wants: Wants,
        kind: &Arc<str>,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<Option<ObjectFacts>, FactsError> {
        match &**kind {
            "User" => Ok(self.user_for(wants, id, terms).await?.map(ObjectFacts::User)),
            "Organization" => {
                let found = self.organization_by_id(wants, id, terms).await?;
                Ok(found.map(ObjectFacts::Organization))
            }
            _ => {
                let key = (Arc::clone(kind), Arc::clone(id));
                let load = || {
                    let (source, wanted) = (Arc::clone(&self.source), key.clone());
                    async move { source.object(&wanted.0, &wanted.1).await }
                };
                Ok(self.objects.fetch(wants, &key, terms, load).await?.map(ObjectFacts::Owned))
            }
        }
    }

    /// Drops what a change concerns: whoever asks from now on is judged by what is true now.
    pub fn changed(&self, change: &Change) {
        match change {
            Change::User(id) => self.users.drop_one(id),
            Change::Organization(id) => {
                self.by_slug.drop_all();
                self.organizations.drop_one(id);
            }
            Change::Object(kind, id) => self.objects.drop_one(&(Arc::clone(kind), Arc::clone(id))),
            Change::Objects => self.objects.drop_all(),
            Change::Everything => {
                self.by_slug.drop_all();
                self.users.drop_all();
                self.organizations.drop_all();
                self.objects.drop_all();
            }
        }
        (self.common.observer)(Event::Dropped(change.kind()));
    }

    /// Changes may have been missed: nothing that is kept counts any more. Unlike after
    /// [`Change::Everything`], nobody has said that it is wrong.
    pub fn distrust(&self) {
        self.by_slug.distrust();
        self.users.distrust();
        self.organizations.distrust();
        self.objects.distrust();
        (self.common.observer)(Event::Dropped("all"));
    }
}

#[cfg(test)]
mod tests;
