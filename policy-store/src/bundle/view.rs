//! What the policies about an action can see of a path, of the names of the entities involved, and of callers.
//!
//! Two requests that differ only in what no policy can see are one question, and have one answer. [`Reads`]
//! finds what a policy reads. This module understands two uses exactly: `context.path` compared with a literal,
//! and `resource` before an attribute, `has` or `is`. In any other use, the policy sees the whole path or the
//! whole resource.
//!
//! User ids need less analysis. Cedar only compares them: if no policy writes out a user, renaming all users
//! cannot change an answer. The question itself contains the user's attributes and whether the object is the
//! caller; no fact and no circumstance refers to another user.
//!
//! Most policies up to the layer `role` look only at the gist of a caller: its roles and status, whether it
//! belongs to an organisation, and the status of that organisation and whether it was deleted. Only reads of
//! these attributes through `principal` and `principal.organization` count as reads of the gist.

use std::sync::Arc;

use super::reads::{Path, Read, Reads, Root, basename};
use super::shape::Shape;

/// The maximum number of forms by which paths are distinguished. With more forms, policies count as seeing the
/// whole path.
const SHAPES: usize = 64;

/// How a policy uses `resource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Use {
    /// Not at all, or only its type.
    #[default]
    Type,
    /// Its attributes.
    Attributes,
    /// Its value: two resources with equal attributes can be distinguished.
    Name,
}

/// What one policy looks at, as far as views need it.
#[derive(Debug, Clone, Default)]
pub(super) struct Glance {
    shapes: Vec<Shape>,
    whole_path: bool,
    resource: Use,
    /// Whether the policy writes out a user.
    users: bool,
    /// Whether the policy looks at more of a caller than its gist.
    beyond: bool,
}

impl Glance {
    /// Returns what a policy with these reads looks at.
    pub(super) fn of(reads: &Reads) -> Self {
        let mut glance = Self {
            shapes: reads.shapes().cloned().collect(),
            whole_path: reads.takes(&Root::Context, &[]) || reads.takes(&Root::Context, &["path"]),
            resource: Use::Type,
            users: reads.is_everything(),
            beyond: reads.is_unclear() || reads.takes(&Root::Principal, &["organization"]),
        };
        if reads.is_unclear() || reads.takes(&Root::Resource, &[]) {
            glance.resource = Use::Name;
        }
        reads.iter().for_each(|read| glance.add(read));
        glance
    }

    fn add(&mut self, read: &Read) {
        match read {
            Read::Attribute(of, name) => self.attribute(of, name),
            Read::Named(kind, _) => {
                self.users |= basename(kind) == "User";
                self.beyond |= basename(kind) == "Organization";
            }
            Read::Tags(_) => self.beyond = true,
            // An entity in a membership or type test is also used as a value, and [`Reads::takes`] reports
            // that.
            Read::Membership(..) | Read::Kind(..) => {}
        }
    }

    fn attribute(&mut self, of: &Path, name: &str) {
        if of.is(&Root::Context, &[]) {
            return;
        }
        if of.is(&Root::Resource, &[]) {
            self.resource = self.resource.max(Use::Attributes);
            return;
        }
        self.beyond |= !is_gist(of, name);
        // A path that continues after `context.path` uses the value of `context.path`.
        self.whole_path |=
            of.root == Root::Context && of.steps.first().is_some_and(|it| **it == *"path");
        // The attributes of an entity that is written out depend on whether the entity is the object of the
        // request.
        if matches!(of.root, Root::Written(_)) {
            self.resource = Use::Name;
        }
    }
}

/// Whether an attribute is part of `UserGist` or `OrganizationGist`, such as `principal.roles` or
/// `principal.organization.status`. The organization itself is part of it as long as its value is not used.
fn is_gist(of: &Path, name: &str) -> bool {
    let names: &[&str] = match of.steps.as_slice() {
        [] => &["roles", "status", "organization"],
        [step] if **step == *"organization" => &["status", "deleted"],
        _ => return false,
    };
    of.root == Root::Principal && names.contains(&name)
}

/// What a set of policies can see together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The forms by which the policies distinguish paths; `None` if they may distinguish all paths.
    shapes: Option<Vec<Shape>>,
    names: bool,
    caller: SeenCaller,
}

/// How much policies see of a caller, given whether the object is the caller itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenCaller {
    /// The policies see the caller's roles and status, whether the caller belongs to an organisation, and the
    /// status of that organisation and whether it was deleted.
    Gist,
    /// The policies see everything about the caller except its name.
    Likeness,
    /// The policies see the caller's name, too.
    Name,
}

/// A path as policies see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SeenPath {
    /// The forms that the path has, as bits.
    Shapes(u64),
    /// The whole path.
    Whole(Arc<str>),
}

impl View {
    /// Returns what these policies see. If `unknown`, the asker does not know the attributes of the object, and
    /// what a policy reads of an attribute may depend on the object's name.
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
            // An object that was looked up may belong to the caller's organisation.
            false if beyond || names || !unknown => SeenCaller::Likeness,
            false => SeenCaller::Gist,
        };
        Self { shapes: few.then_some(shapes), names, caller }
    }

    /// Returns what the policies see of a path.
    pub fn path(&self, path: &Arc<str>) -> SeenPath {
        let Some(shapes) = &self.shapes else { return SeenPath::Whole(Arc::clone(path)) };
        let seen =
            shapes.iter().rev().fold(0, |seen, shape| seen << 1 | u64::from(shape.fits(path)));
        SeenPath::Shapes(seen)
    }

    /// Whether the policies can distinguish two objects that are alike except for their names.
    pub fn names(&self) -> bool {
        self.names
    }

    /// Returns what the policies see of a caller.
    pub fn caller(&self) -> SeenCaller {
        self.caller
    }
}

#[cfg(test)]
mod tests;
