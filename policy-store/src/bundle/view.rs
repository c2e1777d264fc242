//! What the policies about an action can see of a path, of the names of those involved, and of callers.
//!
//! Two requests that differ only in what no policy can see are one question, and have one answer.
//! What a policy reads is found by [`Reads`]. What is understood of that here is little: `context.path`
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

use super::reads::{Path, Read, Reads, Root, basename};
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
    /// What a policy looks at that reads this.
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
            // What is compared is used as a value, which was looked at.
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
        // A path that goes on behind `context.path` uses its value.
        self.whole_path |=
            of.root == Root::Context && of.steps.first().is_some_and(|it| **it == *"path");
        // What is known of an object that is named outright depends on whether it is the one asked for.
        if matches!(of.root, Root::Written(_)) {
            self.resource = Use::Name;
        }
    }
}

/// Whether an attribute is in `UserGist` or `OrganizationGist`: `principal.roles`, `principal.organization.status`
/// and their like. The organization itself is, as long as its value is not used.
fn is_gist(of: &Path, name: &str) -> bool {
    let names: &[&str] = match of.steps.as_slice() {
        [] => &["roles", "status", "organization"],
        [step] if **step == *"organization" => &["status", "deleted"],
        _ => return false,
    };
    of.root == Root::Principal && names.contains(&name)
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
