//! A source of facts that notes each look-up, so that an explanation can show the facts and ask about
//! alternatives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use policy_store::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use policy_store::source::{FactSource, FactsError};

/// The facts that were looked up, with the time of each look-up. Absent users and objects are noted too.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Users by id; `None` if the user does not exist.
    pub users: BTreeMap<Arc<str>, (Option<UserFacts>, Instant)>,
    /// Organisations by id.
    pub organizations: BTreeMap<Arc<str>, (OrganizationFacts, Instant)>,
    /// Objects by type and id; `None` if the object does not exist.
    pub objects: BTreeMap<(String, String), (Option<OwnedFacts>, Instant)>,
}

/// A source that passes look-ups on to another one, and notes them.
#[derive(Debug)]
pub struct Notebook<S: ?Sized> {
    notes: Mutex<Notes>,
    source: Arc<S>,
}

impl<S: FactSource + ?Sized> Notebook<S> {
    /// A notebook without notes before `source`.
    pub fn new(source: Arc<S>) -> Self {
        Self { notes: Mutex::default(), source }
    }

    /// The notes so far.
    pub fn notes(&self) -> Notes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl<S: FactSource + ?Sized> FactSource for Notebook<S> {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        let asked = Instant::now();
        let found = self.source.user(id).await?;
        self.note(|notes| drop(notes.users.insert(Arc::from(id), (found.clone(), asked))));
        Ok(found)
    }

    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        let asked = Instant::now();
        let found = self.source.organization(key).await?;
        if let Some(found) = &found {
            let (id, found) = (Arc::clone(&found.id), found.clone());
            self.note(|notes| drop(notes.organizations.insert(id, (found, asked))));
        }
        Ok(found)
    }

    async fn object(&self, kind: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError> {
        let asked = Instant::now();
        let found = self.source.object(kind, id).await?;
        let key = (kind.to_owned(), id.to_owned());
        self.note(|notes| drop(notes.objects.insert(key, (found.clone(), asked))));
        Ok(found)
    }

    async fn ping(&self) -> Result<(), FactsError> {
        self.source.ping().await
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        self.source.users().await
    }

    fn knows(&self, kind: &str) -> bool {
        self.source.knows(kind)
    }
}
