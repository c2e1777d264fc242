//! What a policy reads: the one description of a policy's conditions, which all other modules use.
//!
//! The visitor (`reads/visitor.rs`) walks over Cedar's public syntax tree when the policy is parsed. It uses no
//! schema, so the result depends on the text alone. A policy with an expression that the visitor does not
//! understand counts as reading everything.

mod path;
mod visitor;

use std::collections::BTreeSet;

use cedar_policy::Policy;

pub(super) use path::{Path, Read, Root};

use super::shape::Shape;

/// What a policy reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Whether the visitor met an expression that it does not understand.
    everything: bool,
    found: BTreeSet<Read>,
    /// The paths whose value is used as a whole: compared, put into a set, passed to a function.
    taken: BTreeSet<Path>,
    /// Whether an attribute is read from an entity that no path leads to.
    unclear: bool,
    /// The forms that `context.path` is compared with, where its value is not used otherwise.
    shapes: BTreeSet<Shape>,
    /// The parts of the conditions that contain literals.
    terms: BTreeSet<Term>,
}

/// A part of a condition that is true or false by itself, without `&&`, `||` and `!` around it. Values of
/// different terms are never compared with each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Term {
    attributes: BTreeSet<Box<str>>,
    /// Whether the term uses the context or an entity in a way that may read any attribute.
    any: bool,
    texts: BTreeSet<Box<str>>,
    numbers: BTreeSet<i64>,
}

impl Term {
    fn concerns(&self, attribute: &str) -> bool {
        self.any || self.attributes.contains(attribute)
    }
}

impl Reads {
    /// Returns what `policy` reads: everything, if Cedar cannot give its syntax tree.
    pub(super) fn of(policy: &Policy) -> Self {
        policy.to_pst().map_or_else(|_| Self::everything(), |tree| visitor::visit(tree.body()))
    }

    /// Returns the reads of a policy that is not understood.
    pub(super) fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether the policy may read more than [`Reads::iter`] gives.
    pub(super) fn is_everything(&self) -> bool {
        self.everything
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Read> {
        self.found.iter()
    }

    /// Whether an attribute is read from an entity that no path leads to.
    pub(super) fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Whether the value at this path is used as a whole.
    pub(super) fn takes(&self, root: &Root, steps: &[&str]) -> bool {
        self.everything || self.taken.iter().any(|path| path.is(root, steps))
    }

    /// Returns the forms that `context.path` is compared with.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.iter()
    }

    /// Whether the policy may read the member `name` of the context.
    pub(super) fn circumstance(&self, name: &str) -> bool {
        let named = |read: &Read| matches!(read, Read::Attribute(of, it) if **it == *name && of.is(&Root::Context, &[]));
        self.takes(&Root::Context, &[]) || self.found.iter().any(named)
    }

    /// Whether the policy may read an attribute `name` of any entity.
    pub fn attribute(&self, name: &str) -> bool {
        let named = |read: &Read| matches!(read, Read::Attribute(_, it) if **it == *name);
        self.takes(&Root::Context, &[]) || self.found.iter().any(named)
    }

    /// Returns the strings that an attribute `name` may be compared with. For a pattern of `like`, this is one
    /// string that matches the pattern.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let terms = self.terms.iter().filter(move |term| term.concerns(name));
        terms.flat_map(|term| &term.texts).map(|text| &**text)
    }

    /// Returns the numbers that an attribute `name` may be compared with.
    pub(super) fn numbers(&self, name: &str) -> impl Iterator<Item = i64> {
        let terms = self.terms.iter().filter(move |term| term.concerns(name));
        terms.flat_map(|term| &term.numbers).copied()
    }

    /// Returns all strings in the conditions.
    pub(super) fn all_texts(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().flat_map(|term| &term.texts).map(|text| &**text)
    }

    /// Returns the entities that the policy writes out, by type and id.
    pub(super) fn entities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().filter_map(|read| match read {
            Read::Named(kind, id) => Some((&**kind, &**id)),
            _ => None,
        })
    }

    /// Whether the policy writes out the entity of this type and id.
    pub fn names(&self, kind: &str, id: &str) -> bool {
        self.entities().any(|it| it == (kind, id))
    }

    /// Whether the policy asks for the type `kind` or writes out an entity of that type, in any namespace.
    pub(super) fn mentions(&self, kind: &str) -> bool {
        let named = |read: &Read| match read {
            Read::Named(it, _) | Read::Kind(_, it) => basename(it) == kind,
            _ => false,
        };
        self.everything || self.found.iter().any(named)
    }
}

/// Returns the name of a type without its namespace.
pub(super) fn basename(kind: &str) -> &str {
    kind.rsplit("::").next().unwrap_or(kind)
}

#[cfg(test)]
mod tests;
