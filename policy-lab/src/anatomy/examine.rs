//! Computes the results of the parts of a policy for one question, in Cedar's order of evaluation: the parts
//! after the deciding one are not reached.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{AuthorizationError, Response};

use super::plan::{Body, ClausePlan, ListPlan, NodePlan};
use super::statement::Kind;
use super::{Clause, Examined, ListSeen, Node, RoleSeen};

/// The results of the probes for a question.
pub(super) struct Answers<'a> {
    holds: HashSet<usize>,
    fails: HashMap<usize, &'a AuthorizationError>,
}

impl<'a> Answers<'a> {
    pub(super) fn of(response: &'a Response) -> Self {
        let number = |id: &cedar_policy::PolicyId| id.to_string().parse().ok();
        let diagnostics = response.diagnostics();
        let failed = diagnostics.errors().filter_map(|error| {
            let AuthorizationError::PolicyEvaluationError(fault) = error;
            Some((number(fault.policy_id())?, error))
        });
        Self { holds: diagnostics.reason().filter_map(number).collect(), fails: failed.collect() }
    }

    /// Returns the result of a probe, or why it failed.
    fn ask(&self, probe: usize) -> Result<bool, String> {
        match self.fails.get(&probe) {
            Some(AuthorizationError::PolicyEvaluationError(fault)) => {
                Err(fault.inner().to_string())
            }
            None => Ok(self.holds.contains(&probe)),
        }
    }

    fn held(&self, probe: usize) -> Option<bool> {
        self.ask(probe).ok()
    }
}

/// Returns the results of one policy.
pub(super) fn examine(body: &Body, answers: &Answers<'_>) -> Examined {
    let scope = answers.held(body.scope) == Some(true);
    let mut applies = Some(scope);
    let mut clauses = Vec::with_capacity(body.clauses.len());
    for plan in &body.clauses {
        let clause = clause(plan, answers, applies == Some(true));
        if applies == Some(true) {
            applies = clause.held;
        }
        clauses.push(clause);
    }
    let lists = body.lists.iter().map(|plan| list(plan, &clauses, answers)).collect();
    Examined { rule: Arc::clone(&body.rule), scope, applies, clauses, lists }
}

fn clause(plan: &ClausePlan, answers: &Answers<'_>, reached: bool) -> Clause {
    let node = node(&plan.node, answers, reached);
    let held = node.value.map(|value| value != plan.unless);
    Clause { unless: plan.unless, held, node }
}

fn node(plan: &NodePlan, answers: &Answers<'_>, reached: bool) -> Node {
    let (mut value, mut error) = (None, None);
    let mut parts = Vec::with_capacity(plan.parts.len());
    if let (Some(probe), true) = (plan.probe, reached) {
        match answers.ask(probe) {
            Ok(known) => value = Some(known),
            Err(why) => error = Some(why),
        }
    }
    for (index, part) in plan.parts.iter().enumerate() {
        let part = node(part, answers, reached && goes_on(plan.kind, index, &parts));
        parts.push(part);
    }
    if reached && plan.kind != Kind::Leaf {
        value = together(plan.kind, &parts);
    }
    Node {
        kind: plan.kind,
        text: Arc::clone(&plan.text),
        line: plan.line,
        place: plan.place,
        reached,
        value,
        error,
        parts,
    }
}

/// Whether the part number `index` is evaluated, given the results of the parts before it.
fn goes_on(kind: Kind, index: usize, before: &[Node]) -> bool {
    let last = before.last().and_then(|part| part.value);
    let first = before.first().and_then(|part| part.value);
    match (kind, index) {
        (_, 0) => true,
        (Kind::And, _) => last == Some(true),
        (Kind::Or, _) => last == Some(false),
        (Kind::If, 1) => first == Some(true),
        (Kind::If, 2) => first == Some(false),
        (Kind::If | Kind::Not | Kind::Leaf, _) => false,
    }
}

/// Returns the value of an expression with these parts: the last one that was reached decides.
fn together(kind: Kind, parts: &[Node]) -> Option<bool> {
    let last = parts.iter().rev().find(|part| part.reached)?.value?;
    Some(if kind == Kind::Not { !last } else { last })
}

fn list(plan: &ListPlan, clauses: &[Clause], answers: &Answers<'_>) -> ListSeen {
    let leaf = clauses.iter().find_map(|clause| clause.node.find(plan.leaf));
    let roles = plan.roles.iter().map(|role| RoleSeen {
        name: Arc::clone(&role.name),
        listed: role.listed,
        held: answers.held(role.probe),
    });
    ListSeen {
        text: Arc::clone(&plan.text),
        line: plan.line,
        leaf: plan.leaf,
        reached: leaf.is_some_and(|leaf| leaf.reached),
        value: leaf.and_then(|leaf| leaf.value),
        roles: roles.collect(),
    }
}
