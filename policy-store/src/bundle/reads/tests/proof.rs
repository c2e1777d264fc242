//! Random conditions: changing an attribute that a condition does not read changes no answer, and neither does
//! a string that the attribute is not compared with.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request,
    RestrictedExpression as Value,
};

use super::*;

const CONDITIONS: usize = 1_000;
const STRINGS: [&str; 4] = ["A", "B", "C", "D"];
/// The holder and the name of each attribute.
const ATTRIBUTES: [(&str, &str); 5] = [
    ("principal", "status"),
    ("principal", "slug"),
    ("resource", "status"),
    ("context", "method"),
    ("context", "path"),
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        self.0 = hasher.finish();
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    /// Returns an expression of type string.
    fn text(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 | 1 => format!("{:?}", STRINGS[self.below(STRINGS.len())]),
            2..5 => {
                let (holder, name) = ATTRIBUTES[self.below(ATTRIBUTES.len())];
                if self.below(3) == 0 {
                    format!("{holder}[\"{name}\"]")
                } else {
                    format!("{holder}.{name}")
                }
            }
            5 => format!("{{a: {}}}.a", self.text(depth - 1)),
            6 => format!(
                "(if {} then {} else {})",
                self.condition(depth - 1),
                self.text(depth - 1),
                self.text(depth - 1)
            ),
            _ => {
                let name = ["status", "slug"][self.below(2)];
                format!("(if {} then principal else resource).{name}", self.condition(depth - 1))
            }
        }
    }

    /// Returns an expression of type Boolean.
    fn condition(&mut self, depth: usize) -> String {
        let less = depth.saturating_sub(1);
        match self.below(if depth == 0 { 7 } else { 12 }) {
            0 => format!("{} == {}", self.text(less), self.text(less)),
            1 => format!("{} != {}", self.text(less), self.text(less)),
            2 => {
                format!("[{}, {}].contains({})", self.text(less), self.text(less), self.text(less))
            }
            3 => format!(
                "[{}].containsAny([{}, {}])",
                self.text(less),
                self.text(less),
                self.text(less)
            ),
            4 => format!("{{a: {}}} == {{a: {}}}", self.text(less), self.text(less)),
            5 => format!("context == {{method: {}, path: {}}}", self.text(less), self.text(less)),
            6 => {
                let (holder, name) = ATTRIBUTES[self.below(ATTRIBUTES.len())];
                format!("{holder} has {name}")
            }
            7 => format!("({} && {})", self.condition(less), self.condition(less)),
            8 => format!("({} || {})", self.condition(less), self.condition(less)),
            9 => format!("!({})", self.condition(less)),
            10 => format!("({}) == ({})", self.condition(less), self.condition(less)),
            _ => format!(
                "(if {} then {} else {})",
                self.condition(less),
                self.condition(less),
                self.condition(less)
            ),
        }
    }
}

/// Returns Cedar's decision and number of errors for these values of attributes. An attribute without a value
/// is absent.
fn answer(policy: &PolicySet, values: &HashMap<(&str, &str), String>) -> (Decision, usize) {
    let of = |holder: &str| -> HashMap<String, Value> {
        let own = values.iter().filter(|((it, _), _)| *it == holder);
        let pairs = own.map(|((_, name), it)| ((*name).to_owned(), Value::new_string(it.clone())));
        pairs.collect()
    };
    let uid = |text: &str| text.parse::<EntityUid>().unwrap();
    let (who, what) = (uid("User::\"u\""), uid("Thing::\"t\""));
    let entity =
        |uid: &EntityUid, holder| Entity::new(uid.clone(), of(holder), HashSet::new()).unwrap();
    let known = [entity(&who, "principal"), entity(&what, "resource")];
    let context = Context::from_pairs(of("context")).unwrap();
    let request = Request::new(who, uid("Action::\"a\""), what, context, None).unwrap();
    let known = Entities::from_entities(known, None).unwrap();
    let response = Authorizer::new().is_authorized(&request, policy, &known);
    (response.decision(), response.diagnostics().errors().count())
}

#[test]
fn what_is_not_read_changes_no_answer() {
    let told = std::env::var("CEDARGATE_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed = told.unwrap_or_else(|| u64::from(std::process::id()));
    println!("CEDARGATE_SEED={seed}");
    let mut dice = Dice(seed);
    let (mut allowed, mut unread, mut strange) = (0, 0, 0);
    for _ in 0..CONDITIONS {
        let condition = dice.condition(3);
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let policy: PolicySet = text.parse().unwrap();
        let reads = Reads::of(policy.policies().next().unwrap());
        // Each attribute has a string of its own, so that no two are equal unless a test makes them so.
        let some = |(holder, name): (&'static str, &'static str), dice: &mut Dice| {
            let own = format!("{holder}-{name}");
            let value = if dice.below(2) == 0 {
                own
            } else {
                STRINGS[dice.below(STRINGS.len())].to_owned()
            };
            ((holder, name), value)
        };
        let usual: HashMap<_, _> = ATTRIBUTES.map(|it| some(it, &mut dice)).into();
        let expected = answer(&policy, &usual);
        allowed += usize::from(expected.0 == Decision::Allow);
        for (holder, name) in ATTRIBUTES {
            let with = |value: Option<&str>| {
                let mut changed = usual.clone();
                changed.remove(&(holder, name));
                changed.extend(value.map(|value| ((holder, name), value.to_owned())));
                answer(&policy, &changed)
            };
            let read =
                if holder == "context" { reads.circumstance(name) } else { reads.attribute(name) };
            if !read {
                unread += 1;
                assert_eq!(with(None), expected, "{name}: {condition}");
                assert_eq!(with(Some("A")), expected, "{name}: {condition}");
            }
            // The new string equals none of the other values, so it must act like any unknown string.
            let others: HashSet<&str> = usual
                .iter()
                .filter(|(it, _)| **it != (holder, name))
                .map(|(_, it)| &**it)
                .collect();
            let texts: HashSet<&str> = reads.texts(name).collect();
            for string in
                STRINGS.iter().filter(|it| !texts.contains(**it) && !others.contains(**it))
            {
                strange += 1;
                assert_eq!(with(Some(string)), with(Some("new")), "{name}: {string}: {condition}");
            }
        }
    }
    let least = CONDITIONS / 10;
    assert!(allowed > least && unread > least && strange > least, "{allowed} {unread} {strange}");
}
