//! The table of routes: which method and path is which action. Pure.

mod changes;
mod raw;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

pub use changes::FactKind;
use raw::RawRoutes;

/// How a route finds its tenant and its object (`domain.md`, layer 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Scope {
    /// Needs no tenant.
    #[default]
    #[serde(rename = "none")]
    None,
    /// Acts in a tenant.
    #[serde(rename = "tenant")]
    Tenant,
    /// The owner of the object named by `{id}` is looked up.
    #[serde(rename = "lookup")]
    Lookup,
    /// `{id}` is an organisation, its own owner.
    #[serde(rename = "organization")]
    Organization,
    /// Acts in a tenant, in the workflow named by `{workflow}`.
    #[serde(rename = "workflow")]
    Workflow,
    /// Both.
    #[serde(rename = "workflow+lookup")]
    WorkflowLookup,
}

impl Scope {
    /// Whether `{id}` names an object whose owner is looked up.
    pub fn looks_up(self) -> bool {
        matches!(self, Self::Lookup | Self::Organization | Self::WorkflowLookup)
    }

    /// Whether somebody who belongs to no organisation has to name a tenant.
    pub fn needs_tenant(self) -> bool {
        matches!(self, Self::Tenant | Self::Workflow)
    }

    fn has_workflow(self) -> bool {
        matches!(self, Self::Workflow | Self::WorkflowLookup)
    }
}

/// What the gate does with a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// None is expected; one that comes is forwarded unread.
    #[default]
    None,
    /// Forwarded unread.
    Opaque,
    /// Read, judged and forwarded byte for byte.
    Json,
}

/// What the record calls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Many are shown.
    List,
    /// One is shown.
    View,
    /// One is made.
    Create,
    /// One is changed.
    Update,
    /// One is removed.
    Delete,
    /// They leave the system.
    Export,
}

impl Operation {
    /// The word in the record.
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

/// The kind of event that a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Somebody signs in.
    Login,
    /// Somebody signs out.
    Logout,
    /// Protected health information is touched.
    PhiAccess,
    /// Anything else.
    ApiAccess,
}

impl Event {
    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::PhiAccess => "phi_access",
            Self::ApiAccess => "api_access",
        }
    }
}

/// One route, checked.
#[derive(Debug)]
pub struct Route {
    /// The Cedar action.
    pub action: Arc<str>,
    /// The method, upper case; GET answers HEAD too.
    pub method: String,
    /// The path with its variables in braces.
    pub template: Arc<str>,
    /// Variables whose values are closed lists.
    values: BTreeMap<String, Vec<String>>,
    /// The type of the object, and of the record.
    pub resource: Arc<str>,
    /// How tenant and object are found.
    pub scope: Scope,
    /// What the paywall asks for.
    pub feature: Option<Arc<str>>,
    /// What the record calls it.
    pub operation: Operation,
    /// What is done with a body.
    pub body: Body,
    /// The member of a JSON body that hands out roles.
    pub roles_in: Option<Arc<str>>,
    /// The facts that it changes, with the member of its body that does.
    changes: BTreeMap<FactKind, Arc<str>>,
    /// What kind of event the record tells of.
    pub event: Event,
    /// Whether it leaves a record at all.
    pub recorded: bool,
    /// Line in `routes.yaml`.
    pub line: usize,
}

impl Route {
    /// One of the values that the variable `name` may have, when that is a closed list.
    pub fn value_of(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.first().map(String::as_str)
    }
}

/// A route that matched, with the values of its variables as they stand in the path.
#[derive(Debug, Clone)]
pub struct Matched {
    /// The route.
    pub route: Arc<Route>,
    /// `{id}`, percent-decoded.
    pub id: Option<Arc<str>>,
    /// `{workflow}`, percent-decoded.
    pub workflow: Option<Arc<str>>,
}

/// What is wrong with the table, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFault {
    /// Line in `routes.yaml`, from 1; 0 when unknown.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// The table, ready to match.
#[derive(Debug, Default)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    by_method: HashMap<String, matchit::Router<Arc<Route>>>,
}

impl RouteTable {
    /// Reads `routes.yaml`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<RouteFault>> {
        let raw: RawRoutes = serde_saphyr::from_str(text).map_err(|error| {
            let line = error.location().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
            vec![fault(
                line,
                &error.to_string(),
                "see the head of routes.yaml for what may stand here",
            )]
        })?;
        let mut table = Self::default();
        let mut faults = Vec::new();
        for spanned in raw.routes {
            let line = usize::try_from(spanned.referenced.line()).unwrap_or(0);
            match spanned.value.check(line).and_then(|route| table.add(route)) {
                Ok(()) => {}
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(table) } else { Err(faults) }
    }

    /// All routes, as written.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route for `method` and the canonical `path`. Where several fit, at the leftmost segment
    /// that differs a literal wins over a variable.
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
                let remedy = "two routes of one method may not fit the same paths: remove one";
                let problem = format!("{} {}: {error}", route.method, route.template);
                fault(route.line, &problem, remedy)
            })?;
        }
        self.routes.push(route);
        Ok(())
    }
}

fn fault(line: usize, problem: &str, remedy: &str) -> RouteFault {
    RouteFault { line, problem: problem.to_owned(), remedy: remedy.to_owned() }
}

/// Every canonical path is free of encoded slashes and dots, and its escapes are whole.
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

/// The templates that a route stands for: one for each value of its closed variables.
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
