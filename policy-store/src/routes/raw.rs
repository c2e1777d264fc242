//! `routes.yaml` as written, and the checks of each route.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Body, Event, FactKind, Operation, Place, Places, Route, RouteFault, Scope, fault, place,
};

/// The maximum number of paths of one route.
const PATHS: usize = 1_000;

/// One route as the operator wrote it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    action: Spanned<String>,
    method: Spanned<String>,
    path: Spanned<String>,
    values: Option<Spanned<BTreeMap<String, Vec<String>>>>,
    resource: Option<Spanned<String>>,
    scope: Option<Spanned<Scope>>,
    feature: Option<Spanned<String>>,
    phi: Option<Spanned<String>>,
    operation: Option<Operation>,
    body: Option<Spanned<Body>>,
    roles_in: Option<Spanned<String>>,
    changes: Option<Spanned<BTreeMap<FactKind, String>>>,
    event: Option<Event>,
    audit: Option<Spanned<String>>,
    unowned: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoutes {
    pub(super) routes: Vec<Spanned<RawRoute>>,
}

/// Returns the place of a value.
fn at<T>(value: &Spanned<T>) -> Place {
    place(&value.referenced)
}

/// Returns the written value, or `otherwise`.
fn or<T: Clone>(value: Option<&Spanned<T>>, otherwise: T) -> T {
    value.map_or(otherwise, |value| value.value.clone())
}

fn shared(value: Option<&Spanned<String>>) -> Option<Arc<str>> {
    value.map(|value| Arc::from(&*value.value))
}

impl RawRoute {
    /// Returns the checked route, or its first fault.
    pub(super) fn check(self, line: usize) -> Result<Route, RouteFault> {
        let variables = variables(&self.path.value).map_err(|problem| {
            let remedy = "write whole segments: /api/patients/{id}, without a slash at the end";
            fault(at(&self.path), &problem, remedy)
        })?;
        self.first_fault(&variables).map_or(Ok(()), Err)?;
        let phi =
            self.phi.as_ref().filter(|phi| phi.value != "no").map(phi_operation).transpose()?;
        let operation = phi.or(self.operation).ok_or_else(|| {
            let remedy = "add `phi`, or `operation` where it is no";
            fault(at(&self.action), "the record needs an operation", remedy)
        })?;
        let usual = if phi.is_some() { Event::PhiAccess } else { Event::ApiAccess };
        Ok(Route {
            places: self.places(),
            resource: shared(self.resource.as_ref()).unwrap_or_else(|| Arc::from("Endpoint")),
            scope: or(self.scope.as_ref(), Scope::None),
            feature: shared(self.feature.as_ref()),
            body: or(self.body.as_ref(), Body::None),
            roles_in: shared(self.roles_in.as_ref()),
            values: self.values.map(|values| values.value).unwrap_or_default(),
            changes: changes(self.changes),
            event: self.event.unwrap_or(usual),
            recorded: self.audit.is_none(),
            unowned: self.unowned.is_some_and(|it| it.value),
            action: Arc::from(self.action.value),
            method: self.method.value,
            template: Arc::from(self.path.value),
            operation,
            line,
        })
    }

    fn places(&self) -> Places {
        let action = at(&self.action);
        let feature = self.feature.as_ref().map(at);
        let json = self.body.as_ref().filter(|body| body.value == Body::Json).map(at);
        let scope = self.scope.as_ref().filter(|scope| scope.value != Scope::None).map(at);
        Places {
            action,
            path: at(&self.path),
            resource: self.resource.as_ref().map_or(action, at),
            feature: feature.unwrap_or(action),
            audit: self.audit.as_ref().map_or(action, at),
            unowned: self.unowned.as_ref().map_or(action, at),
            demand: scope.or(json).or(feature).unwrap_or(action),
        }
    }

    /// Returns the first fault, with place and remedy.
    fn first_fault(&self, variables: &[String]) -> Option<RouteFault> {
        let missing = |name: &str| !variables.iter().any(|variable| variable == name);
        let method = &self.method.value;
        let not_a_method = method.is_empty() || !method.bytes().all(|it| it.is_ascii_uppercase());
        let scope = or(self.scope.as_ref(), Scope::None);
        let at_scope = || self.scope.as_ref().map_or(at(&self.action), at);
        let lacks = |name: &str| format!("its scope needs `{{{name}}}`, which the path lacks");
        if not_a_method {
            let problem = format!("`{method}` is not a method");
            Some(fault(at(&self.method), &problem, "write it in capitals: GET"))
        } else if method == "HEAD" {
            Some(fault(at(&self.method), "HEAD is judged as GET", "declare the route for GET"))
        } else if scope.looks_up() && missing("id") {
            Some(fault(at_scope(), &lacks("id"), "name the object {id} in the path"))
        } else if scope.has_workflow() && missing("workflow") {
            Some(fault(at_scope(), &lacks("workflow"), "name the workflow {workflow} in the path"))
        } else {
            self.odd_part(variables)
        }
    }

