//! What the policies about an action can see of a path, of the names of those involved, and of callers.
//!
//! Two requests that differ only in what no policy can see are one question, and have one answer.
//! A policy is looked at in Cedar's own JSON form. What is understood here is little: `context.path`
//! held against a literal, and `resource` before an attribute, `has` or `is`. Everything else in
//! which the two stand shows all of them.
//!
//! Of users less has to be understood. Cedar looks into no name, it only compares entities: whatever
//! is asked, the answer is the same if everybody changes their names, as long as the policies write
//! out none of them. What a user is, the asker says, and whether the object is the caller itself; no
//! fact and no circumstance holds another user.
//!
//! Most policies up to the layer `role` look at no more of a caller than its roles and its status, whether
//! it belongs to an organisation, and whether that one is open for business: the gist of it. That is
//! understood of `principal` and `principal.organization` before these attributes, and nowhere else.

use std::sync::Arc;

use cedar_policy::Policy;
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
    /// Whether it writes out a user.
    users: bool,
    /// Whether it looks at more of a caller than its gist.
    beyond: bool,
}

impl Glance {
    /// What a policy looks at; `json` is the same policy in Cedar's JSON form.
    pub(super) fn of(policy: &Policy, json: Option<&Value>) -> Self {
        let mut glance = Self::of_json(json);
        // Scope and conditions, in the form in which they are evaluated.
        let named = policy.entity_literals();
        let writes_out = |kind| named.iter().any(|uid| uid.type_name().basename() == kind);
        glance.users |= writes_out("User");
        glance.beyond |= writes_out("Organization");
        glance
    }

    /// A policy in Cedar's JSON form; `None`: it has none, and is taken to look at everything.
    fn of_json(policy: Option<&Value>) -> Self {
        let all = Self {
            shapes: Vec::new(),
            whole_path: true,
            resource: Use::Name,
            users: true,
            beyond: true,
        };
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
            "getTag" | "hasTag" => self.beyond = true,
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
        let Some(name) = inner.get("attr").and_then(Value::as_str) else {
            self.beyond = true;
            return false;
        };
        if is(inner.get("left"), "context") {
            self.whole_path |= value && name == "path";
            return true;
        }
        if is(inner.get("left"), "resource") {
            self.resource = self.resource.max(Use::Attributes);
            return true;
        }
        if is_gist(inner.get("left"), name, value) {
            return true;
        }
        self.beyond = true;
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

/// `principal.roles`, `principal has organization`, `principal.organization.status`, and their like: what is
/// in `UserGist` and `OrganizationGist`, and nothing else.
fn is_gist(left: Option<&Value>, name: &str, value: bool) -> bool {
    if is(left, "principal") {
        return ["roles", "status"].contains(&name) || (name == "organization" && !value);
    }
    let own = left.and_then(|left| left.get(".")).is_some_and(|inner| {
        is(inner.get("left"), "principal")
            && inner.get("attr").is_some_and(|it| it == "organization")
    });
    own && ["status", "deleted"].contains(&name)
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
    caller: SeenCaller,
}

/// How much policies see of a caller, where it is known whether the object is the caller itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenCaller {
    /// Its roles and status, whether it belongs to an organisation, and of that the status and whether it
    /// was deleted.
    Gist,
    /// All that it is, but not its name.
    Likeness,
    /// Its name, too.
    Name,
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
        let (mut shapes, mut most) = (Vec::<Shape>::new(), Use::Type);
        let (mut whole, mut users, mut beyond) = (false, false, false);
        for glance in policies {
            whole |= glance.whole_path;
            users |= glance.users;
            beyond |= glance.beyond;
            most = most.max(glance.resource);
            for shape in &glance.shapes {
                if !shapes.contains(shape) {
                    shapes.push(shape.clone());
                }
            }
        }
        let few = !whole && shapes.len() <= SHAPES;
        let least = if unknown { Use::Attributes } else { Use::Name };
        let names = most >= least;
        let caller = match users {
            true => SeenCaller::Name,
            // An object that was looked up may be of the caller's organisation.
            false if beyond || names || !unknown => SeenCaller::Likeness,
            false => SeenCaller::Gist,
        };
        Self { shapes: few.then_some(shapes), names, caller }
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

    /// What they see of a caller.
    pub fn caller(&self) -> SeenCaller {
        self.caller
    }
}

#[cfg(test)]
mod tests;
