//! Which route a method and a path are (`domain.md`, "Which route").

use crate::people::{ROUTES, Route};

const SYSTEMS: [&str; 3] = ["icd10", "loinc", "snomed"];

/// A route, and what its variables stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matched<'p> {
    pub(super) route: &'static Route,
    pub(super) id: Option<&'p str>,
    pub(super) workflow: Option<&'p str>,
}

/// The route of a canonical path. HEAD is GET.
pub(super) fn find<'p>(method: &str, path: &'p str) -> Option<Matched<'p>> {
    let method = if method == "HEAD" { "GET" } else { method };
    let fitting = ROUTES.iter().filter(|route| route.method == method && fits(route, path));
    // The leftmost segment that differs decides, and a literal sorts before a variable there.
    let route = fitting.min_by_key(|route| variables(route))?;
    let value = |name: &str| {
        let mut pairs = route.path.split('/').zip(path.split('/'));
        pairs.find(|(segment, _)| *segment == name).map(|(_, value)| value)
    };
    Some(Matched { route, id: value("{id}"), workflow: value("{workflow}") })
}

fn variables(route: &Route) -> Vec<bool> {
    route.path.split('/').map(|segment| segment.starts_with('{')).collect()
}

fn fits(route: &Route, path: &str) -> bool {
    let same_length = route.path.split('/').count() == path.split('/').count();
    let mut pairs = route.path.split('/').zip(path.split('/'));
    let segments_fit = pairs.all(|(segment, value)| match segment {
        "{system}" => SYSTEMS.contains(&value),
        variable if variable.starts_with('{') => !value.is_empty(),
        literal => literal == value,
    });
    same_length && segments_fit
}
