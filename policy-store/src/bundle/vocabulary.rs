//! The schema, and the names that it declares.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entities, Schema, SchemaFragment};
use serde_json::Value;

use super::bounds;
use super::finding::{self, Findings};
use super::kind::Kind;
use super::read::File;
use super::tokens::declarations;
use super::validate::Kinds;

/// The roles and features that exist. An unknown name in a policy is refused when the bundle is loaded; an
/// unknown name in facts, when the facts are used.
#[derive(Debug)]
pub struct Vocabulary {
    roles: BTreeSet<Arc<str>>,
    features: BTreeSet<Arc<str>>,
}

impl Vocabulary {
    /// Whether `name` is a role.
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.contains(name)
    }

    /// Whether `name` is a feature.
    pub fn has_feature(&self, name: &str) -> bool {
        self.features.contains(name)
    }

    /// Returns all roles, sorted.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<str>> {
        self.roles.iter()
    }

    /// Returns all features, sorted.
    pub fn features(&self) -> impl Iterator<Item = &Arc<str>> {
        self.features.iter()
    }
}

/// A parsed schema, with what was derived from it.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) text: Arc<str>,
    pub(super) schema: Schema,
    pub(super) vocabulary: Arc<Vocabulary>,
    /// The schema in Cedar's JSON form.
    pub(super) json: Value,
    /// The kinds of the schema's actions, by what policies can see of them.
    pub(super) kinds: Option<Kinds>,
    /// The schema's actions and the groups that they are in.
    pub(super) actions: Entities,
}

impl Declared {
    /// Reads a schema and the names in it.
    pub(super) fn read(file: &File) -> Result<Self, Findings> {
        let (fragment, _warnings) = SchemaFragment::from_cedarschema_str(&file.text)
            .map_err(|error| Findings(finding::of_file(file, 0, Kind::Schema, &error)))?;
        let json = fragment
            .clone()
            .to_json_value()
            .map_err(|error| Findings(finding::of_file(file, 0, Kind::Schema, &error)))?;
        if let Some(problem) = bounds::too_much(&json) {
            let remedy = "write it with fewer types within types, and fewer groups within groups";
            return Err(Findings::one(file, 0, &problem, remedy).of_kind(Kind::TooMuch));
        }
        let schema = Schema::from_schema_fragments([fragment])
            .map_err(|error| contradiction(file, &error.to_string(), &error))?;
        let vocabulary = Vocabulary {
            roles: names(&json, file, "Role")?,
            features: names(&json, file, "Feature")?,
        };
        let actions = schema
            .action_entities()
            .map_err(|error| contradiction(file, &error.to_string(), &error))?;
        Ok(Self {
            text: Arc::clone(&file.text),
            schema,
            vocabulary: Arc::new(vocabulary),
            kinds: Kinds::of(&json),
            json,
            actions,
        })
    }
}

/// Returns the findings about a schema that Cedar could parse but rejects. If Cedar names an action or a type
/// and gives no place, the finding is at the declaration.
fn contradiction(file: &File, message: &str, error: &dyn miette::Diagnostic) -> Findings {
    let mut findings = finding::of_file(file, 0, Kind::Schema, error);
    for finding in findings.iter_mut().filter(|it| it.line == 0) {
        let mut names = message.split(['`', '"']).filter(|name| !name.is_empty());
        let actions = declarations(&file.text, "action");
        let entities = declarations(&file.text, "entity");
        let place = names.find_map(|name| actions.get(name).or_else(|| entities.get(name)));
        if let Some(place) = place {
            *finding = file.at(*place, &finding.message, &finding.remedy).of_kind(finding.kind);
        }
    }
    Findings(findings)
}

/// Returns the names of an enumerated entity type.
fn names(schema: &Value, file: &File, kind: &str) -> Result<BTreeSet<Arc<str>>, Findings> {
    let types = schema.get("").and_then(|namespace| namespace.get("entityTypes"));
    let list = types.and_then(|types| types.get(kind)?.get("enum"));
    let Some(Value::Array(items)) = list else {
        let message = format!("declares no enumerated entity type `{kind}`");
        let remedy = format!("write `entity {kind} enum [\"…\"];` with every name that exists");
        let place = declarations(&file.text, "entity").get(kind).copied();
        let finding = place.map_or_else(
            || file.finding(0, 0, &message, &remedy),
            |at| file.at(at, &message, &remedy),
        );
        return Err(Findings(vec![finding.of_kind(Kind::MissingDeclaration)]));
    };
    Ok(items.iter().filter_map(Value::as_str).map(Arc::from).collect())
}
