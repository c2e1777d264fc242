//! The changes of routes.
//!
//! `routes.yaml` is changed as text. The parser of the file then checks that the change has the intended
//! effect: a route that is written in an unexpected way is an error, not a guess.

use std::ops::Range;
use std::sync::Arc;

use policy_store::bundle::File;
use policy_store::routes::{Body, Route, RouteTable, Scope};

use super::{Change, Edit, MutantError, Part, Step};

/// A scope, and its name in `routes.yaml`.
type Named = (Scope, &'static str);

/// The scopes with requirements, each with the scopes that require less.
const SCOPES: [(Named, &[Named]); 5] = [
    ((Scope::Tenant, "tenant"), &[(Scope::None, "none")]),
    ((Scope::Lookup, "lookup"), &[(Scope::Tenant, "tenant")]),
    ((Scope::Organization, "organization"), &[(Scope::None, "none")]),
    ((Scope::Workflow, "workflow"), &[(Scope::Tenant, "tenant")]),
    (
        (Scope::WorkflowLookup, "workflow+lookup"),
        &[(Scope::Lookup, "lookup"), (Scope::Workflow, "workflow")],
    ),
];

/// Returns the routes with their texts: each from the beginning of its first line to the first line of the
/// next.
pub(super) fn parts<'a>(
    file: &'a File,
    routes: &'a [Arc<Route>],
) -> Vec<(Part<'a>, &'a Arc<Route>)> {
    let breaks = file.text.match_indices('\n').map(|(at, _)| at + 1);
    let starts: Vec<usize> = std::iter::once(0).chain(breaks).collect();
    let start = |line: usize| line.checked_sub(1).and_then(|line| starts.get(line).copied());
    let mut lines: Vec<usize> = routes.iter().map(|route| route.line).collect();
    lines.sort_unstable();
    let part = |route: &'a Arc<Route>| {
        let next = lines.partition_point(|line| *line <= route.line);
        let end = lines.get(next).and_then(|line| start(*line)).unwrap_or(file.text.len());
        // A route without a line has an empty text, and `steps` reports that it finds nothing to change.
        let offset = start(route.line).unwrap_or(end);
        let text = file.text.get(offset..end).unwrap_or_default();
        (Part { file, name: &route.action, line: route.line, offset, text }, route)
    };
    routes.iter().map(part).collect()
}

/// Returns all changes of the route `route`, whose text is `part`.
pub(super) fn steps(part: &Part<'_>, route: &Route) -> Result<Vec<Step>, MutantError> {
    let part = Lines { text: part.text, route };
    let mut found = Vec::new();
    if let Some(feature) = &route.feature {
        let edits = vec![part.without("feature")?];
        part.proven(&edits, "feature", |new| new.feature.is_none())?;
        let what = format!("feature {feature} dropped");
        found.push(Step { kind: Change::FeatureDropped, what, edits });
    }
    for ((_, old), wider) in SCOPES.iter().filter(|((scope, _), _)| *scope == route.scope) {
        for (scope, new) in *wider {
            let mut edits = vec![part.with("scope", new)?];
            edits.extend(part.without_changes()?);
            part.proven(&edits, "scope", |it| it.scope == *scope)?;
            let what = format!("scope {old} widened to {new}");
            found.push(Step { kind: Change::ScopeWidened, what, edits });
        }
    }
    if route.roles_in.is_some() {
        let edits = vec![part.without("roles_in")?];
        part.proven(&edits, "roles_in", |new| new.roles_in.is_none())?;
        let what = "roles_in dropped".to_owned();
        found.push(Step { kind: Change::RolesInDropped, what, edits });
    }
    if route.body == Body::Json {
        let mut edits = vec![part.with("body", "opaque")?];
        if route.roles_in.is_some() {
            // `roles_in` is invalid for a body that is not read.
            edits.push(part.without("roles_in")?);
        }
        edits.extend(part.without_changes()?);
        part.proven(&edits, "body", |new| new.body == Body::Opaque)?;
        let what = "body forwarded unread".to_owned();
        found.push(Step { kind: Change::BodyUnread, what, edits });
    }
    Ok(found)
}

