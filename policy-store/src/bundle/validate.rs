//! Cedar's strict validation, in a time that grows with the number of policies and not with policies times
//! actions.
//!
//! Cedar validates each policy against each action of the schema: for 10,000 policies and 2,000 actions that
//! takes 25 s. But two actions that apply to the same principals, resources and context and are in the same
//! groups look alike to every policy that names neither. So policies are validated in parts. The schema of a
//! part contains all types and groups, and the actions that its policies name. It also contains one action of
//! each other kind, unless every policy of the part applies only to one action that it names.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use cedar_policy::{ActionConstraint, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use serde_json::{Map, Value};

use super::finding::{self, Finding, Findings, MOST};
use super::kind::Kind;
use super::nearest::nearest;
use super::policies::{Checked, Parsed};
use super::read::Sources;
use super::room::breathe;
use super::vocabulary::Declared;

/// The maximum number of actions that the policies of one part name together. A single policy may name more.
const NAMED: usize = 24;

/// The statements that were found valid, with the schema that they were validated against.
#[derive(Debug, Default)]
pub(super) struct Proven {
    declared: Option<Arc<Declared>>,
    statements: HashSet<Arc<str>>,
}

impl Proven {
    /// Validates the statements that are not proven yet. A warning is a finding too: the author of a policy
    /// that can never apply believes in it.
    pub(super) fn validate(
        &mut self,
        declared: &Arc<Declared>,
        parsed: &Parsed,
        sources: &Sources,
    ) -> Result<(), Findings> {
        let same = self.declared.as_ref().is_some_and(|it| Arc::ptr_eq(it, declared));
        if !same {
            self.statements.clear();
            self.declared = Some(Arc::clone(declared));
        }
        let policies = || parsed.policies.iter().inspect(|_| breathe());
        let new: Vec<&Arc<Checked>> =
            policies().filter(|it| !self.statements.contains(&it.text)).collect();
        let mut findings = Vec::new();
        for part in parts(&new) {
            breathe();
            let reduced = declared.kinds.as_ref().and_then(|kinds| kinds.schema(declared, &part));
            let schema = reduced.unwrap_or_else(|| declared.schema.clone());
            breathe();
            let wrong = wrong(&schema, &part, parsed, sources).into_iter();
            findings.extend(wrong.map(|finding| meant(&declared.schema, finding)));
            if findings.len() >= MOST {
                break;
            }
        }
        let in_order = |it: &Finding| (it.file.clone(), it.line, it.column);
        findings.sort_by_cached_key(in_order);
        Findings::none_of(findings)?;
        // Only statements of this bundle are remembered: the set stays small in a folder that is edited for
        // months.
        self.statements = policies().map(|it| Arc::clone(&it.text)).collect();
        Ok(())
    }
}

/// Splits policies into groups that name few actions together.
fn parts<'a>(policies: &[&'a Arc<Checked>]) -> Vec<Vec<&'a Arc<Checked>>> {
    let mut sorted = policies.to_vec();
    sorted.sort_by_cached_key(|it| it.actions.iter().map(ToString::to_string).collect::<Vec<_>>());
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    let mut named = HashSet::new();
    for policy in sorted {
        let more = policy.actions.iter().filter(|action| !named.contains(*action)).count();
        if named.len() + more > NAMED && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            named.clear();
        }
        named.extend(&policy.actions);
        part.push(policy);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn wrong(
    schema: &Schema,
    part: &[&Arc<Checked>],
    parsed: &Parsed,
    sources: &Sources,
) -> Vec<Finding> {
    let set = match PolicySet::from_policies(part.iter().map(|it| it.policy.clone())) {
        Ok(set) => set,
        Err(error) => {
            let remedy = "give each policy its own @id";
            return vec![sources.schema.finding(0, 0, &error.to_string(), remedy)];
        }
    };
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let errors = result
        .validation_errors()
        .map(|it| (it.policy_id(), finding::of_error(it), it as &dyn miette::Diagnostic));
    let warnings = result
        .validation_warnings()
        .map(|it| (it.policy_id(), finding::of_warning(it), it as &dyn miette::Diagnostic));
    let mut seen = BTreeSet::new();
    let all = errors.chain(warnings).take(MOST);
    let all = all.flat_map(|(id, kind, fault)| of_policy(sources, parsed, id, kind, fault));
    all.filter(|finding| seen.insert(finding.to_string())).collect()
}

