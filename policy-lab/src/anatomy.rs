//! Policies split into their parts, so that each part can be asked by itself: which clause decided, and which
//! parts the tests of a bundle have never seen true, or never seen false.
//!
//! This module judges no request of its own.

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

/// The policies about one action, split into parts.
#[derive(Debug, Clone)]
pub struct Anatomy {
    bodies: Vec<Arc<Body>>,
    /// The probes: one policy for each part, named by its number.
    set: PolicySet,
}

/// The result of one policy for a question.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The policy.
    pub rule: Arc<Rule>,
    /// Whether the policy's scope matches: principal, action and resource.
    pub scope: bool,
    /// Whether the policy applies; `None` if it fails to evaluate.
    pub applies: Option<bool>,
    /// The conditions of the policy, in their order.
    pub clauses: Vec<Clause>,
    /// The policy's allowlists of roles, in the order of the text.
    pub lists: Vec<ListSeen>,
}

/// A `when` or `unless` clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// Whether the clause is an `unless`.
    pub unless: bool,
    /// Whether the clause lets the policy apply; `None` if it was not reached, or fails.
    pub held: Option<bool>,
    /// The expression of the clause.
    pub node: Node,
}

/// An expression of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The kind of the expression.
    pub kind: Kind,
    /// The expression as written, without brackets around it.
    pub text: Arc<str>,
    /// The line of the policy's file on which the expression begins.
    pub line: usize,
    /// The number of the expression among those of the policy, in the order of the text.
    pub place: usize,
    /// Whether the expression was evaluated.
    pub reached: bool,
    /// The result; `None` if the expression was not reached, or fails.
    pub value: Option<bool>,
    /// Why a leaf failed.
    pub error: Option<String>,
    /// The operands of the expression.
    pub parts: Vec<Node>,
}

impl Node {
    /// Returns the expression with the number `place`, if it is this one or a part of this one.
    pub fn find(&self, place: usize) -> Option<&Node> {
        if self.place == place {
            return Some(self);
        }
        self.parts.iter().find_map(|part| part.find(place))
    }

    /// Returns the leaves of the expression, in the order of the text.
    pub fn leaves(&self) -> Vec<&Node> {
        if self.kind == Kind::Leaf {
            return vec![self];
        }
        self.parts.iter().flat_map(Self::leaves).collect()
    }
}

/// An allowlist of roles, with the results for a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListSeen {
    /// The list as written.
    pub text: Arc<str>,
    /// The line of the policy's file on which the list begins.
    pub line: usize,
    /// The number of the leaf that contains the list.
    pub leaf: usize,
    /// Whether the leaf was reached.
    pub reached: bool,
    /// The result of the leaf.
    pub value: Option<bool>,
    /// All roles that exist, by name.
    pub roles: Vec<RoleSeen>,
}

/// A role, compared with an allowlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleSeen {
    /// The name of the role.
    pub name: Arc<str>,
    /// Whether the role is on the list.
    pub listed: bool,
    /// Whether the entity that is compared with the list has the role; `None` if the comparison fails.
    pub held: Option<bool>,
}

/// Why policies cannot be split into parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnatomyError {
    /// Cedar can parse the policy, but finds other parts.
    #[error("policy `{policy}` cannot be taken apart as Cedar does it")]
    Unreadable {
        /// The `@id` of the policy.
        policy: Arc<str>,
    },
    /// A part of a policy cannot be a condition by itself.
    #[error("a part of policy `{policy}` cannot be asked by itself: {problem}")]
    Probe {
        /// The `@id` of the policy.
        policy: Arc<str>,
        /// The error of Cedar.
        problem: String,
    },
    /// The slice belongs to another bundle.
    #[error("policy `{policy}` is not of this bundle")]
    Unknown {
        /// The `@id` of the policy.
        policy: Arc<str>,
    },
    /// The probes of a slice cannot be asked together.
    #[error("the parts of the policies cannot be asked together: {0}")]
    Probes(String),
    /// The bundle has no policies that are asked about the action.
    #[error("no policies are asked about action `{0}`")]
    NoSuchAction(String),
}

impl AnatomyError {
    fn probe(rule: &Rule, problem: &dyn std::fmt::Display) -> Self {
        Self::Probe { policy: Arc::clone(&rule.id), problem: problem.to_string() }
    }
}

impl Anatomy {
    /// Splits the policies of `slice`, which belongs to `bundle`, into parts.
    ///
    /// # Errors
    ///
    /// Fails if a policy cannot be split, or does not belong to the bundle.
    pub fn of(bundle: &Bundle, slice: &Slice) -> Result<Self, AnatomyError> {
        Workshop::new(bundle).anatomy(slice)
    }

    /// Returns the result of each policy for a question, ordered by layer and then by position.
    pub fn examine(&self, request: &Request, entities: &Entities) -> Vec<Examined> {
        let response = Authorizer::new().is_authorized(request, &self.set, entities);
        let answers = Answers::of(&response);
        self.bodies.iter().map(|body| examine::examine(body, &answers)).collect()
    }
}

#[cfg(test)]
mod tests;
