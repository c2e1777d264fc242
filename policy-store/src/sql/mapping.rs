//! The mapping: which statement reads which fact.

use std::collections::HashMap;

use serde::Deserialize;

/// The statements of one database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statements {
    pub(super) user: String,
    /// The ids of all users.
    pub(super) users: String,
    pub(super) organization_by_id: String,
    pub(super) organization_by_slug: String,
    /// One for each type of object that can be looked up.
    pub(super) objects: HashMap<String, String>,
}

/// The statements for both databases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    pub(super) postgres: Statements,
    pub(super) sqlite: Statements,
}

/// The mapping for the tables of `migrations/`.
pub(super) fn default() -> Result<Mapping, String> {
    serde_saphyr::from_str(include_str!("mapping.yaml")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_databases_know_the_same_objects() {
        let mapping = super::default().unwrap();
        let sorted = |objects: &std::collections::HashMap<String, String>| {
            let mut names: Vec<_> = objects.keys().cloned().collect();
            names.sort();
            names
        };
        assert_eq!(sorted(&mapping.postgres.objects), sorted(&mapping.sqlite.objects));
    }
}
