//! Compares two bundles: which requests the old one and the new one decide differently.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use policy_store::bundle::Bundle;
use policy_store::cases::{Case, Expected, NOBODY, Request, Suite};
use policy_store::facts::UserFacts;
use policy_store::routes::Route;
use proxy::judge::trials::{Outcome, Runner};
use proxy::judge::workbench::WorkbenchError;
use serde_json::{Value, json};

/// The name of the test for requests that no test contains.
const MADE_UP: &str = "every person on every route";

/// The decisions that differ between two bundles.
#[derive(Debug)]
pub struct Comparison {
    /// The number of compared requests.
    pub compared: usize,
    /// The differing decisions: the suite with the case, the outcome of the old bundle, and that of the new
    /// one.
    differences: Vec<(Arc<Suite>, Outcome, Outcome)>,
}

/// Compares two bundles with the tests of the new one, and with each user of these tests on each route.
///
/// # Errors
///
/// Fails if the requests cannot be judged at all.
pub fn compare(old: Bundle, new: Bundle) -> Result<Comparison, WorkbenchError> {
    let suite = Arc::new(enlarged(&old, &new));
    let all: Vec<usize> = (0..suite.cases.len()).collect();
    let judge = |bundle| Runner::new(bundle).with_suite(Arc::clone(&suite)).run(&all);
    let (before, after) = (judge(old)?, judge(new)?);
    let mut seen = BTreeSet::new();
    let differ = before.into_iter().zip(after).filter(|(old, new)| {
        (&old.reason, &old.policies) != (&new.reason, &new.policies)
            // A request that a test sends too is reported once.
            && suite.cases.get(old.case).is_some_and(|it| seen.insert(format!("{:?}{:?}", it.caller, asked(&it.request))))
    });
    let differences = differ.map(|(old, new)| (Arc::clone(&suite), old, new)).collect();
    Ok(Comparison { compared: all.len(), differences })
}

impl Comparison {
    /// Returns the comparison as text for people.
    pub fn text(&self) -> String {
        // Callers with the same request and the same outcomes share an entry.
        let mut alike: BTreeMap<[String; 3], Vec<&str>> = BTreeMap::new();
        for (suite, old, new) in &self.differences {
            let Some(case) = suite.cases.get(old.case) else { continue };
            alike
                .entry([asked(&case.request), told(old), told(new)])
                .or_default()
                .push(caller(case));
        }
        let mut text = String::new();
        for ([request, old, new], callers) in alike {
            // Writing to a string cannot fail, here and below.
            let _ok = writeln!(text, "CHANGED  {request}\n    old  {old}\n    new  {new}");
            let _ok = writeln!(text, "    for  {}", callers.join(", "));
        }
        let verdicts = self.differences.iter().filter(|(_, old, new)| old.reason != new.reason);
        let verdicts = verdicts.count();
        let _ok = write!(
            text,
            "{} requests compared: {verdicts} decided otherwise, {} the same by other policies",
            self.compared,
            self.differences.len() - verdicts
        );
        text
    }

    /// Returns the comparison as JSON.
    pub fn json(&self) -> Value {
        let one =
            |outcome: &Outcome| json!({ "reason": outcome.reason, "policies": outcome.policies });
        let all = self.differences.iter().filter_map(|(suite, old, new)| {
            let case = suite.cases.get(old.case)?;
            Some(json!({
                "caller": case.caller.as_deref(),
                "method": case.request.method,
                "target": case.request.target,
                "tenant": case.request.tenant,
                "action": new.action.as_deref(),
                "old": one(old),
                "new": one(new),
            }))
        });
        json!({ "compared": self.compared, "changed": all.collect::<Vec<_>>() })
    }
}

fn caller(case: &Case) -> &str {
    case.caller.as_deref().unwrap_or(NOBODY)
}

/// Returns a request on one line.
fn asked(request: &Request) -> String {
    let mut text = format!("{} {}", request.method, request.target);
    let more = [
        ("tenant", &request.tenant),
        ("host", &request.host),
        ("break-glass", &request.break_glass),
        ("body", &request.body),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            let _ok = write!(text, "  {name} {value}");
        }
    }
    text
}

fn told(outcome: &Outcome) -> String {
    match outcome.policies.as_slice() {
        [] => outcome.reason.to_string(),
        policies => format!("{} by {}", outcome.reason, policies.join(", ")),
    }
}

/// Returns the tests of the new bundle, and a request by each of its users on every route of both bundles.
fn enlarged(old: &Bundle, new: &Bundle) -> Suite {
    let written = new.suite();
    let mut suite = Suite {
        facts: written.facts.clone(),
        tenancy: written.tenancy.clone(),
        cases: written.cases.clone(),
        accepted: Vec::new(),
    };
    let mut people: Vec<&UserFacts> = written.facts.users.values().collect();
    people.sort_by(|one, other| one.id.cmp(&other.id));
    let routes = old.routes().routes().iter().chain(new.routes().routes());
    let mut known = BTreeSet::new();
    for route in routes.filter(|it| known.insert((&it.method, &it.template))) {
        for user in &people {
            suite
                .cases
                .extend(target(route, user, written).map(|target| made_up(route, user, target)));
        }
    }
    suite
}

fn made_up(route: &Route, user: &UserFacts, target: String) -> Case {
    let request = Request { method: route.method.clone(), target, ..Request::default() };
    Case {
        file: Arc::from(""),
        line: 0,
        test: Arc::from(MADE_UP),
        caller: Some(Arc::clone(&user.id)),
        request: Arc::new(request),
        expected: Expected { reason: Arc::from(""), policy: None },
    }
}

/// Returns a path of a route with an object of the user's own organisation, or else of any other. Returns
/// `None` if the facts have no such object.
fn target(route: &Route, user: &UserFacts, suite: &Suite) -> Option<String> {
    let own =
        suite.facts.organizations.iter().find(|it| Some(&it.id) == user.organization.as_ref());
    let id = if route.scope.looks_up() { object(route, user, suite)? } else { "1".to_owned() };
    let workflow = own.and_then(|it| it.workflows.first()).map_or("none", |it| it);
    Some(route.path_of(&id, workflow))
}

fn object(route: &Route, user: &UserFacts, suite: &Suite) -> Option<String> {
    let facts = &suite.facts;
    let owned = facts.objects.iter().filter(|((kind, _), _)| *kind == *route.resource);
    let mut owned: Vec<(bool, &str)> =
        owned.map(|((_, id), it)| (it.owner != user.organization, id.as_str())).collect();
    owned.sort_unstable();
    if let Some((_, id)) = owned.first() {
        return Some((*id).to_owned());
    }
    // Users and organisations have no entry among the objects.
    match &*route.resource {
        "Organization" => user.organization.as_deref().map(str::to_owned),
        "User" => Some(user.id.to_string()),
        _ => None,
    }
}
