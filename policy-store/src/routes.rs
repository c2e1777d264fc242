//! The table of routes: it maps a method and a path to an action, without any I/O.

mod changes;
mod raw;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use crate::bundle::Kind;
pub use changes::FactKind;
use raw::RawRoutes;

/// How a route finds its tenant and its object (`domain.md`, layer 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Scope {
    /// The route needs no tenant.
    #[default]
    #[serde(rename = "none")]
    None,
    /// The route acts in a tenant.
    #[serde(rename = "tenant")]
    Tenant,
    /// The owner of the object named by `{id}` is looked up.
    #[serde(rename = "lookup")]
    Lookup,
    /// `{id}` is an organisation, its own owner.
    #[serde(rename = "organization")]
    Organization,
    /// The route acts in a tenant, in the workflow named by `{workflow}`.
    #[serde(rename = "workflow")]
    Workflow,
    /// The route acts in the workflow named by `{workflow}`, and the owner of the object named by `{id}` is
    /// looked up.
    #[serde(rename = "workflow+lookup")]
    WorkflowLookup,
}

impl Scope {
    /// Whether `{id}` names an object whose owner is looked up.
    pub fn looks_up(self) -> bool {
        matches!(self, Self::Lookup | Self::Organization | Self::WorkflowLookup)
    }

    /// Whether a caller who belongs to no organisation has to name a tenant.
    pub fn needs_tenant(self) -> bool {
        matches!(self, Self::Tenant | Self::Workflow)
    }

    /// Whether the value of a path variable is judged: looked up, or, for a workflow in any scope, passed to
    /// the policies.
    pub(crate) fn judges(self, variable: &str) -> bool {
        variable == "workflow" || (variable == "id" && self.looks_up())
    }

    fn has_workflow(self) -> bool {
        matches!(self, Self::Workflow | Self::WorkflowLookup)
    }
}

/// What the gate does with a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// A request with a body is refused.
    #[default]
    None,
    /// The body is forwarded unread.
    Opaque,
    /// The body is read, judged and forwarded byte for byte.
    Json,
}

/// The operation that the record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Shows many objects.
    List,
    /// Shows one object.
    View,
    /// Creates an object.
    Create,
    /// Changes an object.
    Update,
    /// Deletes an object.
    Delete,
    /// Exports objects from the system.
    Export,
}

impl Operation {
    /// Returns the word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::View => "view",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Export => "export",
        }
    }
}

/// The kind of event that a record describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A user signs in.
    Login,
    /// A user signs out.
    Logout,
    /// A request accesses protected health information.
    PhiAccess,
    /// Any other request.
    ApiAccess,
}

impl Event {
    /// Returns the word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::PhiAccess => "phi_access",
            Self::ApiAccess => "api_access",
        }
    }
}

/// One route that passed all checks.
#[derive(Debug)]
pub struct Route {
    /// The Cedar action.
    pub action: Arc<str>,
    /// The method in upper case; GET answers HEAD too.
    pub method: String,
    /// The path with its variables in braces.
    pub template: Arc<str>,
    /// The variables whose values are closed lists, with the lists.
    values: BTreeMap<String, Vec<String>>,
    /// The type of the object, in policies and in the record.
    pub resource: Arc<str>,
    /// How the gate finds tenant and object.
    pub scope: Scope,
    /// The feature that the tenant must have bought.
    pub feature: Option<Arc<str>>,
    /// The operation that the record names.
    pub operation: Operation,
    /// What the gate does with a body.
    pub body: Body,
    /// The member of a JSON body that hands out roles.
    pub roles_in: Option<Arc<str>>,
    /// The facts that the route changes, each with the member of the body that changes it.
    changes: BTreeMap<FactKind, Arc<str>>,
    /// The kind of event that the record describes.
    pub event: Event,
    /// Whether requests to the route are recorded at all.
    pub recorded: bool,
    /// Whether the path variables that the gate does not look up name nothing that belongs to a tenant.
    pub unowned: bool,
    /// The line in `routes.yaml`.
    pub line: usize,
    /// The places of the route's parts in `routes.yaml`.
    pub places: Places,
}

impl Route {
    /// Returns the route that stands for all methods and paths that no route declares, to ask the policies
    /// about them.
    pub(crate) fn unmapped(action: &str) -> Self {
        Self {
            action: Arc::from(action),
            method: "GET".to_owned(),
            template: Arc::from("/no/route/is/here"),
            values: BTreeMap::new(),
            resource: Arc::from("Endpoint"),
            scope: Scope::None,
            feature: None,
            operation: Operation::View,
            body: Body::None,
            roles_in: None,
            changes: BTreeMap::new(),
            event: Event::ApiAccess,
            recorded: true,
            unowned: false,
            line: 0,
            places: Places::default(),
        }
    }

    /// Whether the path has an open variable `variable`.
    pub fn takes(&self, variable: &str) -> bool {
        !self.values.contains_key(variable) && self.template.contains(&format!("{{{variable}}}"))
    }

