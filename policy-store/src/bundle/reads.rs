//! What a policy reads: which attributes, of what, and which memberships it asks for.
//!
//! It is found out in Cedar's own JSON form when the policy is parsed, without a schema: the same text
//! reads the same. What it comes to depends on the questions that are put (`unfilled.rs`).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What a policy reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reads(BTreeSet<Read>);

/// One thing that a policy reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Read {
    /// `of.name`, or `of has name`.
    Attribute(Path, Box<str>),
    /// `left in right`, where `right` may be one of several.
    Membership(Path, Vec<Path>),
    /// `of is Kind`.
    Kind(Path, Box<str>),
    /// `of.getTag(…)`, or `of.hasTag(…)`.
    Tags(Path),
    /// A guest or an endpoint that is written out, by type and name.
    Named(Box<str>, Box<str>),
}

/// An expression that stands for an entity or a record, as far as it is understood.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Vec<Box<str>>,
}

/// What a path begins with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Root {
    Principal,
    Action,
    Resource,
    Context,
    /// An entity of this type that is written out.
    Written(Box<str>),
}

impl Path {
    fn of(root: Root) -> Self {
        Self { root, steps: Vec::new() }
    }

    /// What is reached from it by one step more.
    pub(super) fn then(mut self, step: &str) -> Self {
        self.steps.push(step.into());
        self
    }

    /// What is passed on the way, itself included.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = Self> {
        let steps = |length: usize| self.steps.iter().take(length).cloned().collect();
        (0..=self.steps.len())
            .map(move |length| Self { root: self.root.clone(), steps: steps(length) })
    }

    /// The last word of it in a policy: what stands before `.`, `has`, `is` or `in`.
    pub(super) fn last_word(&self) -> Option<&str> {
        let root = match &self.root {
            Root::Principal => Some("principal"),
            Root::Action => Some("action"),
            Root::Resource => Some("resource"),
            Root::Context => Some("context"),
            Root::Written(_) => None,
        };
        self.steps.last().map(|step| &**step).or(root)
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.root {
            Root::Written(kind) => write!(f, "{kind}::\"…\"")?,
            _ => f.write_str(Self::of(self.root.clone()).last_word().unwrap_or_default())?,
        }
        self.steps.iter().try_for_each(|step| write!(f, ".{step}"))
    }
}

impl std::fmt::Display for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Attribute(of, name) => write!(f, "{of}.{name}"),
            Self::Membership(left, right) => {
                let right: Vec<String> = right.iter().map(ToString::to_string).collect();
                write!(f, "{left} in {}", right.join(" or "))
            }
            Self::Kind(of, kind) => write!(f, "{of} is {kind}"),
            Self::Tags(of) => write!(f, "tags of {of}"),
            Self::Named(kind, id) => write!(f, "{kind}::{id:?}"),
        }
    }
}

impl Read {
    /// What is looked at.
    pub(super) fn of(&self) -> Option<&Path> {
        match self {
            Self::Attribute(of, _)
            | Self::Membership(of, _)
            | Self::Kind(of, _)
            | Self::Tags(of) => Some(of),
            Self::Named(..) => None,
        }
    }
}

