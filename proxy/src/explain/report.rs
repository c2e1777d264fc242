//! What an explanation says, for machines as it is and for people through [`text`](super::text).
//!
//! The names of the members are a promise: they may become more, and none changes its meaning.

use policy_store::bundle::Layer;
use serde::Serialize;
use serde_json::{Map, Value};

/// An explanation of one request.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What was asked.
    pub(crate) request: RequestShown,
    /// What the client gets.
    pub(crate) answer: AnswerShown,
    /// The route; `null` when none fits.
    pub(crate) route: Option<RouteShown>,
    /// Which bundle judged.
    pub(crate) policy_digest: String,
    /// The layers, in their order.
    pub(crate) layers: Vec<LayerShown>,
    /// The policies that decided: the guard that refused, or the allowlists that let it in.
    pub(crate) decided_by: Vec<Deciding>,
    /// The allowlists that could have let it in, where none of them did.
    pub(crate) allowlists: Vec<Allowlist>,
    /// The facts that were looked up.
    pub(crate) facts: Vec<FactShown>,
    /// What would turn the decision round.
    pub(crate) changes: Changes,
}

/// The request as it was described.
#[derive(Debug, Serialize)]
pub(crate) struct RequestShown {
    /// Who asks; `null`: nobody is signed in.
    pub(crate) user: Option<String>,
    /// The effective roles of the caller.
    pub(crate) roles: Vec<String>,
    /// The organisation of the caller.
    pub(crate) organization: Option<String>,
    /// The method.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// `Host`, if one was given.
    pub(crate) host: Option<String>,
    /// `X-Tenant`, if one was given.
    pub(crate) tenant: Option<String>,
    /// `X-Break-Glass`, if one was given.
    pub(crate) break_glass: Option<String>,
    /// Whether there is a body.
    pub(crate) body: bool,
}

/// The decision as the client sees it.
#[derive(Debug, Serialize)]
pub(crate) struct AnswerShown {
    /// `allow`, `deny` or `error`.
    pub(crate) decision: &'static str,
    /// The status; `null`: the upstream's.
    pub(crate) status: Option<u16>,
    /// `allowed`, or the fixed word.
    pub(crate) reason: String,
    /// The sentence for the client.
    pub(crate) detail: Option<String>,
    /// The Cedar action.
    pub(crate) action: String,
    /// The tenant in which the request acts.
    pub(crate) tenant: Option<String>,
    /// Whether it was the justification that let it in.
    pub(crate) broke_glass: bool,
}

/// A route.
#[derive(Debug, Serialize)]
pub(crate) struct RouteShown {
    /// Its path.
    pub(crate) template: String,
    /// Its file.
    pub(crate) file: String,
    /// Its line there.
    pub(crate) line: usize,
}

/// What became of a request in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It went on.
    Passed,
    /// It ended here.
    Refused,
    /// It had ended before.
    NotReached,
}

/// A layer, what became of the request there, and what was asked.
#[derive(Debug, Serialize)]
pub(crate) struct LayerShown {
    /// Which.
    pub(crate) layer: Layer,
    /// What became of the request.
    pub(crate) outcome: Outcome,
    /// The policies that were asked.
    pub(crate) guards: Vec<Guard>,
    /// What no policy says.
    pub(crate) note: Option<String>,
}

/// A policy that was asked.
#[derive(Debug, Serialize)]
pub(crate) struct Guard {
    /// Its `@id`.
    pub(crate) policy: String,
    /// Its file.
    pub(crate) file: String,
    /// Its line there.
    pub(crate) line: usize,
    /// Whether it forbids; else it permits.
    pub(crate) forbids: bool,
    /// Whether it applies; `null`: it fails to evaluate.
    pub(crate) applies: Option<bool>,
    /// The tenant that it was asked about, where that is the question.
    pub(crate) tenant: Option<String>,
}

