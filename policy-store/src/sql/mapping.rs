//! The mapping: which statement reads which facts, and which column fills which attribute.

pub(super) mod attributes;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use attributes::{Attribute, Form, Subject};
pub(super) use statement::{KeyForm, ListForm, Statement};

/// The SQL statements that read the facts from the tables of a database.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The statement that reads the user with the id `$1`.
    user: Statement,
    /// The statement that lists the ids of all users, for `explain --who-can`.
    users: Option<Statement>,
    /// The statement that reads the organization with the id `$1`.
    organization: Statement,
    /// The statement that reads the organization with the slug `$1`. Without this key no slug is known.
    organization_by_slug: Option<Statement>,
    /// The names of roles in the database, each with its name in the schema of the policies.
    #[serde(default)]
    role_names: BTreeMap<String, String>,
    /// The names of features in the database, each with its name in the schema of the policies.
    #[serde(default)]
    feature_names: BTreeMap<String, String>,
    /// The statement that reads the object with the id `$1`, for each type of object that routes look up.
    #[serde(default)]
    objects: BTreeMap<String, Statement>,
}

/// A fault of a mapping that is found without asking the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The place of the fault, as a key below `facts.mapping`.
    pub key: String,
    /// What is wrong, with the remedy.
    pub what: String,
}

impl Mapping {
    /// Returns the statements, each with its subject.
    pub(super) fn statements(&self) -> impl Iterator<Item = (Subject, &Statement)> {
        let single = [
            (Subject::User, Some(&self.user)),
            (Subject::Users, self.users.as_ref()),
            (Subject::Organization, Some(&self.organization)),
            (Subject::OrganizationBySlug, self.organization_by_slug.as_ref()),
        ];
        let single = single.into_iter().filter_map(|(subject, it)| Some((subject, it?)));
        let objects = self.objects.iter().map(|(kind, it)| (Subject::Object(kind.clone()), it));
        single.chain(objects)
    }

    /// Returns the bundle's names for the database's names in `attribute`.
    pub(super) fn names_of(&self, attribute: &str) -> Option<&BTreeMap<String, String>> {
        match attribute {
            "roles" => Some(&self.role_names),
            "features" => Some(&self.feature_names),
            _ => None,
        }
    }

    /// Returns the faults of the mapping's form.
    pub fn misfits(&self) -> Vec<Misfit> {
        self.statements().flat_map(|(subject, statement)| statement.misfits(&subject)).collect()
    }
}

/// The default mappings, for the tables of `migrations/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    pub(super) postgres: Mapping,
    pub(super) sqlite: Mapping,
}

impl Defaults {
    pub(super) fn read() -> Result<Self, String> {
        serde_saphyr::from_str(include_str!("mapping.yaml")).map_err(|error| error.to_string())
    }
}
