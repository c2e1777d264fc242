//! The things that a policy can read, as values: an attribute, a membership, a type, tags, an entity.

/// One thing that a policy reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::bundle) enum Read {
    /// `of.name`, or `of has name`.
    Attribute(Path, Box<str>),
    /// `left in right`, where `right` is one of several paths.
    Membership(Path, Vec<Path>),
    /// `of is Kind`.
    Kind(Path, Box<str>),
    /// `of.getTag(…)`, or `of.hasTag(…)`.
    Tags(Path),
    /// An entity that the policy writes out, by type and id.
    Named(Box<str>, Box<str>),
}

/// An expression for an entity or a record: it begins with a variable or a written entity and follows
/// attributes from there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::bundle) struct Path {
    pub(in crate::bundle) root: Root,
    pub(in crate::bundle) steps: Vec<Box<str>>,
}

/// The expression with which a path begins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::bundle) enum Root {
    Principal,
    Action,
    Resource,
    Context,
    /// An entity of this type that the policy writes out.
    Written(Box<str>),
}

impl Path {
    pub(in crate::bundle) fn of(root: Root) -> Self {
        Self { root, steps: Vec::new() }
    }

    /// Returns the path with one more attribute.
    pub(in crate::bundle) fn then(mut self, step: &str) -> Self {
        self.steps.push(step.into());
        self
    }

    /// Whether this is the path from `root` over exactly these attributes.
    pub(in crate::bundle) fn is(&self, root: &Root, steps: &[&str]) -> bool {
        self.root == *root && self.steps.iter().map(|it| &**it).eq(steps.iter().copied())
    }

    /// Returns all prefixes of the path, including the path itself.
    pub(in crate::bundle) fn prefixes(&self) -> impl Iterator<Item = Self> {
        let steps = |length: usize| self.steps.iter().take(length).cloned().collect();
        (0..=self.steps.len())
            .map(move |length| Self { root: self.root.clone(), steps: steps(length) })
    }

    /// Returns the last word of the path in a policy: the word before `.`, `has`, `is` or `in`.
    pub(in crate::bundle) fn last_word(&self) -> Option<&str> {
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
    /// Returns the entity or record that is read; `None` for an entity that is written out.
    pub(in crate::bundle) fn of(&self) -> Option<&Path> {
        match self {
            Self::Attribute(of, _)
            | Self::Membership(of, _)
            | Self::Kind(of, _)
            | Self::Tags(of) => Some(of),
            Self::Named(..) => None,
        }
    }
}
