//! The policies that decided, and the parts of their clauses that did.

use std::sync::Arc;

use policy_store::bundle::Bundle;
use proxy::judge::decide::Denied;
use proxy::judge::pipeline::{Moment, Put};
use proxy::judge::refusal::Refusal;
use proxy::judge::workbench::Verdict;

use super::layers;
use super::report::{Allowlist, ClauseShown, Deciding, PartShown};
use crate::anatomy::{Anatomy, Clause, Examined, one_line};

/// Returns the policies that decided, each with the results of its clauses.
pub fn deciding(bundle: &Bundle, verdict: &Verdict) -> Vec<Deciding> {
    let ids: Vec<Arc<str>> = match &verdict.refusal {
        Some(Refusal::Denied(Denied::ByRule(rule))) => vec![Arc::clone(&rule.id)],
        Some(Refusal::Denied(Denied::Broken { policy, .. })) => vec![Arc::clone(policy)],
        Some(_) => return Vec::new(),
        None => verdict.record.policies.clone(),
    };
    let examined: Vec<Examined> = verdict
        .questions
        .iter()
        .rev()
        .filter(|put| put.moment != Moment::ActIn)
        .flat_map(|put| examine(bundle, put))
        .collect();
    let one = |id: &Arc<str>| {
        let rule = bundle.rules().find(|rule| rule.id == *id)?;
        let seen = examined.iter().find(|seen| seen.rule.id == *id && seen.scope);
        Some(Deciding {
            policy: rule.id.to_string(),
            file: rule.file.clone(),
            line: rule.line,
            text: rule.body().to_owned(),
            clauses: seen.map(|seen| seen.clauses.iter().map(clause).collect()).unwrap_or_default(),
        })
    };
    ids.iter().filter_map(one).collect()
}

/// Returns the allowlists that did not let the request in: those of its action, or those about acting in a
/// tenant.
pub fn allowlists(bundle: &Bundle, verdict: &Verdict) -> Vec<Allowlist> {
    let moment = match &verdict.refusal {
        Some(Refusal::Denied(Denied::ByDefault)) => Moment::Early,
        Some(Refusal::CrossTenant(_)) => Moment::ActIn,
        _ => return Vec::new(),
    };
    let last = verdict.questions.iter().rev().find(|put| put.moment == moment);
    let Some(put) = last else { return Vec::new() };
    let resource = put.question.request.resource().map(|it| it.id().unescaped().to_owned());
    let tenant = resource.filter(|_| moment == Moment::ActIn);
    let permits = examine(bundle, put).into_iter().filter(|it| !it.rule.forbids && it.scope);
    permits
        .map(|it| Allowlist {
            policy: it.rule.id.to_string(),
            file: it.rule.file.clone(),
            line: it.rule.line,
            roles: roles(&it),
            break_glass: it.rule.break_glass,
            tenant: tenant.clone(),
        })
        .collect()
}

/// Returns the result of each policy for a question; none if the policies cannot be split into parts.
fn examine(bundle: &Bundle, put: &Put) -> Vec<Examined> {
    let anatomy = Anatomy::of(bundle, layers::slice(bundle, put));
    let question = &put.question;
    anatomy.map(|it| it.examine(&question.request, &question.entities)).unwrap_or_default()
}

fn roles(examined: &Examined) -> Vec<String> {
    let listed = examined.lists.iter().flat_map(|list| &list.roles).filter(|role| role.listed);
    let mut names: Vec<String> = Vec::new();
    for role in listed {
        if !names.iter().any(|name| **name == *role.name) {
            names.push(role.name.to_string());
        }
    }
    names
}

fn clause(clause: &Clause) -> ClauseShown {
    let leaves = clause.node.leaves();
    let parts = leaves.into_iter().filter(|leaf| leaf.reached).map(|leaf| PartShown {
        text: one_line(&leaf.text),
        line: leaf.line,
        value: leaf.value,
    });
    ClauseShown { unless: clause.unless, held: clause.held, parts: parts.collect() }
}
