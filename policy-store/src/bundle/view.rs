//! What the policies about an action can see of a path and of an object's name.
//!
//! Two requests that differ only in what no policy can see are one question, and have one answer.
//! A policy is looked at in Cedar's own JSON form. What is understood here is little: `context.path`
//! held against a literal, and `resource` before an attribute, `has` or `is`. Everything else in
//! which the two stand shows all of them.

use std::sync::Arc;

use serde_json::Value;

use super::shape::Shape;

/// So many forms of a path are told apart; with more, each path is its own.
const SHAPES: usize = 64;

/// How a policy uses `resource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Use {
    /// Not at all, or for its type.
    #[default]
    Type,
    /// For its attributes.
    Attributes,
    /// As a value: two that are alike are told apart.
    Name,
}

/// What one policy looks at.
#[derive(Debug, Clone, Default)]
pub(super) struct Glance {
    shapes: Vec<Shape>,
    whole_path: bool,
    resource: Use,
}

impl Glance {
    /// A policy in Cedar's JSON form; `None`: it has none, and is taken to look at everything.
    pub(super) fn of(policy: Option<&Value>) -> Self {
        let all = Self { shapes: Vec::new(), whole_path: true, resource: Use::Name };
        let (Some(scope), Some(conditions)) = (
            policy.and_then(|policy| policy.get("resource")),
            policy.and_then(|policy| policy.get("conditions")),
        ) else {
            return all;
        };
        let mut glance = Self::default();
        let by_type = scope.get("op").is_some_and(|op| op == "is") && scope.get("in").is_none();
        if !by_type && scope.get("op").is_none_or(|op| op != "All") {
            glance.resource = Use::Name;
        }
        glance.look(conditions);
        glance
    }

