//! Routes in the forms that peers want them in.

use super::super::subject::RouteRule;

/// Whether no segment is variable.
pub(super) fn is_literal(route: &RouteRule) -> bool {
    !route.template.contains('{')
}

/// What stands before the first variable segment.
pub(super) fn prefix(route: &RouteRule) -> &str {
    route.template.split('{').next().unwrap_or_default()
}

/// An expression for the whole path: a variable is one segment, and not an empty one.
pub(super) fn expression(route: &RouteRule) -> String {
    let segments: Vec<String> = route
        .template
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') { "[^/]+".to_owned() } else { segment.replace('.', r"\.") }
        })
        .collect();
    segments.join("/")
}

/// Public routes, and those that ask for roles.
pub(super) fn by_openness(routes: &[RouteRule]) -> (Vec<&RouteRule>, Vec<&RouteRule>) {
    routes.iter().partition(|route| route.is_public())
}
