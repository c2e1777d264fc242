//! What Cedar cannot check: that schema, routes and vocabulary agree with one another.

use std::collections::HashSet;

use cedar_policy::{EntityTypeName, EntityUid, Schema};

use super::finding::{Finding, MOST};
use super::kind::Kind;
use super::read::Sources;
use super::room::breathe;
use super::tokens;
use super::vocabulary::Vocabulary;
use super::{ACT_IN, UNMAPPED, type_name};
use crate::routes::{Body, Place, Route, RouteTable, Scope};

/// Finds where schema and routes disagree.
pub(super) fn agreement(
    schema: &Schema,
    vocabulary: &Vocabulary,
    routes: &RouteTable,
    files: &Sources,
) -> Vec<Finding> {
    breathe();
    let mut findings = missing_types(schema, files);
    let groups: HashSet<&EntityUid> = schema.action_groups().collect();
    let actions = schema.actions().filter(|action| !groups.contains(*action));
    let declared: HashSet<&str> = actions.map(|action| action.id().unescaped()).collect();
    breathe();
    findings.extend(without_route(&declared, routes, files));
    for name in [ACT_IN, UNMAPPED] {
        if !declared.contains(name) {
            let message =
                format!("the schema declares no action `{name}`, which the gate asks for");
            let remedy = "declare it as the default bundle does";
            let finding = files.schema.finding(0, 0, &message, remedy);
            findings.push(finding.of_kind(Kind::MissingDeclaration));
        }
    }
    for route in routes.routes() {
        breathe();
        for Fault { kind, place: (line, column), message, remedy } in
            route_faults(schema, vocabulary, &declared, route)
        {
            findings.push(files.routes.finding(line, column, &message, &remedy).of_kind(kind));
        }
        if findings.len() >= MOST {
            break;
        }
    }
    findings
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
            let remedy = "declare it as the default bundle does";
            files.schema.finding(0, 0, &message, remedy).of_kind(Kind::MissingDeclaration)
        })
        .collect()
}

/// The actions that no route leads to, in the order of the schema.
fn without_route(declared: &HashSet<&str>, routes: &RouteTable, files: &Sources) -> Vec<Finding> {
    let with_route: HashSet<&str> = routes.routes().iter().map(|route| &*route.action).collect();
    let asked = |name: &str| [ACT_IN, UNMAPPED].contains(&name);
    let lonely = declared.iter().filter(|name| !with_route.contains(*name) && !asked(name));
    let lonely: Vec<&str> = lonely.copied().collect();
    if lonely.is_empty() {
        return Vec::new();
    }
    let places = tokens::declarations(&files.schema.text, "action");
    let mut lonely: Vec<(usize, &str)> =
        lonely.into_iter().map(|name| (places.get(name).copied().unwrap_or(0), name)).collect();
    lonely.sort_unstable();
    let finding = |(at, name): (usize, &str)| {
        let message = format!("action `{name}` has no route");
        let remedy = "add a route for it to routes.yaml, or remove it";
        files.schema.at(at, &message, remedy).of_kind(Kind::ActionWithoutRoute)
    };
    lonely.into_iter().take(MOST).map(finding).collect()
}

/// What is wrong with a route, where, and what to do about it.
struct Fault {
    kind: Kind,
    place: Place,
    message: String,
    remedy: String,
}

impl Fault {
    fn new(kind: Kind, place: Place, message: String, remedy: &str) -> Self {
        Self { kind, place, message, remedy: remedy.to_owned() }
    }
}

fn route_faults(
    schema: &Schema,
    vocabulary: &Vocabulary,
    declared: &HashSet<&str>,
    route: &Route,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (name, places) = (&*route.action, &route.places);
    if !declared.contains(name) {
        let message = format!("action `{name}` is not in the schema");
        let remedy = "declare it in schema.cedarschema";
        return vec![Fault::new(Kind::RouteWithoutAction, places.action, message, remedy)];
    }
    if let Some(feature) = route.feature.as_deref().filter(|it| !vocabulary.has_feature(it)) {
        let message = format!("feature `{feature}` is not in the vocabulary");
        let remedy = "add it to `entity Feature enum` in schema.cedarschema";
        faults.push(Fault::new(Kind::UnknownFeature, places.feature, message, remedy));
    }
    let Some(action) = type_name("Action")
        .map(|kind| EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(name)))
    else {
        return faults;
    };
    faults.extend(wrong_resource(schema, &action, route));
    faults.extend(wrong_publicity(schema, &action, route));
    faults
}

fn wrong_resource(schema: &Schema, action: &EntityUid, route: &Route) -> Option<Fault> {
    let wanted = if route.scope.looks_up() { &*route.resource } else { "Endpoint" };
    let mut resources = schema.resources_for_action(action).into_iter().flatten();
    if resources.any(|kind| kind.to_string() == wanted) {
        return None;
    }
    let (action, places) = (&route.action, &route.places);
    let message = format!("action `{action}` does not apply to a resource of type `{wanted}`");
    let remedy = "make `appliesTo` in schema.cedarschema say so";
    Some(Fault::new(Kind::WrongResource, places.resource, message, remedy))
}

fn wrong_publicity(schema: &Schema, action: &EntityUid, route: &Route) -> Option<Fault> {
    let mut principals = schema.principals_for_action(action).into_iter().flatten();
    let public = principals.any(|kind| kind.to_string() == "Guest");
    let demands = route.scope != Scope::None || route.body == Body::Json || route.feature.is_some();
    let (name, places) = (&route.action, &route.places);
    if public && demands {
        let message =
            format!("`{name}` is public: its tenant, body and feature are never looked at");
        let remedy = "remove scope, feature and `body: json`, or `Guest` from the schema";
        Some(Fault::new(Kind::PublicRoute, places.demand, message, remedy))
    } else if !public && !route.recorded {
        let message = format!("`{name}` is not public, so it is recorded");
        Some(Fault::new(Kind::UnrecordedRoute, places.audit, message, "remove `audit: none`"))
    } else {
        None
    }
}
