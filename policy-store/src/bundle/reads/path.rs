//! The things that a policy can read, as values: a path to an attribute, a membership, a type, an entity.

/// One thing that a policy reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::bundle) enum Read {
    /// `of.name`, or `of has name`.
    Attribute(Path, Box<str>),
    /// `left in right`, where `right` may be one of several.
    Membership(Path, Vec<Path>),
    /// `of is Kind`.
    Kind(Path, Box<str>),
    /// `of.getTag(…)`, or `of.hasTag(…)`.
    Tags(Path),
    /// An entity that is written out, by type and name.
    Named(Box<str>, Box<str>),
}

/// An expression that stands for an entity or a record: a variable or a written entity, and the attributes
/// that lead on from there.
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
    /// An entity of this type that is written out.
    Written(Box<str>),
}

impl Path {
    pub(in crate::bundle) fn of(root: Root) -> Self {
        Self { root, steps: Vec::new() }
    }

    /// The path with one attribute more.
    pub(in crate::bundle) fn then(mut self, step: &str) -> Self {
        self.steps.push(step.into());
        self
    }

    /// Whether this is the path from `root` over exactly these attributes.
    pub(in crate::bundle) fn is(&self, root: &Root, steps: &[&str]) -> bool {
        self.root == *root && self.steps.iter().map(|it| &**it).eq(steps.iter().copied())
    }

    /// All beginnings of the path, the path itself included.
    pub(in crate::bundle) fn prefixes(&self) -> impl Iterator<Item = Self> {
        let steps = |length: usize| self.steps.iter().take(length).cloned().collect();
        (0..=self.steps.len())
            .map(move |length| Self { root: self.root.clone(), steps: steps(length) })
    }

    /// The last word of the path in a policy: the word before `.`, `has`, `is` or `in`.
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
    /// The entity or record that is looked at.
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