    /// Returns the open variables of the path, in their order.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let segments = self.template.split('/');
        let names = segments.filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'));
        names.filter(|name| !self.values.contains_key(*name))
    }

    /// Returns the first path of the route: a closed variable has its first value, an open one has the value
    /// that `sample` returns.
    pub fn path(&self, sample: impl Fn(&str) -> String) -> String {
        let segment = |segment: &str| {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let Some(name) = name else { return segment.to_owned() };
            let first = self.values.get(name).and_then(|values| values.first());
            first.cloned().unwrap_or_else(|| sample(name))
        };
        self.template.split('/').map(segment).collect::<Vec<_>>().join("/")
    }
}

/// A line and column in `routes.yaml`, from 1; 0 if unknown.
pub type Place = (usize, usize);

/// The places of the parts of a route in `routes.yaml`. A part that is not written has the place of the action.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places {
    /// The action.
    pub action: Place,
    /// The path.
    pub path: Place,
    /// The type of the object.
    pub resource: Place,
    /// The required feature.
    pub feature: Place,
    /// `audit: none`.
    pub audit: Place,
    /// `unowned: true`.
    pub unowned: Place,
    /// The part that asks for more than a public route may: scope, body or feature.
    pub demand: Place,
}

/// A route that matched, with the values of its variables in the path.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The route.
    pub route: Arc<Route>,
    /// `{id}`, percent-decoded.
    pub id: Option<Arc<str>>,
    /// `{workflow}`, percent-decoded.
    pub workflow: Option<Arc<str>>,
}

/// A fault of the table, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFault {
    /// The kind of the fault.
    pub kind: Kind,
    /// The place in `routes.yaml`.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// How to correct the fault.
    pub remedy: String,
}

/// The table of routes, ready to match.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    by_method: HashMap<String, matchit::Router<Arc<Route>>>,
}

impl RouteTable {
    /// Parses `routes.yaml`.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the file.
    pub fn parse(text: &str) -> Result<Self, Vec<RouteFault>> {
        let raw: RawRoutes = serde_saphyr::from_str(text).map_err(|error| vec![unread(&error)])?;
        let mut table = Self::default();
        let mut faults = Vec::new();
        for spanned in raw.routes {
            let (line, _) = place(&spanned.referenced);
            match spanned.value.check(line).and_then(|route| table.add(route)) {
                Ok(()) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(table) } else { Err(faults) }
    }

    /// Returns all routes, in the order of the file.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Returns the route for `method` and the canonical `path`. Of several that match, a literal wins over a
    /// variable at the leftmost segment that differs.
    pub fn find(&self, method: &str, path: &str) -> Option<Matched> {
        let found = self.by_method.get(method)?.at(path).ok()?;
        let variable = |name| found.params.get(name).map(|raw| Arc::from(decoded(raw)));
        Some(Matched {
            id: variable("id"),
            workflow: variable("workflow"),
            route: Arc::clone(found.value),
        })
    }

    fn add(&mut self, route: Route) -> Result<(), RouteFault> {
        let route = Arc::new(route);
        let router = self.by_method.entry(route.method.clone()).or_default();
        for path in spelled_out(&route) {
            router.insert(path, Arc::clone(&route)).map_err(|error| {
                let Route { method, template, .. } = &*route;
                let problem = match error {
                    matchit::InsertError::Conflict { with } => {
                        format!("{method} {template} fits the same paths as {method} {with}")
                    }
                    other => format!("{method} {template}: {other}"),
                };
                let remedy = "one path is one action: remove one, or make them differ";
                RouteFault { kind: Kind::SameShape, ..fault(route.places.path, &problem, remedy) }
            })?;
        }
        self.routes.push(route);
        Ok(())
    }
}

fn fault(place: Place, problem: &str, remedy: &str) -> RouteFault {
    let (problem, remedy) = (problem.to_owned(), remedy.to_owned());
    RouteFault { kind: Kind::Route, place, problem, remedy }
}

fn unread(error: &serde_saphyr::Error) -> RouteFault {
    let (place, problem) = yaml_fault(error);
    let remedy = "see the head of routes.yaml for what may stand here";
    RouteFault { kind: Kind::Yaml, ..fault(place, &problem, remedy) }
}

/// Returns place and message of a YAML error, without the parser's excerpt: findings have their own.
pub(crate) fn yaml_fault(error: &serde_saphyr::Error) -> (Place, String) {
    let place = error.location().map_or((0, 0), |at| place(&at));
    let problem = error.without_snippet().to_string();
    let (line, column) = place;
    let again = format!(" at line {line}, column {column}");
    let problem = problem.strip_suffix(&again).unwrap_or(&problem);
    // The rest of the message is meant for callers of the parser.
    let problem = problem.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    (place, problem.to_owned())
}

fn place(at: &serde_saphyr::Location) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(0);
    (number(at.line()), number(at.column()))
}

/// Percent-decodes a segment of a canonical path, which has no encoded slashes or dots and no incomplete
/// escapes.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2)).flatten();
        let byte =
            escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the templates of a route: one for each combination of values of its closed variables.
fn spelled_out(route: &Route) -> Vec<String> {
    let mut paths = vec![route.template.to_string()];
    for (variable, values) in &route.values {
        let marker = format!("{{{variable}}}");
        paths = paths
            .iter()
            .flat_map(|path| values.iter().map(|value| path.replace(&marker, value)))
            .collect();
    }
    paths
}

#[cfg(test)]
mod tests;