/// Corrects the suggestion for an unknown action: Cedar searched only the part of the schema that it was given.
fn meant(schema: &Schema, finding: Finding) -> Finding {
    let name = finding.message.split_once("unrecognized action `Action::\"");
    let Some((name, _)) = name.and_then(|(_, rest)| rest.split_once('"')) else { return finding };
    let meant = nearest(name, schema.actions().map(|action| action.id().unescaped()));
    let remedy = meant.map_or_else(
        || "declare it in schema.cedarschema".to_owned(),
        |meant| format!("did you mean `Action::\"{meant}\"`?"),
    );
    Finding { remedy, ..finding }
}

/// Converts an error or warning of Cedar's validator about the policy `id` to findings.
fn of_policy(
    sources: &Sources,
    parsed: &Parsed,
    id: &PolicyId,
    kind: Kind,
    fault: &dyn miette::Diagnostic,
) -> Vec<Finding> {
    let rule = parsed.rules.get(id);
    let file = rule.and_then(|rule| sources.policies.iter().find(|it| it.name == rule.file));
    match (rule, file) {
        (Some(rule), Some(file)) => finding::of_file(file, rule.offset, kind, fault),
        _ => vec![sources.schema.finding(0, 0, &fault.to_string(), "")],
    }
}

/// The kinds of actions: policies cannot distinguish two actions of one kind except by name.
#[derive(Debug)]
pub(super) struct Kinds {
    /// The schema without its actions.
    types: Map<String, Value>,
    /// The groups: the names of actions that have members.
    groups: BTreeSet<String>,
    /// One action of each kind.
    ones: BTreeSet<String>,
}

/// Returns the actions of a schema in JSON, or `None` for a schema with namespaces.
fn actions(json: &Value) -> Option<&Map<String, Value>> {
    let spaces = json.as_object()?;
    spaces.get("").filter(|_| spaces.len() == 1)?.get("actions")?.as_object()
}

impl Kinds {
    /// Returns the kinds of a schema in JSON, or `None` for a schema with namespaces, which is validated whole.
    pub(super) fn of(json: &Value) -> Option<Self> {
        let actions = actions(json)?;
        let members = actions.values().filter_map(|it| it.get("memberOf")?.as_array()).flatten();
        let groups = members.filter_map(|it| Some(it.get("id")?.as_str()?.to_owned())).collect();
        let mut ones: BTreeMap<String, &String> = BTreeMap::new();
        for (name, action) in actions {
            let one = ones.entry(action.to_string()).or_insert(name);
            *one = (*one).min(name);
        }
        let types = json.get("")?.as_object()?.iter().filter(|(part, _)| *part != "actions");
        let types = types.map(|(part, value)| (part.clone(), value.clone())).collect();
        Some(Self { types, groups, ones: ones.into_values().cloned().collect() })
    }

    /// Returns the schema for the policies of a part.
    fn schema(&self, declared: &Declared, part: &[&Arc<Checked>]) -> Option<Schema> {
        let actions = actions(&declared.json)?;
        let named = part.iter().flat_map(|it| &it.actions).map(|uid| uid.id().unescaped());
        let mut wanted: BTreeSet<&str> = named.collect();
        wanted.extend(self.groups.iter().map(String::as_str));
        // A policy whose scope is one action is validated against no other.
        let of_one = |it: &&Arc<Checked>| match it.policy.action_constraint() {
            ActionConstraint::Eq(action) => !self.groups.contains(action.id().unescaped()),
            ActionConstraint::Any | ActionConstraint::In(_) => false,
        };
        if !part.iter().all(of_one) {
            wanted.extend(self.ones.iter().map(String::as_str));
        }
        if wanted.len() >= actions.len() {
            return Some(declared.schema.clone());
        }
        let kept = wanted
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), actions.get(*name)?.clone())));
        let mut schema = self.types.clone();
        schema.insert("actions".to_owned(), Value::Object(kept.collect()));
        Schema::from_json_value(Value::Object(Map::from_iter([(
            String::new(),
            Value::Object(schema),
        )])))
        .ok()
    }
}

#[cfg(test)]
mod tests;
