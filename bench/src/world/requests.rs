//! What is asked for: every route of the bundle, most often those that are asked for most often where
//! people work.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use policy_store::routes::{Body, Event, Route};
use serde_json::{Value, json};
use tests::model::dice::Dice;
use tests::people::FIELDS;

use super::people::{Person, organization};
use super::seed::object;
use super::{Mix, Planned, Sample};
use crate::subject::RouteRule;

/// So many of a hundred requests look at something.
const READS: usize = 90;
/// Where somebody with the wrong role can be found, so many of a hundred refusals are due to that.
const WRONG_ROLE: usize = 80;
/// Every route is asked for at least so often.
const LEAST: usize = 6;

/// Who may use a route, and who may not.
struct Callers<'a> {
    allowed: Vec<&'a Person>,
    denied: Vec<&'a Person>,
}

struct Draw<'a> {
    people: &'a [Person],
    plain: Vec<&'a Person>,
    expired: HashMap<&'a str, String>,
    dice: Dice,
}

/// The requests, in an order that says nothing.
pub(super) fn draw(
    routes: &[Arc<Route>],
    rules: &[RouteRule],
    people: &[Person],
    mix: Mix,
    seed: u64,
) -> Vec<Sample> {
    let plain = people.iter().filter(|person| person.is_plain()).collect();
    let expired =
        people.iter().step_by(20).map(|one| (one.id.as_str(), one.expired_token())).collect();
    let mut draw = Draw { people, plain, expired, dice: Dice::new(seed) };
    let weights: [usize; 2] = [true, false]
        .map(|reads| routes.iter().filter(|it| reads == is_read(it)).map(|it| weight(it)).sum());
    let mut samples = Vec::new();
    for (route, rule) in routes.iter().zip(rules) {
        let may = |person: &&Person| {
            person.roles.iter().any(|role| rule.roles.iter().any(|it| it == role))
        };
        let (allowed, denied) = people.iter().partition(may);
        let callers = Callers { allowed, denied };
        let (share, all) =
            if is_read(route) { (READS, weights[0]) } else { (100 - READS, weights[1]) };
        let count = (mix.samples * share * weight(route) / all / 100).max(LEAST);
        for _ in 0..count {
            let refused = draw.dice.likely(mix.denied);
            samples.push(draw.sample(route, rule, &callers, refused));
        }
    }
    for place in (1..samples.len()).rev() {
        samples.swap(place, draw.dice.below(place + 1));
    }
    samples
}

fn is_read(route: &Route) -> bool {
    route.method == "GET"
}

/// How often a route is asked for: patients' data more often than anything else, and one thing more
/// often than a list.
fn weight(route: &Route) -> usize {
    let health = if route.event == Event::PhiAccess { 4 } else { 1 };
    health * if route.takes("id") && is_read(route) { 3 } else { 2 }
}

impl Draw<'_> {
    fn sample(
        &mut self,
        route: &Route,
        rule: &RouteRule,
        callers: &Callers<'_>,
        refused: bool,
    ) -> Sample {
        let planned = match (refused && !rule.is_public(), callers.denied.is_empty()) {
            (false, _) => Planned::Allowed,
            (true, false) if self.dice.likely(WRONG_ROLE) => Planned::WrongRole,
            (true, _) => Planned::BadToken,
        };
        let asker: Person = match planned {
            Planned::WrongRole => (*self.dice.pick(&callers.denied)).clone(),
            _ if rule.is_public() => self.dice.pick(self.people).clone(),
            _ => (*self.dice.pick(&callers.allowed)).clone(),
        };
        let token = match planned {
            Planned::BadToken if self.dice.likely(50) => None,
            Planned::BadToken => self.dice.any(self.expired.values()).cloned(),
            _ => (!rule.is_public()).then_some(asker.token),
        };
        let path = self.path(route, asker.organization);
        let body = (route.body != Body::None).then(|| body(route));
        let bytes = spell(&route.method, &path, token.as_deref(), body.as_ref());
        Sample { method: route.method.clone(), path, planned, bytes }
    }

    fn path(&mut self, route: &Route, of: usize) -> String {
        let drawn = self.dice.below(1 << 20);
        let place = drawn % self.plain.len();
        let account =
            self.plain[place..].iter().chain(&self.plain).find(|it| it.organization == of);
        let path = route.path(|variable| match (variable, &*route.resource) {
            ("workflow", _) => "patient_questions".to_owned(),
            (_, "Organization") => organization(of),
            (_, "User") => account.unwrap().id.clone(),
            (_, resource) => object(resource, of, drawn).unwrap(),
        });
        if path.ends_with("/search") { path + "?q=fever" } else { path }
    }
}

/// A body that the route's caller may send: the first field that the action allows.
fn body(route: &Route) -> Value {
    let fields = FIELDS.iter().find(|fields| *fields.action == *route.action);
    let allowed = |fields: &'static tests::people::Fields| {
        fields.fields.split_whitespace().chain(fields.platform_fields.split_whitespace()).next()
    };
    let field = fields.and_then(allowed).unwrap_or("note");
    let mut body = json!({ field: "bench" });
    if let Some(roles) = &route.roles_in {
        body[&**roles] = json!(["NURSE"]);
    }
    body
}

/// The request as it is sent.
pub(crate) fn spell(
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Vec<u8> {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: bench\r\nAccept: application/json\r\n"
    );
    if let Some(token) = token {
        write!(text, "Authorization: Bearer {token}\r\n").unwrap();
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        let length = body.len();
        write!(text, "Content-Type: application/json\r\nContent-Length: {length}\r\n").unwrap();
    }
    format!("{text}\r\n{body}").into_bytes()
}