/// The lines of a route.
struct Lines<'a> {
    text: &'a str,
    route: &'a Route,
}

/// A member of a route, in the lines of the route.
struct Member {
    key: usize,
    value: Range<usize>,
    /// Whether the route is written in braces.
    braces: bool,
}

impl Lines<'_> {
    fn error(&self, member: &'static str) -> MutantError {
        MutantError::Route { line: self.route.line, member }
    }

    /// Returns the edit that gives a member another value.
    fn with(&self, name: &'static str, value: &str) -> Result<Edit, MutantError> {
        let member = member(self.text, name).ok_or_else(|| self.error(name))?;
        Ok(Edit::new(member.value, value))
    }

    /// Returns the edit that removes a member.
    fn without(&self, name: &'static str) -> Result<Edit, MutantError> {
        let member = member(self.text, name).ok_or_else(|| self.error(name))?;
        let range = removed(self.text, &member).ok_or_else(|| self.error(name))?;
        Ok(Edit::new(range, ""))
    }

    /// Returns the edit that removes the declaration of changed facts, if there is one. The declaration decides
    /// nothing, and is invalid with another scope or body.
    fn without_changes(&self) -> Result<Option<Edit>, MutantError> {
        self.route.changes_facts().then(|| self.without("changes")).transpose()
    }

    /// Checks that the edited lines parse as the same route with the intended change.
    fn proven(
        &self,
        edits: &[Edit],
        name: &'static str,
        holds: impl Fn(&Route) -> bool,
    ) -> Result<(), MutantError> {
        let text = super::edited(self.text, edits);
        let table = RouteTable::parse(&format!("routes:\n{text}"));
        let table = table.map_err(|_faults| self.error(name))?;
        let good = match table.routes() {
            [new] => holds(new) && new.action == self.route.action,
            _ => false,
        };
        if good { Ok(()) } else { Err(self.error(name)) }
    }
}

/// Finds the member `name` of the route whose lines are `text`: on a line of its own, or in braces.
fn member(text: &str, name: &str) -> Option<Member> {
    let first = text.find(|it: char| !it.is_whitespace() && it != '-')?;
    let braces = text.get(first..)?.starts_with('{');
    let line_start =
        |at: usize| text.get(..at).and_then(|it| it.rfind('\n')).map_or(0, |it| it + 1);
    let column = first - line_start(first);
    let key = text.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).unwrap_or_default();
        let whole = text.get(at + name.len()..).is_some_and(|rest| rest.starts_with(": "));
        let lead = text.get(line_start(*at)..*at).unwrap_or_default();
        let alone = lead.chars().all(|it| it == ' ' || it == '-') && lead.len() == column;
        whole && if braces { before.trim_end().ends_with(['{', ',']) } else { alone }
    })?;
    let rest = text.get(key + name.len() + 1..)?;
    let start = text.len() - rest.trim_start_matches(' ').len();
    let rest = text.get(start..)?;
    let stops: &[char] = if braces { &[',', '}', '\n', '#'] } else { &['\n', '#'] };
    let value = rest.get(..rest.find(stops).unwrap_or(rest.len()))?.trim_end();
    Some(Member { key, value: start..start + value.len(), braces })
}

/// Returns the range to delete in order to remove the member.
fn removed(text: &str, member: &Member) -> Option<Range<usize>> {
    let (before, after) = (text.get(..member.key)?, text.get(member.value.end..)?);
    if !member.braces {
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let end = after.find('\n').map_or(text.len(), |at| member.value.end + at + 1);
        if !before.get(line..)?.contains('-') {
            return Some(line..end);
        }
        // The first member follows the dash of the list: the second takes its place.
        let next = text.get(end..)?;
        return Some(member.key..end + (next.len() - next.trim_start_matches(' ').len()));
    }
    if let Some(rest) = after.trim_start().strip_prefix(',') {
        return Some(member.key..text.len() - rest.trim_start().len());
    }
    let comma = before.trim_end().strip_suffix(',')?;
    Some(comma.len()..member.value.end)
}