    fn look(&mut self, value: &Value) {
        match value {
            Value::Array(parts) => parts.iter().for_each(|part| self.look(part)),
            Value::Object(members) => {
                for (name, inner) in members {
                    if !self.understood(name, inner) {
                        self.look(inner);
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether this is an expression of which nothing more has to be looked at.
    fn understood(&mut self, operator: &str, inner: &Value) -> bool {
        match operator {
            "Var" if inner == "context" => self.whole_path = true,
            "Var" if inner == "resource" => self.resource = Use::Name,
            "like" => return self.likened(inner),
            "==" => return self.compared(inner),
            "." | "has" => return self.asked_for(inner, operator == "."),
            "is" => return is(inner.get("left"), "resource") && inner.get("in").is_none(),
            _ => {}
        }
        false
    }

    /// `context.path like "…"`
    fn likened(&mut self, inner: &Value) -> bool {
        let pattern = inner.get("left").filter(|left| is_path(left)).and(inner.get("pattern"));
        let shape = pattern.and_then(Shape::like);
        let known = shape.is_some();
        self.shapes.extend(shape);
        known
    }

    /// `context.path == "…"`
    fn compared(&mut self, inner: &Value) -> bool {
        let (Some(left), Some(right)) = (inner.get("left"), inner.get("right")) else {
            return false;
        };
        let other = if is_path(left) {
            right
        } else if is_path(right) {
            left
        } else {
            return false;
        };
        let shape = other.get("Value").and_then(Value::as_str).map(Shape::exactly);
        let known = shape.is_some();
        self.shapes.extend(shape);
        known
    }

    /// `context.…`, `resource.…`, `context has …`, `resource has …`
    fn asked_for(&mut self, inner: &Value, value: bool) -> bool {
        let Some(name) = inner.get("attr").and_then(Value::as_str) else { return false };
        if is(inner.get("left"), "context") {
            self.whole_path |= value && name == "path";
            return true;
        }
        if is(inner.get("left"), "resource") {
            self.resource = self.resource.max(Use::Attributes);
            return true;
        }
        // What is known of an object that is named outright depends on whether it is the one asked for.
        if inner.get("left").is_some_and(names_an_entity) {
            self.resource = Use::Name;
        }
        false
    }
}

fn is(value: Option<&Value>, variable: &str) -> bool {
    value.and_then(|value| value.get("Var")).is_some_and(|name| name == variable)
}

/// Whether an entity is written out anywhere in it.
fn names_an_entity(value: &Value) -> bool {
    match value {
        Value::Array(parts) => parts.iter().any(names_an_entity),
        Value::Object(members) => {
            members.contains_key("__entity") || members.values().any(names_an_entity)
        }
        _ => false,
    }
}

fn is_path(value: &Value) -> bool {
    value.get(".").is_some_and(|inner| {
        is(inner.get("left"), "context") && inner.get("attr").is_some_and(|name| name == "path")
    })
}

/// What some policies can see together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// `None`: each path is its own.
    shapes: Option<Vec<Shape>>,
    names: bool,
}

/// A path as policies see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SeenPath {
    /// Which of the forms it has.
    Shapes(u64),
    /// All of it.
    Whole(Arc<str>),
}

impl View {
    /// What these policies see of objects whose attributes are known to whoever asks, or, if
    /// `unknown`, are not: then what is said of an attribute may depend on the name.
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a Glance>, unknown: bool) -> Self {
        let (mut shapes, mut whole, mut most) = (Vec::<Shape>::new(), false, Use::Type);
        for glance in policies {
            whole |= glance.whole_path;
            most = most.max(glance.resource);
            for shape in &glance.shapes {
                if !shapes.contains(shape) {
                    shapes.push(shape.clone());
                }
            }
        }
        let few = !whole && shapes.len() <= SHAPES;
        let least = if unknown { Use::Attributes } else { Use::Name };
        Self { shapes: few.then_some(shapes), names: most >= least }
    }

    /// What they see of a path.
    pub fn path(&self, path: &Arc<str>) -> SeenPath {
        let Some(shapes) = &self.shapes else { return SeenPath::Whole(Arc::clone(path)) };
        let seen =
            shapes.iter().rev().fold(0, |seen, shape| seen << 1 | u64::from(shape.fits(path)));
        SeenPath::Shapes(seen)
    }

    /// Whether they can tell two objects apart that are alike but for their names.
    pub fn names(&self) -> bool {
        self.names
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn view(policies: &[&str], unknown: bool) -> View {
        let glances: Vec<Glance> = policies
            .iter()
            .map(|text| {
                let policy: Policy = text.parse().unwrap();
                Glance::of(policy.to_json().ok().as_ref())
            })
            .collect();
        View::of(glances.iter(), unknown)
    }

    fn when(condition: &str) -> String {
        format!("permit (principal, action, resource) when {{ {condition} }};")
    }

    fn seen(condition: &str) -> (bool, bool, bool) {
        let policy = when(condition);
        let (known, unknown) = (view(&[&policy], false), view(&[&policy], true));
        assert_eq!(known.shapes, unknown.shapes);
        (known.shapes.is_none(), known.names, unknown.names)
    }

    #[test]
    fn paths_are_told_apart_by_what_they_are_held_against() {
        let condition = r#"context.path like "/a/*" || "/b" == context.path"#;
        let view = view(&[&when(condition), &when(r#"context.path like "/a/*""#)], false);
        let path = |path: &str| view.path(&Arc::from(path));
        assert_eq!(path("/a/1"), path("/a/2/3"));
        assert_eq!(path("/b"), SeenPath::Shapes(2));
        assert_eq!(path("/b/"), path("/c"));
        assert_ne!(path("/a/"), path("/c"));
    }

    #[test]
    fn a_path_that_is_taken_as_a_value_is_seen_whole() {
        for condition in [
            r#"["/a", "/b"].contains(context.path)"#,
            "context.path == context.method",
            r"context.path == resource.path",
            r#"if context.path like "/a" then context == {a: 1} else false"#,
            r#"{path: context.path} == {path: "/a"}"#,
            "[context].isEmpty()",
            r#"context.path == (if true then "/a" else "/b")"#,
        ] {
            assert!(seen(condition).0, "{condition}");
        }
        assert!(!seen(r#"context.method like "G*" && context has path"#).0);
        assert!(!seen(r#"{Var: 1, "like": 2} == {Var: 1}"#).0);
    }

    #[test]
    fn objects_are_told_apart_where_their_names_can_be_seen() {
        for condition in ["resource is T", "true", r#"principal.name == "resource""#] {
            assert_eq!(seen(condition), (false, false, false), "{condition}");
        }
        let attribute = "resource has owner && resource.owner == principal.org";
        assert_eq!(seen(attribute), (false, false, true));
        for condition in [
            r#"resource == T::"a""#,
            "principal == resource",
            "resource in principal.group",
            "resource is T in principal.group",
            "[resource].contains(principal)",
            "{Var: resource} has Var",
            "(if true then resource else principal).owner == 1",
            "resource.hasTag(\"a\")",
            r#"T::"a" has owner"#,
            r#"(if principal.x then T::"a" else T::"b").owner == 1"#,
        ] {
            assert_eq!(seen(condition), (false, true, true), "{condition}");
        }
    }

    #[test]
    fn a_scope_shows_names_unless_it_is_of_a_type() {
        let of =
            |scope: &str| view(&[&format!("permit (principal, action, {scope});")], false).names;
        assert!(!of("resource") && !of("resource is T"));
        assert!(of("resource == T::\"a\"") && of("resource in T::\"a\""));
        assert!(of("resource is T in T::\"a\""));
    }

    #[test]
    fn with_too_many_forms_each_path_is_its_own() {
        let many = |count: usize| {
            let like = |number| format!(r#"context.path like "/{number}/*""#);
            when(&(0..count).map(like).collect::<Vec<_>>().join(" || "))
        };
        assert!(view(&[&many(SHAPES)], false).shapes.is_some());
        assert!(view(&[&many(SHAPES + 1)], false).shapes.is_none());
        assert!(View::of([Glance::of(None)].iter(), false).names);
    }
}