impl Reads {
    /// What a policy in Cedar's JSON form reads.
    pub(super) fn of(policy: &Value) -> Self {
        let mut reads = Self::default();
        for (part, root) in [("principal", Root::Principal), ("resource", Root::Resource)] {
            if let Some(scope) = policy.get(part) {
                reads.scope(scope, &Path::of(root));
            }
        }
        if let Some(conditions) = policy.get("conditions") {
            reads.look(conditions);
        }
        reads
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Read> {
        self.0.iter()
    }

    /// `principal == X`, `principal in X`, `principal is T in X`.
    fn scope(&mut self, scope: &Value, of: &Path) {
        let within = scope.get("in").unwrap_or(scope);
        let Some(entity) = within.get("entity") else { return };
        self.named(entity);
        let compared = scope.get("op").is_some_and(|op| op == "==");
        if !compared && let Some(kind) = entity.get("type").and_then(Value::as_str) {
            let right = vec![Path::of(Root::Written(kind.into()))];
            self.0.insert(Read::Membership(of.clone(), right));
        }
    }

    fn look(&mut self, value: &Value) {
        match value {
            Value::Array(parts) => parts.iter().for_each(|part| self.look(part)),
            Value::Object(members) => {
                members.get("__entity").into_iter().for_each(|entity| self.named(entity));
                for (operator, inner) in members {
                    self.operation(operator, inner);
                    self.look(inner);
                }
            }
            _ => {}
        }
    }

    fn named(&mut self, entity: &Value) {
        let part = |name: &str| entity.get(name).and_then(Value::as_str);
        if let (Some(kind @ ("Guest" | "Endpoint")), Some(id)) = (part("type"), part("id")) {
            self.0.insert(Read::Named(kind.into(), id.into()));
        }
    }

    fn operation(&mut self, operator: &str, inner: &Value) {
        let text = |name: &str| inner.get(name).and_then(Value::as_str);
        let left = || paths(inner.get("left")).into_iter();
        match operator {
            "." | "has" => {
                // `has a.b` asks for one after the other.
                let names = match inner.get("attr") {
                    Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
                    one => one.and_then(Value::as_str).into_iter().collect::<Vec<_>>(),
                };
                for mut of in left() {
                    for name in &names {
                        self.0.insert(Read::Attribute(of.clone(), (*name).into()));
                        of = of.then(name);
                    }
                }
            }
            "is" => {
                if let Some(kind) = text("entity_type") {
                    self.0.extend(left().map(|of| Read::Kind(of, kind.into())));
                }
                self.membership(inner.get("left"), inner.get("in"));
            }
            "in" => self.membership(inner.get("left"), inner.get("right")),
            "getTag" | "hasTag" => self.0.extend(left().map(Read::Tags)),
            _ => {}
        }
    }

    fn membership(&mut self, left: Option<&Value>, right: Option<&Value>) {
        let right = paths(right);
        if !right.is_empty() {
            let all = paths(left).into_iter();
            self.0.extend(all.map(|left| Read::Membership(left, right.clone())));
        }
    }
}

/// What an expression may stand for; nothing where it is not understood.
fn paths(value: Option<&Value>) -> Vec<Path> {
    let Some(Value::Object(members)) = value else { return Vec::new() };
    let Some((operator, inner)) = members.iter().next().filter(|_| members.len() == 1) else {
        return written(members);
    };
    match (&**operator, inner) {
        ("Var", Value::String(name)) => match &**name {
            "principal" => vec![Path::of(Root::Principal)],
            "action" => vec![Path::of(Root::Action)],
            "resource" => vec![Path::of(Root::Resource)],
            "context" => vec![Path::of(Root::Context)],
            _ => Vec::new(),
        },
        ("Value" | "__entity", _) => written(members),
        (".", _) => step(inner),
        ("if-then-else", _) => {
            let both = ["then", "else"].into_iter();
            both.flat_map(|branch| paths(inner.get(branch))).collect()
        }
        ("Set", Value::Array(parts)) => parts.iter().flat_map(|it| paths(Some(it))).collect(),
        _ => Vec::new(),
    }
}

/// `left.attr`, of a record that is written out too.
fn step(inner: &Value) -> Vec<Path> {
    let Some(name) = inner.get("attr").and_then(Value::as_str) else { return Vec::new() };
    let left = inner.get("left");
    if let Some(record) = left.and_then(|left| left.get("Record")) {
        return paths(record.get(name));
    }
    paths(left).into_iter().map(|path| path.then(name)).collect()
}

/// An entity that is written out, or several in a list.
fn written(members: &Map<String, Value>) -> Vec<Path> {
    let entity = |value: &Value| {
        let kind = value.get("__entity")?.get("type")?.as_str()?;
        Some(Path::of(Root::Written(kind.into())))
    };
    match members.get("Value") {
        Some(Value::Array(parts)) => parts.iter().filter_map(entity).collect(),
        Some(value) => entity(value).into_iter().collect(),
        None => entity(&Value::Object(members.clone())).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::Reads;

    fn check(scope: &str, condition: &str, expected: &[&str]) {
        let text = format!("permit ({scope}) when {{ {condition} }};");
        let policy: Policy = text.parse().unwrap();
        let reads = Reads::of(&policy.to_json().unwrap());
        let said: Vec<String> = reads.iter().map(|read| format!("{read}")).collect();
        assert_eq!(said, expected, "{text}");
    }

    const ALL: &str = "principal, action, resource";

    #[test]
    fn what_a_policy_reads_is_found() {
        check(ALL, "context has now && context.now > 1", &["context.now"]);
        check(ALL, "context[\"now\"] > 1", &["context.now"]);
        check(
            ALL,
            "principal has organization.group",
            &["principal.organization", "principal.organization.group"],
        );
        check(ALL, "(if true then principal else resource).x", &["principal.x", "resource.x"]);
        check(ALL, "{a: principal}.a.x", &["principal.x"]);
        check(ALL, "User::\"a\".x", &["User::\"…\".x"]);
        check(ALL, "resource is Patient", &["resource is Patient"]);
        check(ALL, "principal.hasTag(\"a\")", &["tags of principal"]);
        check(
            ALL,
            "principal in [Role::\"a\", Group::\"b\"]",
            &["principal in Role::\"…\" or Group::\"…\""],
        );
        check(
            ALL,
            "principal in resource.roles",
            &["resource.roles", "principal in resource.roles"],
        );
        check(
            "principal is User in Role::\"a\", action, resource in Group::\"g\"",
            "true",
            &["principal in Role::\"…\"", "resource in Group::\"…\""],
        );
        check("principal == Guest::\"a\", action, resource", "true", &["Guest::\"a\""]);
    }
}
