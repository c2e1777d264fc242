//! Checks that Cedar cannot make: that schema, routes and vocabulary agree.

use std::collections::HashSet;

use cedar_policy::{EntityTypeName, EntityUid, Schema};
use serde_json::Value;

use super::finding::{Finding, MOST};
use super::kind::Kind;
use super::read::Sources;
use super::room::breathe;
use super::tokens;
use super::vocabulary::Vocabulary;
use super::{ACT_IN, Declared, UNMAPPED, attributes, type_name};
use crate::routes::{Body, Place, Route, RouteTable, Scope};

/// Returns a finding for each place where schema and routes disagree.
pub(super) fn agreement(declared: &Declared, routes: &RouteTable, files: &Sources) -> Vec<Finding> {
    let Declared { schema, vocabulary, json, .. } = declared;
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
            route_faults((schema, json), vocabulary, &declared, route)
        {
            findings.push(files.routes.finding(line, column, &message, &remedy).of_kind(kind));
        }
        if findings.len() >= MOST {
            break;
        }
    }
    findings
}

/// Returns findings for the entity types that the gate makes for every bundle and that the schema lacks.
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

/// Returns findings for the actions that no route leads to, in the order of the schema.
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

/// What is wrong with a route, where, and how to correct it.
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
    (schema, json): (&Schema, &Value),
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
    let principals = schema.principals_for_action(&action).into_iter().flatten();
    let public = principals.map(ToString::to_string).any(|kind| kind == "Guest");
    let resources = schema.resources_for_action(&action).into_iter().flatten();
    let resources: Vec<String> = resources.map(ToString::to_string).collect();
    let unseen = not_looked_up(json, &resources, route).filter(|_| !public);
    faults.extend(unseen.or_else(|| wrong_resource(&resources, route)));
    faults.extend(wrong_publicity(public, route));
    faults
}

/// Returns the fault of a route that looks up no owner for a variable in its path: a caller who may use the
/// route could name another tenant's object. So the remedy is never to make the schema agree.
fn not_looked_up(json: &Value, resources: &[String], route: &Route) -> Option<Fault> {
    let name = route.variables().find(|name| !route.scope.judges(name))?;
    if name == "id"
        && let Some(kind) = owned(json, resources, route)
    {
        return Some(owned_not_looked_up(kind, route));
    }
    if route.unowned {
        return None;
    }
    let action = &route.action;
    let beneath = route.scope.looks_up();
    let (only, remedy) = if beneath {
        (
            "; `{id}` alone is",
            format!(
                "if `{{{name}}}` is looked for beneath the object that `{{id}}` names and nowhere else, write `unowned: true` at the route; if not, name it by `{{id}}` in a route of its own"
            ),
        )
    } else {
        let called = if name == "id" { "" } else { "call it `{id}`, " };
        (
            "",
            format!(
                "{called}write `scope: lookup` at the route, with the `resource` that it names: then it is not found unless it belongs to the tenant in which the caller acts; write `unowned: true` only if `{{{name}}}` names nothing that belongs to somebody"
            ),
        )
    };
    let message =
        format!("`{action}` has `{{{name}}}` in its path, and nobody looks up whose it is{only}");
    Some(Fault::new(Kind::ObjectNotLookedUp, route.places.path, message, &remedy))
}

/// Returns the type of the object that `{id}` names, if objects of that type have an owner.
fn owned<'a>(json: &Value, resources: &'a [String], route: &'a Route) -> Option<&'a str> {
    let owned = |kind: &str| {
        matches!(kind, "User" | "Organization")
            || attributes::declared(json, kind).contains_key("owner")
    };
    let named = std::iter::once(&*route.resource).chain(resources.iter().map(String::as_str));
    named.into_iter().find(|kind| owned(kind))
}

/// Returns the fault of a route that does not look up an object of a type with owners. `unowned: true` does not
/// help there: the object cannot be declared to belong to nobody.
fn owned_not_looked_up(kind: &str, route: &Route) -> Fault {
    let scope = match (kind, route.scope) {
        ("Organization", _) => "organization",
        (_, Scope::Workflow) => "workflow+lookup",
        _ => "lookup",
    };
    let message =
        format!("`{}` names a `{kind}` by `{{id}}`, and nobody looks up whose it is", route.action);
    let resource =
        if *route.resource == *kind { String::new() } else { format!("`resource: {kind}` and ") };
    let unowned = if route.unowned { " instead of `unowned: true`" } else { "" };
    let remedy = format!(
        "write {resource}`scope: {scope}` at the route{unowned}, and `resource: [{kind}]` in `appliesTo` in schema.cedarschema: then it is not found unless it belongs to the tenant in which the caller acts"
    );
    Fault::new(Kind::ObjectNotLookedUp, route.places.resource, message, &remedy)
}

fn wrong_resource(resources: &[String], route: &Route) -> Option<Fault> {
    let looks_up = route.scope.looks_up();
    let wanted = if looks_up { &*route.resource } else { "Endpoint" };
    if resources.iter().any(|kind| kind == wanted) {
        return None;
    }
    let (action, places) = (&route.action, &route.places);
    let message = format!("action `{action}` does not apply to a resource of type `{wanted}`");
    let others: Vec<&str> =
        resources.iter().map(String::as_str).filter(|kind| *kind != "Endpoint").collect();
    let remedy = match (looks_up, others.first()) {
        (true, Some(kind)) => format!(
            "write `resource: {kind}`, if that is what `{{id}}` names, or `resource: [{wanted}]` in `appliesTo` in schema.cedarschema"
        ),
        (true, None) => format!("write `resource: [{wanted}]` in `appliesTo` in schema.cedarschema"),
        (false, _) => "write `resource: [Endpoint]` in `appliesTo` in schema.cedarschema, or, if the path is to name one object, `{id}` in the path and `scope: lookup` at the route".to_owned(),
    };
    Some(Fault::new(Kind::WrongResource, places.resource, message, &remedy))
}

fn wrong_publicity(public: bool, route: &Route) -> Option<Fault> {
    let demands = route.scope != Scope::None || route.body == Body::Json || route.feature.is_some();
    let (name, places) = (&route.action, &route.places);
    if public && demands {
        let message =
            format!("`{name}` is public: its tenant, body and feature are never looked at");
        let remedy = "remove `Guest` from its `appliesTo` in schema.cedarschema; only if everybody is to reach it, without a token and whosever it is, remove scope, feature and `body: json` instead";
        Some(Fault::new(Kind::PublicRoute, places.demand, message, remedy))
    } else if public && route.unowned {
        let message = format!("`{name}` is public: everybody reaches what its path names anyway");
        Some(Fault::new(Kind::PublicRoute, places.unowned, message, "remove `unowned: true`"))
    } else if !public && !route.recorded {
        let message = format!("`{name}` is not public, so it is recorded");
        Some(Fault::new(Kind::UnrecordedRoute, places.audit, message, "remove `audit: none`"))
    } else {
        None
    }
}
