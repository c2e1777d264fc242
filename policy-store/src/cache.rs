//! The cache before the source of facts. It has a short time to live, makes one load per key at a time, and
//! holds no fact that is known to have changed.
//!
//! INVARIANT: the cache returns no fact that the database was asked for longer ago than the time to live. The
//! exception is a read while the database is down, where the operator has chosen that (`stale_for`). Errors are
//! never kept.

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

/// The slugs of organisations may take one part in this many of the memory for facts.
const SLUGS: u64 = 40;

/// The type and the id of an object.
type ObjectKey = (Arc<str>, Arc<str>);

/// A store of facts that are at most a time to live old.
pub struct FactStore {
    source: Arc<dyn FactSource>,
    common: Arc<Common>,
    users: Arc<Shelf<Arc<str>, UserFacts>>,
    organizations: Arc<Shelf<Arc<str>, OrganizationFacts>>,
    /// Loads of organisations by slug: of these facts only the id is kept, in `slugs`.
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
    /// Returns a store that loads its facts from `source`.
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

    /// Returns how many bytes the kept facts take, whether or not they still count. The tables of numbers are
    /// left out: each takes at most a fortieth of the memory for facts.
    pub fn held(&self) -> u64 {
        let shelves = self.users.held() + self.organizations.held() + self.objects.held();
        shelves + self.by_slug.held() + self.slugs.weight()
    }

    /// Returns the source behind the cache.
    pub fn source(&self) -> &Arc<dyn FactSource> {
        &self.source
    }

    /// Returns the terms of a request that starts now; `reads` tells whether it only reads.
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

    /// Returns what is true about the user `id`, or `None` if there is no such user.
    ///
    /// # Errors
    ///
    /// Fails if the fact cannot be loaded on these terms.
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

    /// Returns what is true about an organisation, or `None` if there is no such organisation.
    ///
    /// # Errors
    ///
    /// Fails if the fact cannot be loaded on these terms.
    pub async fn organization(
        &self,
        key: &OrganizationKey,
        terms: &Terms,
    ) -> Result<Option<Arc<Fact<OrganizationFacts>>>, FactsError> {
        self.organization_for(Wants::Thing, key, terms).await
    }

    /// Asks the database about an organisation, whatever the cache holds: a caller who must not learn whether
    /// the organisation exists waits for an answer in either case.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::organization`] does.
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
        // The last known id of the slug tells where to look; the fact tells whether the slug is still current.
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

    /// Returns what is true about the object `id` of type `kind`, or `None` if there is no such object.
    ///
    /// # Errors
    ///
    /// Fails if the fact cannot be loaded on these terms, or if the mapping has no statement for the type.
    pub async fn object(
        &self,
        kind: &Arc<str>,
        id: &Arc<str>,
        terms: &Terms,
    ) -> Result<Option<ObjectFacts>, FactsError> {
        self.object_for(Wants::Thing, kind, id, terms).await
    }

    /// Asks the database about an object, whatever the cache holds, for the reason given at
    /// [`Self::organization_anew`].
    ///
    /// # Errors
    ///
    /// Fails as [`Self::object`] does.
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

    /// Drops the facts that a change concerns: requests from now on are judged by what is true now.
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

    /// Stops using all kept facts, because changes may have been missed. Unlike after [`Change::Everything`],
    /// the facts are not known to be wrong.
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
