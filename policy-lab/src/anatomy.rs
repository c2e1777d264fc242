//! Policies taken apart, so that each part can be asked by itself: which clause decided, and which
//! parts the tests of a bundle have never seen true, or never false.
//!
//! Pure: nothing here judges a request.

mod coverage;
mod examine;
pub(crate) mod lists;
mod plan;
pub(crate) mod statement;
pub(crate) mod tokens;

use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, PolicySet, Request};
use policy_store::bundle::{Bundle, Rule, Slice};
use serde::Serialize;

use examine::Answers;
pub(crate) use plan::taken_apart;
use plan::{Body, Workshop};

pub use coverage::{About, Coverage, Item, ItemKind, Report};
pub use statement::{Kind, one_line};

/// The policies about one action, taken apart.
#[derive(Debug, Clone)]
pub struct Anatomy {
    bodies: Vec<Arc<Body>>,
    /// The probes, named by their numbers.
    set: PolicySet,
}

/// What one policy says to a question.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The policy.
    pub rule: Arc<Rule>,
    /// Whether its scope matches: principal, action and resource.
    pub scope: bool,
    /// Whether it applies; `None` when it fails to evaluate.
    pub applies: Option<bool>,
    /// Its conditions, in their order.
    pub clauses: Vec<Clause>,
    /// Its allowlists of roles, in the order of the text.
    pub lists: Vec<ListSeen>,
}

/// A `when` or `unless`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// Which of the two.
    pub unless: bool,
    /// Whether it lets the policy apply; `None` when it was not reached, or fails.
    pub held: Option<bool>,
    /// Its expression.
    pub node: Node,
}

/// An expression of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// What it is made of.
    pub kind: Kind,
    /// The expression as written, without brackets around it.
    pub text: Arc<str>,
    /// The line of the policy's file on which it begins.
    pub line: usize,
    /// Its number among the expressions of the policy, in the order of the text.
    pub place: usize,
    /// Whether it was evaluated at all.
    pub reached: bool,
    /// What it gave; `None` when it was not reached, or fails.
    pub value: Option<bool>,
    /// Why it failed, of a leaf.
    pub error: Option<String>,
    /// Its operands.
    pub parts: Vec<Node>,
}

impl Node {
    /// The expression with the number `place`, if it is this one or a part of it.
    pub fn find(&self, place: usize) -> Option<&Node> {
        if self.place == place {
            return Some(self);
        }
        self.parts.iter().find_map(|part| part.find(place))
    }

    /// The leaves of it, in the order of the text.
    pub fn leaves(&self) -> Vec<&Node> {
        if self.kind == Kind::Leaf {
            return vec![self];
        }
        self.parts.iter().flat_map(Self::leaves).collect()
    }
}

/// An allowlist of roles, as a question saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListSeen {
    /// The list as written.
    pub text: Arc<str>,
    /// The line of the policy's file on which it begins.
    pub line: usize,
    /// The place of the leaf that it is in.
    pub leaf: usize,
    /// Whether that leaf was reached.
    pub reached: bool,
    /// What that leaf gave.
    pub value: Option<bool>,
    /// All roles that there are, by name.
    pub roles: Vec<RoleSeen>,
}

/// A role, held against an allowlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleSeen {
    /// Its name.
    pub name: Arc<str>,
    /// Whether the list has it.
    pub listed: bool,
    /// Whether the one who is looked for in the list has it; `None` when that fails.
    pub held: Option<bool>,
}

/// Why policies cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnatomyError {
    /// Cedar reads the policy, but sees other parts than we do.
    #[error("policy `{policy}` cannot be taken apart as Cedar does it")]
    Unreadable {
        /// Its `@id`.
        policy: Arc<str>,
    },
    /// A part of a policy that is no condition by itself.
    #[error("a part of policy `{policy}` cannot be asked by itself: {problem}")]
    Probe {
        /// Its `@id`.
        policy: Arc<str>,
        /// What Cedar says about it.
        problem: String,
    },
    /// A slice of another bundle.
    #[error("policy `{policy}` is not of this bundle")]
    Unknown {
        /// Its `@id`.
        policy: Arc<str>,
    },
    /// The probes of a slice cannot be asked together.
    #[error("the parts of the policies cannot be asked together: {0}")]
    Probes(String),
    /// An action that the bundle does not ask for.
    #[error("no policies are asked about action `{0}`")]
    NoSuchAction(String),
}

impl AnatomyError {
    fn probe(rule: &Rule, problem: &dyn std::fmt::Display) -> Self {
        Self::Probe { policy: Arc::clone(&rule.id), problem: problem.to_string() }
    }
}

impl Anatomy {
    /// Takes the policies of `slice`, which is of `bundle`, apart.
    ///
    /// # Errors
    ///
    /// When a policy cannot be taken apart, or is not of the bundle.
    pub fn of(bundle: &Bundle, slice: &Slice) -> Result<Self, AnatomyError> {
        Workshop::new(bundle).anatomy(slice)
    }

    /// What each policy says to a question, ordered by layer and then as written.
    pub fn examine(&self, request: &Request, entities: &Entities) -> Vec<Examined> {
        let response = Authorizer::new().is_authorized(request, &self.set, entities);
        let answers = Answers::of(&response);
        self.bodies.iter().map(|body| examine::examine(body, &answers)).collect()
    }
}

#[cfg(test)]
mod tests;