    /// Returns the fault of the closed lists, if any.
    fn odd_values(&self) -> Option<RouteFault> {
        let values = self.values.as_ref()?;
        let lists = || values.value.iter();
        if let Some((name, _)) = lists().find(|(_, list)| list.is_empty()) {
            let problem = format!("the list of `{name}` is empty: no path fits");
            return Some(fault(at(values), &problem, "list what it may be, or remove it"));
        }
        if let Some(odd) = lists().flat_map(|(_, list)| list).find(|it| !is_plain(it)) {
            let problem = format!("`{odd}` is not a whole, plain segment");
            return Some(fault(at(values), &problem, "list segments as they stand in the path"));
        }
        let paths = lists().try_fold(1_usize, |all, (_, list)| all.checked_mul(list.len()));
        if paths.is_none_or(|paths| paths > PATHS) {
            let problem = format!("its lists stand for more than {PATHS} paths");
            return Some(fault(at(values), &problem, "leave a variable open, or shorten a list"));
        }
        None
    }

    /// Returns the fault of the declared changes of facts, if any.
    fn odd_changes(&self) -> Option<RouteFault> {
        let changes = self.changes.as_ref()?;
        let scope = or(self.scope.as_ref(), Scope::None);
        let body = or(self.body.as_ref(), Body::None);
        let resource = self.resource.as_ref().map_or("Endpoint", |it| it.value.as_str());
        let (problem, remedy) =
            changes.value.keys().find_map(|it| it.fault(scope, resource, body))?;
        Some(fault(at(changes), &problem, remedy))
    }

    /// Returns the fault of `unowned`, if any.
    fn odd_unowned(&self, variables: &[String]) -> Option<RouteFault> {
        let unowned = self.unowned.as_ref()?;
        let scope = or(self.scope.as_ref(), Scope::None);
        let closed =
            |name: &str| self.values.as_ref().is_some_and(|it| it.value.contains_key(name));
        let (problem, remedy) = if !unowned.value {
            (
                "`unowned` may only be `true`",
                "remove it: a variable has to be looked up unless it says so",
            )
        } else if variables.iter().all(|name| scope.judges(name) || closed(name)) {
            (
                "`unowned` says nothing here: the path has no variable that nobody looks up",
                "remove it",
            )
        } else {
            return None;
        };
        Some(fault(at(unowned), problem, remedy))
    }

    /// Returns the fault of the first part that does not fit the others.
    fn odd_part(&self, variables: &[String]) -> Option<RouteFault> {
        let foreign = self.values.as_ref().and_then(|values| {
            let name = values.value.keys().find(|name| !variables.contains(name));
            name.map(|name| (at(values), name))
        });
        let body = or(self.body.as_ref(), Body::None);
        let roles_in = self.roles_in.as_ref().filter(|_| body != Body::Json);
        let odd_audit = self.audit.as_ref().filter(|audit| audit.value != "none");
        if let Some((place, name)) = foreign {
            let problem = format!("`values` names `{name}`, which the path lacks");
            Some(fault(place, &problem, "remove it, or add the variable to the path"))
        } else if let Some(fault) = self.odd_values() {
            Some(fault)
        } else if let Some(roles_in) = roles_in {
            let remedy = "add `body: json`";
            Some(fault(at(roles_in), "`roles_in` needs a body that is read", remedy))
        } else if let Some(fault) = self.odd_changes().or_else(|| self.odd_unowned(variables)) {
            Some(fault)
        } else if let Some(audit) = odd_audit {
            let remedy = "remove it: a route is recorded unless it says none";
            Some(fault(at(audit), "`audit` may only be `none`", remedy))
        } else {
            None
        }
    }
}

fn changes(written: Option<Spanned<BTreeMap<FactKind, String>>>) -> BTreeMap<FactKind, Arc<str>> {
    let written = written.map(|written| written.value).unwrap_or_default();
    written.into_iter().map(|(kind, member)| (kind, Arc::from(member))).collect()
}

fn phi_operation(word: &Spanned<String>) -> Result<Operation, RouteFault> {
    let all = [
        Operation::List,
        Operation::View,
        Operation::Create,
        Operation::Update,
        Operation::Delete,
        Operation::Export,
    ];
    all.into_iter().find(|operation| operation.as_str() == word.value).ok_or_else(|| {
        let problem = format!("`{}` is nothing that happens to health information", word.value);
        fault(at(word), &problem, "one of no, list, view, create, update, delete, export")
    })
}

/// Returns the variables of a template, whose segments are variables or unreserved characters.
fn variables(template: &str) -> Result<Vec<String>, String> {
    let segments = template
        .strip_prefix('/')
        .ok_or_else(|| format!("`{template}` does not begin with a slash"))?;
    if segments.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for segment in segments.split('/') {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if !is_plain(name.unwrap_or(segment)) {
            return Err(format!("`{segment}` in `{template}` is not a whole, plain segment"));
        }
        names.extend(name.map(str::to_owned));
    }
    Ok(names)
}

/// Whether the text is a segment of unreserved characters.
fn is_plain(segment: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(plain)
}
