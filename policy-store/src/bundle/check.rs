//! What Cedar cannot check: that schema, routes and vocabulary agree with one another.

use std::collections::HashSet;

use cedar_policy::{EntityTypeName, EntityUid, Schema};

use super::finding::{Finding, Findings};
use super::read::Sources;
use super::vocabulary::Vocabulary;
use super::{ACT_IN, UNMAPPED, type_name};
use crate::routes::{Body, Route, RouteTable, Scope};

/// Finds where schema and routes disagree.
pub(super) fn agreement(
    schema: &Schema,
    vocabulary: &Vocabulary,
    routes: &RouteTable,
    files: &Sources,
) -> Result<(), Findings> {
    let mut findings = missing_types(schema, files);
    let groups: HashSet<&EntityUid> = schema.action_groups().collect();
    let with_route: HashSet<&str> = routes.routes().iter().map(|route| &*route.action).collect();
    let mut declared = HashSet::new();
    for action in schema.actions().filter(|action| !groups.contains(*action)) {
        let name = action.id().unescaped();
        declared.insert(name.to_owned());
        if !with_route.contains(name) && ![ACT_IN, UNMAPPED].contains(&name) {
            let line = line_with(&files.schema.text, name);
            let message = format!("action `{name}` has no route");
            findings.push(files.schema.finding(
                line,
                0,
                &message,
                "add it to routes.yaml, or remove it",
            ));
        }
    }
    for name in [ACT_IN, UNMAPPED] {
        if !declared.contains(name) {
            let message =
                format!("the schema declares no action `{name}`, which the gate asks for");
            findings.push(files.schema.finding(
                0,
                0,
                &message,
                "declare it as the default bundle does",
            ));
        }
    }
    for route in routes.routes() {
        let faults = route_faults(schema, vocabulary, &declared, route);
        let of_route = |(message, remedy): (String, String)| {
            files.routes.finding(route.line, 0, &message, &remedy)
        };
        findings.extend(faults.into_iter().map(of_route));
    }
    Findings::none_of(findings)
}

/// The entity types that the gate makes, whatever the bundle.
fn missing_types(schema: &Schema, files: &Sources) -> Vec<Finding> {
    let types: HashSet<&EntityTypeName> = schema.entity_types().collect();
    let fixed = ["User", "Guest", "Organization", "Group", "Role", "Feature", "Endpoint"];
    let missing =
        fixed.into_iter().filter(|name| !type_name(name).is_some_and(|it| types.contains(&it)));
    missing
        .map(|name| {
            let message = format!("declares no entity type `{name}`, which the gate makes");
            files.schema.finding(0, 0, &message, "declare it as the default bundle does")
        })
        .collect()
}

fn route_faults(
    schema: &Schema,
    vocabulary: &Vocabulary,
    declared: &HashSet<String>,
    route: &Route,
) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let name = &*route.action;
    if !declared.contains(name) {
        let message = format!("action `{name}` is not in the schema");
        return vec![(message, "declare it in schema.cedarschema".to_owned())];
    }
    if let Some(feature) = route.feature.as_deref().filter(|it| !vocabulary.has_feature(it)) {
        let message = format!("feature `{feature}` is not in the vocabulary");
        faults.push((message, "add it to `entity Feature enum` in schema.cedarschema".to_owned()));
    }
    let Some(action) = type_name("Action")
        .map(|kind| EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(name)))
    else {
        return faults;
    };
    let wanted = if route.scope.looks_up() { &*route.resource } else { "Endpoint" };
    let applies =
        |names: Option<HashSet<String>>, to: &str| names.is_some_and(|it| it.contains(to));
    let resources =
        schema.resources_for_action(&action).map(|it| it.map(ToString::to_string).collect());
    if !applies(resources, wanted) {
        let message = format!("action `{name}` does not apply to a resource of type `{wanted}`");
        faults.push((message, "make `appliesTo` in schema.cedarschema say so".to_owned()));
    }
    let principals =
        schema.principals_for_action(&action).map(|it| it.map(ToString::to_string).collect());
    let public = applies(principals, "Guest");
    if public && (route.scope != Scope::None || route.body == Body::Json || route.feature.is_some())
    {
        let message =
            format!("`{name}` is public: its tenant, body and feature are never looked at");
        faults.push((
            message,
            "remove scope, feature and `body: json`, or `Guest` from the schema".to_owned(),
        ));
    }
    if !public && !route.recorded {
        let message = format!("`{name}` is not public, so it is recorded");
        faults.push((message, "remove `audit: none`".to_owned()));
    }
    faults
}

fn line_with(text: &str, name: &str) -> usize {
    let quoted = format!("\"{name}\"");
    let plain = format!("action {name} ");
    let found = text.lines().position(|line| line.contains(&quoted) || line.contains(&plain));
    found.map_or(0, |index| index + 1)
}