/// A policy that decided.
#[derive(Debug, Serialize)]
pub(crate) struct Deciding {
    /// Its `@id`.
    pub(crate) policy: String,
    /// Its file.
    pub(crate) file: String,
    /// Its line there.
    pub(crate) line: usize,
    /// The policy as written, without its annotations.
    pub(crate) text: String,
    /// What its clauses came to, as far as they were looked at.
    pub(crate) clauses: Vec<ClauseShown>,
}

/// A `when` or `unless`.
#[derive(Debug, Serialize)]
pub(crate) struct ClauseShown {
    /// Whether it is an `unless`.
    pub(crate) unless: bool,
    /// Whether it lets its policy apply; `null`: it was not looked at, or fails.
    pub(crate) held: Option<bool>,
    /// The smallest parts that were looked at.
    pub(crate) parts: Vec<PartShown>,
}

impl ClauseShown {
    /// For people, each part: `when` or `unless` before the first, what it came to, and the part itself.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
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
pub(crate) struct PartShown {
    /// As written.
    pub(crate) text: String,
    /// Its line in the file.
    pub(crate) line: usize,
    /// What it came to; `null`: it fails.
    pub(crate) value: Option<bool>,
}

/// A `permit` that did not apply.
#[derive(Debug, Serialize)]
pub(crate) struct Allowlist {
    /// Its `@id`.
    pub(crate) policy: String,
    /// Its file.
    pub(crate) file: String,
    /// Its line there.
    pub(crate) line: usize,
    /// The roles that it lists.
    pub(crate) roles: Vec<String>,
    /// Whether it needs a justification, too.
    pub(crate) break_glass: bool,
    /// The tenant that it was asked about, where that is the question.
    pub(crate) tenant: Option<String>,
}

/// A fact that was looked up.
#[derive(Debug, Serialize)]
pub(crate) struct FactShown {
    /// `user`, `organization` or the type of the object.
    pub(crate) kind: String,
    /// Its id.
    pub(crate) id: String,
    /// What it is to the request.
    pub(crate) is: Vec<&'static str>,
    /// Whether it exists.
    pub(crate) found: bool,
    /// How long ago the database was asked.
    pub(crate) age_ms: u64,
    /// What was answered.
    pub(crate) values: Map<String, Value>,
}

/// What would turn a decision round.
#[derive(Debug, Serialize)]
pub(crate) struct Changes {
    /// What it would become: `allow` or `deny`.
    pub(crate) to: &'static str,
    /// The smallest sets of changes, those that add least first.
    pub(crate) sets: Vec<SetShown>,
    /// How many more there are.
    pub(crate) more: usize,
    /// How many changed worlds were judged.
    pub(crate) judged: usize,
    /// Whether the search ended by itself, and not at its bound.
    pub(crate) complete: bool,
    /// What is said in words.
    pub(crate) notes: Vec<String>,
}

/// Changes that together turn the decision round, in an order in which they can be made.
#[derive(Debug, Serialize)]
pub(crate) struct SetShown {
    /// The steps.
    pub(crate) steps: Vec<StepShown>,
}

/// One change.
#[derive(Debug, Serialize)]
pub(crate) struct StepShown {
    /// The kind of fact, as in `routes.yaml`.
    pub(crate) fact: &'static str,
    /// About whom.
    pub(crate) of: String,
    /// `add`, `remove` or `set`.
    pub(crate) change: &'static str,
    /// To or by what. Of several any one does; none: anything else than now.
    pub(crate) any_of: Vec<Value>,
    /// What is decided after it.
    pub(crate) then: String,
    /// Who may do it, least powerful first.
    pub(crate) by: Vec<Who>,
    /// The request that does it.
    pub(crate) with: Option<With>,
    /// The same as a sentence.
    pub(crate) text: String,
}

/// Somebody who may change a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Who {
    /// The role.
    pub(crate) role: String,
    /// The organisation that it has to be of.
    pub(crate) of: Option<String>,
    /// The organisation whose group it has to be of.
    pub(crate) of_group_of: Option<String>,
}

/// A request that changes a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct With {
    /// The method.
    pub(crate) method: String,
    /// The path.
    pub(crate) path: String,
    /// The action.
    pub(crate) action: String,
    /// The member of the body that says it.
    pub(crate) member: String,
}
