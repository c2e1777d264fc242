//! The report of an explanation: serialized for machines, and formatted for people by [`text`](super::text).
//!
//! The names of the members are stable: members may be added, and none changes its meaning.

use policy_store::bundle::Layer;
use serde::Serialize;
use serde_json::{Map, Value};

/// An explanation of one request.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The request in question.
    pub request: RequestShown,
    /// The answer to the client.
    pub answer: AnswerShown,
    /// The route; `null` if none matches.
    pub route: Option<RouteShown>,
    /// The digest of the bundle that judged.
    pub policy_digest: String,
    /// The layers, in their order.
    pub layers: Vec<LayerShown>,
    /// The policies that decided: the guard that refused the request, or the allowlists that let it in.
    pub decided_by: Vec<Deciding>,
    /// The allowlists that could have let the request in, if none of them did.
    pub allowlists: Vec<Allowlist>,
    /// The facts that were looked up.
    pub facts: Vec<FactShown>,
    /// The changes that would reverse the decision.
    pub changes: Changes,
}

/// The request as described.
#[derive(Debug, Serialize)]
pub struct RequestShown {
    /// The caller; `null` for one without a token.
    pub user: Option<String>,
    /// The effective roles of the caller.
    pub roles: Vec<String>,
    /// The organisation of the caller.
    pub organization: Option<String>,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// `Host`, if one was given.
    pub host: Option<String>,
    /// `X-Tenant`, if one was given.
    pub tenant: Option<String>,
    /// `X-Break-Glass`, if one was given.
    pub break_glass: Option<String>,
    /// Whether the request has a body.
    pub body: bool,
}

/// The decision as the client sees it.
#[derive(Debug, Serialize)]
pub struct AnswerShown {
    /// `allow`, `deny` or `error`.
    pub decision: &'static str,
    /// The HTTP status; `null` for the upstream's own.
    pub status: Option<u16>,
    /// `allowed`, or the reason of the denial.
    pub reason: String,
    /// The message for the client.
    pub detail: Option<String>,
    /// The Cedar action.
    pub action: String,
    /// The tenant in which the request acts.
    pub tenant: Option<String>,
    /// Whether the justification let the request in.
    pub broke_glass: bool,
}

/// A route.
#[derive(Debug, Serialize)]
pub struct RouteShown {
    /// The path of the route.
    pub template: String,
    /// The file of the route.
    pub file: String,
    /// The line in the file.
    pub line: usize,
}

/// The outcome of a request in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request passed the layer.
    Passed,
    /// The layer refused the request.
    Refused,
    /// The request was refused before.
    NotReached,
}

/// A layer with its outcome and the policies that it asked.
#[derive(Debug, Serialize)]
pub struct LayerShown {
    /// The layer.
    pub layer: Layer,
    /// The outcome of the request in the layer.
    pub outcome: Outcome,
    /// The policies that were asked.
    pub guards: Vec<Guard>,
    /// The part of the result that does not come from a policy.
    pub note: Option<String>,
}

/// A policy that was asked.
#[derive(Debug, Serialize)]
pub struct Guard {
    /// The `@id` of the policy.
    pub policy: String,
    /// The file of the policy.
    pub file: String,
    /// The line in the file.
    pub line: usize,
    /// Whether the policy is a `forbid`; otherwise it is a `permit`.
    pub forbids: bool,
    /// Whether the policy applies; `null` if it fails to evaluate.
    pub applies: Option<bool>,
    /// The tenant in question, for a policy about acting in a tenant.
    pub tenant: Option<String>,
}

/// A policy that decided.
#[derive(Debug, Serialize)]
pub struct Deciding {
    /// The `@id` of the policy.
    pub policy: String,
    /// The file of the policy.
    pub file: String,
    /// The line in the file.
    pub line: usize,
    /// The policy as written, without its annotations.
    pub text: String,
    /// The results of its clauses, as far as they were evaluated.
    pub clauses: Vec<ClauseShown>,
}

