//! Findings about variables of messages that a route does not provide.

use std::sync::Arc;

use super::finding::{Finding, MOST};
use super::kind::Kind;
use super::notes::annotation;
use super::policies::Rule;
use super::room::breathe;
use super::{Bundle, Slice};
use crate::routes::Route;

/// Returns a finding for each message that could be sent with an unfilled variable: its policy can refuse a
/// request on a route that does not provide the variable, and does not ask whether the variable is present.
pub(super) fn missing(bundle: &Bundle) -> Vec<Finding> {
    let mut suspects: Vec<(&Arc<Rule>, &str)> = Vec::new();
    for rule in bundle.rules() {
        breathe();
        for name in ["feature", "workflow"] {
            let says = rule.message.contains(&format!("{{{name}}}"));
            if says && !rule.reads.circumstance(name) {
                suspects.push((rule, name));
            }
        }
    }
    suspects.sort_by_key(|(rule, name)| (rule.order, *name));
    suspects.into_iter().filter_map(|(rule, name)| fault(bundle, rule, name)).take(MOST).collect()
}

fn fault(bundle: &Bundle, rule: &Rule, name: &str) -> Option<Finding> {
    let lacking = bundle.routes().routes().iter().find(|route| {
        let slice = bundle.slice(&route.action);
        !gives(route, name) && slice.is_some_and(|slice| can_refuse(slice, rule))
    });
    let lacking = match lacking {
        Some(route) => format!("{} {}", route.method, route.template),
        None if can_refuse(bundle.unmapped(), rule) => "a path without a route".to_owned(),
        None => return None,
    };
    let message =
        format!("the message of `{}` has {{{name}}}, which {lacking} does not give", rule.id);
    let remedy = format!("let the policy ask `context has {name}`, or word it without {{{name}}}");
    let file = bundle.sources().policies.iter().find(|file| file.name == rule.file)?;
    let inside = annotation(&rule.text, "message").unwrap_or(0);
    Some(file.at(rule.offset + inside, &message, &remedy).of_kind(Kind::VariableNotGiven))
}

fn gives(route: &Route, name: &str) -> bool {
    if name == "feature" { route.feature.is_some() } else { route.takes(name) }
}

fn can_refuse(slice: &Slice, rule: &Rule) -> bool {
    let id = cedar_policy::PolicyId::new(&rule.id);
    slice.early.policy(&id).or_else(|| slice.late.policy(&id)).is_some()
}
