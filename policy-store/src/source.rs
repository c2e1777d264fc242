//! The interface to the sources of facts.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::bundle::Bundle;
use crate::facts::{OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};

/// Facts could not be loaded. A request that needs them is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FactsError {
    /// The database did not answer.
    #[error("the facts database cannot be read: {0}")]
    Unavailable(String),
    /// The database answers, but refuses the statement.
    #[error("the facts database refuses the statement: {0}")]
    Refused(String),
    /// The database answered with a row that cannot be a fact.
    #[error("{kind} `{id}` cannot be read: {problem}")]
    Unreadable {
        /// `user`, `organization` or the type of the object.
        kind: String,
        /// The id of the row.
        id: String,
        /// What is wrong with the row.
        problem: String,
    },
    /// The request's timeout for facts has passed.
    #[error("the facts database did not answer in time")]
    Timeout,
    /// The answer came when it was already older than facts may be.
    #[error("the facts database took longer to answer than facts live")]
    Late,
    /// The mapping has no statement for objects of this type.
    #[error("the mapping of facts has no statement for objects of type `{0}`")]
    Unmapped(String),
    /// The mapping has no statement that lists all users.
    #[error("the mapping of facts has no statement `users`, which lists who can be asked about")]
    Unlisted,
    /// The load itself failed: a fault of this program.
    #[error("a load of facts ended without an answer: {0}")]
    Internal(String),
}

/// Why a source does not provide what a bundle needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The database did not answer, so it is unknown whether the source fits.
    #[error("the facts database cannot be asked whether the mapping fits it: {0}")]
    Unavailable(String),
    /// The source does not fit, and will not until the mapping, the database or the bundle changes.
    #[error("the mapping of facts does not fit:\n{0}")]
    Faults(FactFaults),
}

/// The faults of a mapping of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactFaults(pub Vec<FactFault>);

impl fmt::Display for FactFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&faults.join("\n"))
    }
}

/// One fault of a mapping: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactFault {
    /// The statement, as a key of the configuration.
    pub place: String,
    /// What is wrong with the statement.
    pub message: String,
    /// How to correct the statement.
    pub remedy: String,
}

impl fmt::Display for FactFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    = {}", self.place, self.message, self.remedy)
    }
}

/// A source of facts. This trait is a real seam: behind it is another process, the database, or in tests a
/// fixed table.
#[async_trait]
pub trait FactSource: Send + Sync + 'static {
    /// Reads what is true about the user `id` right now.
    ///
    /// # Errors
    ///
    /// Fails if the user cannot be read. An unknown user is not an error: the result is `None`.
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError>;

    /// Reads what is true about an organisation right now.
    ///
    /// # Errors
    ///
    /// Fails as [`FactSource::user`] does.
    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError>;

    /// Reads who owns the object `id` of type `kind` right now. Users and organisations are read with the
    /// methods for them.
    ///
    /// # Errors
    ///
    /// Fails as [`FactSource::user`] does, and if there is no way to look up this type.
    async fn object(&self, kind: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError>;

    /// Checks that the source answers at all.
    ///
    /// # Errors
    ///
    /// Returns why the source does not answer.
    async fn ping(&self) -> Result<(), FactsError>;

    /// Returns the ids of all users, sorted.
    ///
    /// # Errors
    ///
    /// Fails if the ids cannot be read.
    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError>;

    /// Whether objects of type `kind` can be looked up.
    fn knows(&self, kind: &str) -> bool;

    /// Checks that the source provides what `bundle` needs. Returns remarks that are not faults.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong, or that the source cannot be asked.
    async fn check(&self, _bundle: &Bundle) -> Result<Vec<String>, Unfit> {
        Ok(Vec::new())
    }
}

/// A fixed table of facts.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct FixedFacts {
    /// Users by id.
    pub users: HashMap<Arc<str>, UserFacts>,
    /// Organisations.
    pub organizations: Vec<OrganizationFacts>,
    /// Objects by type and id.
    pub objects: HashMap<(String, String), OwnedFacts>,
}

#[async_trait]
impl FactSource for FixedFacts {
    async fn user(&self, id: &str) -> Result<Option<UserFacts>, FactsError> {
        Ok(self.users.get(id).cloned())
    }

    async fn organization(
        &self,
        key: &OrganizationKey,
    ) -> Result<Option<OrganizationFacts>, FactsError> {
        let found = self.organizations.iter().find(|organization| match key {
            OrganizationKey::Id(id) => organization.id == *id,
            OrganizationKey::Slug(slug) => organization.slug == *slug,
        });
        Ok(found.cloned())
    }

    async fn object(&self, kind: &str, id: &str) -> Result<Option<OwnedFacts>, FactsError> {
        Ok(self.objects.get(&(kind.to_owned(), id.to_owned())).cloned())
    }

    async fn ping(&self) -> Result<(), FactsError> {
        Ok(())
    }

    async fn users(&self) -> Result<Vec<Arc<str>>, FactsError> {
        let mut ids: Vec<Arc<str>> = self.users.keys().cloned().collect();
        ids.sort_unstable();
        Ok(ids)
    }

    fn knows(&self, _kind: &str) -> bool {
        true
    }
}
