//! `routes.yaml` as written, and what is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{Body, Event, FactKind, Operation, Route, RouteFault, Scope, fault};

/// What the operator wrote about one route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    action: String,
    method: String,
    path: String,
    #[serde(default)]
    values: BTreeMap<String, Vec<String>>,
    #[serde(default = "endpoint")]
    resource: String,
    #[serde(default)]
    scope: Scope,
    feature: Option<String>,
    phi: Option<String>,
    operation: Option<Operation>,
    #[serde(default)]
    body: Body,
    roles_in: Option<String>,
    #[serde(default)]
    changes: BTreeMap<FactKind, String>,
    event: Option<Event>,
    audit: Option<String>,
}

fn endpoint() -> String {
    "Endpoint".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoutes {
    pub(super) routes: Vec<serde_saphyr::Spanned<RawRoute>>,
}

impl RawRoute {
    /// The route, or the first thing that is wrong with it.
    pub(super) fn check(self, line: usize) -> Result<Route, RouteFault> {
        let variables = variables(&self.path).map_err(|problem| {
            let remedy = "write whole segments: /api/patients/{id}, without a slash at the end";
            fault(line, &problem, remedy)
        })?;
        if let Some((problem, remedy)) = self.first_fault(&variables) {
            return Err(fault(line, &problem, remedy));
        }
        let phi = self.phi.as_deref().filter(|phi| *phi != "no").map(phi_operation).transpose();
        let phi = phi.map_err(|problem| {
            fault(line, &problem, "one of no, list, view, create, update, delete, export")
        })?;
        let operation = phi.or(self.operation).ok_or_else(|| {
            let remedy = "add `phi`, or `operation` where it is no";
            fault(line, "the record needs an operation", remedy)
        })?;
        let usual = if phi.is_some() { Event::PhiAccess } else { Event::ApiAccess };
        Ok(Route {
            action: Arc::from(self.action),
            method: self.method,
            template: Arc::from(self.path),
            values: self.values,
            resource: Arc::from(self.resource),
            scope: self.scope,
            feature: self.feature.map(Arc::from),
            operation,
            body: self.body,
            roles_in: self.roles_in.map(Arc::from),
            changes: self.changes.into_iter().map(|(kind, it)| (kind, Arc::from(it))).collect(),
            event: self.event.unwrap_or(usual),
            recorded: self.audit.is_none(),
            line,
        })
    }

    /// The first thing that is wrong, and what to do about it.
    fn first_fault(&self, variables: &[String]) -> Option<(String, &'static str)> {
        let missing = |name: &str| !variables.iter().any(|variable| variable == name);
        let not_a_method =
            self.method.is_empty() || !self.method.bytes().all(|it| it.is_ascii_uppercase());
        let foreign = self.values.keys().find(|name| missing(name));
        let unchanged =
            self.changes.keys().find_map(|it| it.fault(self.scope, &self.resource, self.body));
        let odd_audit = self.audit.as_deref().is_some_and(|audit| audit != "none");
        let lacks = |name: &str| format!("its scope needs `{{{name}}}`, which the path lacks");
        if not_a_method {
            Some((format!("`{}` is not a method", self.method), "write it in capitals: GET"))
        } else if self.method == "HEAD" {
            Some(("HEAD is judged as GET".to_owned(), "declare the route for GET"))
        } else if self.scope.looks_up() && missing("id") {
            Some((lacks("id"), "name the object {id} in the path"))
        } else if self.scope.has_workflow() && missing("workflow") {
            Some((lacks("workflow"), "name the workflow {workflow} in the path"))
        } else if let Some(name) = foreign {
            let problem = format!("`values` names `{name}`, which the path lacks");
            Some((problem, "remove it, or add the variable to the path"))
        } else if self.roles_in.is_some() && self.body != Body::Json {
            Some(("`roles_in` needs a body that is read".to_owned(), "add `body: json`"))
        } else if unchanged.is_some() {
            unchanged
        } else if odd_audit {
            let remedy = "remove it: a route is recorded unless it says none";
            Some(("`audit` may only be `none`".to_owned(), remedy))
        } else {
            None
        }
    }
}

fn phi_operation(word: &str) -> Result<Operation, String> {
    let all = [
        Operation::List,
        Operation::View,
        Operation::Create,
        Operation::Update,
        Operation::Delete,
        Operation::Export,
    ];
    all.into_iter()
        .find(|operation| operation.as_str() == word)
        .ok_or_else(|| format!("`{word}` is nothing that happens to health information"))
}

/// The variables of a template, which holds whole segments of unreserved characters.
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
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let text = name.unwrap_or(segment);
        if text.is_empty() || matches!(text, "." | "..") || !text.bytes().all(plain) {
            return Err(format!("`{segment}` in `{template}` is not a whole, plain segment"));
        }
        names.extend(name.map(str::to_owned));
    }
    Ok(names)
}