/// A `when` or `unless` clause.
#[derive(Debug, Serialize)]
pub struct ClauseShown {
    /// Whether the clause is an `unless`.
    pub unless: bool,
    /// Whether the clause lets its policy apply; `null` if it was not evaluated, or fails.
    pub held: Option<bool>,
    /// The smallest parts that were evaluated.
    pub parts: Vec<PartShown>,
}

impl ClauseShown {
    /// Returns a row for each part: `when` or `unless` on the first row, the part's result, and the part
    /// itself.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let word = if self.unless { "unless" } else { "when" };
        self.parts.iter().enumerate().map(move |(place, part)| {
            let value = match part.value {
                Some(true) => "true",
                Some(false) => "false",
                None => "fails",
            };
            (if place == 0 { word } else { "" }, value, &*part.text)
        })
    }
}

/// A part of a clause.
#[derive(Debug, Serialize)]
pub struct PartShown {
    /// The text of the part as written.
    pub text: String,
    /// The line in the file.
    pub line: usize,
    /// The result; `null` if the part fails.
    pub value: Option<bool>,
}

/// A `permit` that did not apply.
#[derive(Debug, Serialize)]
pub struct Allowlist {
    /// The `@id` of the policy.
    pub policy: String,
    /// The file of the policy.
    pub file: String,
    /// The line in the file.
    pub line: usize,
    /// The roles on the list.
    pub roles: Vec<String>,
    /// Whether the policy needs a justification, too.
    pub break_glass: bool,
    /// The tenant in question, for a policy about acting in a tenant.
    pub tenant: Option<String>,
}

/// A fact that was looked up.
#[derive(Debug, Serialize)]
pub struct FactShown {
    /// `user`, `organization` or the type of the object.
    pub kind: String,
    /// The id of the user, organisation or object.
    pub id: String,
    /// The roles of the fact in the request, such as `caller` or `tenant`.
    pub is: Vec<&'static str>,
    /// Whether the user, organisation or object exists.
    pub found: bool,
    /// The time since the database was asked, in milliseconds.
    pub age_ms: u64,
    /// The content of the fact.
    pub values: Map<String, Value>,
}

/// The changes that would reverse a decision.
#[derive(Debug, Serialize)]
pub struct Changes {
    /// The reversed decision: `allow` or `deny`.
    pub to: &'static str,
    /// The smallest sets of changes, those that add least first.
    pub sets: Vec<SetShown>,
    /// The number of further sets.
    pub more: usize,
    /// The number of changed worlds that were judged.
    pub judged: usize,
    /// Whether the search was complete, and did not stop at its limit.
    pub complete: bool,
    /// Notes in words.
    pub notes: Vec<String>,
}

/// Changes that together reverse the decision, in an order in which they can be made.
#[derive(Debug, Serialize)]
pub struct SetShown {
    /// The steps.
    pub steps: Vec<StepShown>,
}

/// One change.
#[derive(Debug, Serialize)]
pub struct StepShown {
    /// The kind of fact, as in `routes.yaml`.
    pub fact: &'static str,
    /// The id of the user or organisation.
    pub of: String,
    /// `add`, `remove` or `set`.
    pub change: &'static str,
    /// The new or removed values. With several, any one of them is enough; without any, every other value than
    /// now is.
    pub any_of: Vec<Value>,
    /// The decision after the step.
    pub then: String,
    /// The callers who may take the step, the least powerful first.
    pub by: Vec<Who>,
    /// The request that takes the step.
    pub with: Option<With>,
    /// The step as a sentence.
    pub text: String,
}

/// A caller who may change a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Who {
    /// The role.
    pub role: String,
    /// The organisation that the caller must belong to.
    pub of: Option<String>,
    /// The organisation whose group the caller must belong to.
    pub of_group_of: Option<String>,
}

/// A request that changes a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct With {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The action.
    pub action: String,
    /// The member of the body that makes the change.
    pub member: String,
}
