//! What an explanation says, for machines as it is and for people through [`text`](super::text).
//!
//! The names of the members are a promise: they may become more, and none changes its meaning.

use policy_store::bundle::Layer;
use serde::Serialize;
use serde_json::{Map, Value};

/// An explanation of one request.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was asked.
    pub request: RequestShown,
    /// What the client gets.
    pub answer: AnswerShown,
    /// The route; `null` when none fits.
    pub route: Option<RouteShown>,
    /// Which bundle judged.
    pub policy_digest: String,
    /// The layers, in their order.
    pub layers: Vec<LayerShown>,
    /// The policies that decided: the guard that refused, or the allowlists that let it in.
    pub decided_by: Vec<Deciding>,
    /// The allowlists that could have let it in, where none of them did.
    pub allowlists: Vec<Allowlist>,
    /// The facts that were looked up.
    pub facts: Vec<FactShown>,
    /// What would turn the decision round.
    pub changes: Changes,
}

/// The request as it was described.
#[derive(Debug, Serialize)]
pub struct RequestShown {
    /// Who asks; `null`: nobody is signed in.
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
    /// Whether there is a body.
    pub body: bool,
}

/// The decision as the client sees it.
#[derive(Debug, Serialize)]
pub struct AnswerShown {
    /// `allow`, `deny` or `error`.
    pub decision: &'static str,
    /// The status; `null`: the upstream's.
    pub status: Option<u16>,
    /// `allowed`, or the fixed word.
    pub reason: String,
    /// The sentence for the client.
    pub detail: Option<String>,
    /// The Cedar action.
    pub action: String,
    /// The tenant in which the request acts.
    pub tenant: Option<String>,
    /// Whether it was the justification that let it in.
    pub broke_glass: bool,
}

/// A route.
#[derive(Debug, Serialize)]
pub struct RouteShown {
    /// Its path.
    pub template: String,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
}

/// What became of a request in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It went on.
    Passed,
    /// It ended here.
    Refused,
    /// It had ended before.
    NotReached,
}

/// A layer, what became of the request there, and what was asked.
#[derive(Debug, Serialize)]
pub struct LayerShown {
    /// Which.
    pub layer: Layer,
    /// What became of the request.
    pub outcome: Outcome,
    /// The policies that were asked.
    pub guards: Vec<Guard>,
    /// What no policy says.
    pub note: Option<String>,
}

/// A policy that was asked.
#[derive(Debug, Serialize)]
pub struct Guard {
    /// Its `@id`.
    pub policy: String,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
    /// Whether it forbids; else it permits.
    pub forbids: bool,
    /// Whether it applies; `null`: it fails to evaluate.
    pub applies: Option<bool>,
    /// The tenant that it was asked about, where that is the question.
    pub tenant: Option<String>,
}

/// A policy that decided.
#[derive(Debug, Serialize)]
pub struct Deciding {
    /// Its `@id`.
    pub policy: String,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
    /// The policy as written, without its annotations.
    pub text: String,
    /// What its clauses came to, as far as they were looked at.
    pub clauses: Vec<ClauseShown>,
}

/// A `when` or `unless`.
#[derive(Debug, Serialize)]
pub struct ClauseShown {
    /// Whether it is an `unless`.
    pub unless: bool,
    /// Whether it lets its policy apply; `null`: it was not looked at, or fails.
    pub held: Option<bool>,
    /// The smallest parts that were looked at.
    pub parts: Vec<PartShown>,
}

impl ClauseShown {
    /// For people, each part: `when` or `unless` before the first, what it came to, and the part itself.
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
    /// As written.
    pub text: String,
    /// Its line in the file.
    pub line: usize,
    /// What it came to; `null`: it fails.
    pub value: Option<bool>,
}

/// A `permit` that did not apply.
#[derive(Debug, Serialize)]
pub struct Allowlist {
    /// Its `@id`.
    pub policy: String,
    /// Its file.
    pub file: String,
    /// Its line there.
    pub line: usize,
    /// The roles that it lists.
    pub roles: Vec<String>,
    /// Whether it needs a justification, too.
    pub break_glass: bool,
    /// The tenant that it was asked about, where that is the question.
    pub tenant: Option<String>,
}

/// A fact that was looked up.
#[derive(Debug, Serialize)]
pub struct FactShown {
    /// `user`, `organization` or the type of the object.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What it is to the request.
    pub is: Vec<&'static str>,
    /// Whether it exists.
    pub found: bool,
    /// How long ago the database was asked.
    pub age_ms: u64,
    /// What was answered.
    pub values: Map<String, Value>,
}

/// What would turn a decision round.
#[derive(Debug, Serialize)]
pub struct Changes {
    /// What it would become: `allow` or `deny`.
    pub to: &'static str,
    /// The smallest sets of changes, those that add least first.
    pub sets: Vec<SetShown>,
    /// How many more there are.
    pub more: usize,
    /// How many changed worlds were judged.
    pub judged: usize,
    /// Whether the search ended by itself, and not at its bound.
    pub complete: bool,
    /// What is said in words.
    pub notes: Vec<String>,
}

/// Changes that together turn the decision round, in an order in which they can be made.
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
    /// About whom.
    pub of: String,
    /// `add`, `remove` or `set`.
    pub change: &'static str,
    /// To or by what. Of several any one does; none: anything else than now.
    pub any_of: Vec<Value>,
    /// What is decided after it.
    pub then: String,
    /// Who may do it, least powerful first.
    pub by: Vec<Who>,
    /// The request that does it.
    pub with: Option<With>,
    /// The same as a sentence.
    pub text: String,
}

/// Somebody who may change a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Who {
    /// The role.
    pub role: String,
    /// The organisation that it has to be of.
    pub of: Option<String>,
    /// The organisation whose group it has to be of.
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
    /// The member of the body that says it.
    pub member: String,
}
