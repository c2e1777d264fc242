//! Validation in parts gives the same result as Cedar's validation of the whole.

use std::path::Path;
use std::sync::Arc;

use cedar_policy::{PolicySet, ValidationMode, Validator};

use super::Proven;
use crate::bundle::policies;
use crate::bundle::read::{File, Sources};
use crate::bundle::vocabulary::Declared;

/// The scopes that each condition is tried with.
const SCOPES: [&str; 8] = [
    "principal is User, action, resource",
    "principal, action, resource",
    "principal is User, action in Action::\"request\", resource",
    "principal is User, action == Action::\"patients.read\", resource",
    "principal is User, action in [Action::\"patients.read\", Action::\"visits.list\"], resource",
    "principal is Guest, action in Action::\"public\", resource",
    "principal is User, action in Action::\"request\", resource is Patient",
    "principal is User, action == Action::\"act_in\", resource is Organization",
];

/// Conditions that are valid in some scopes, in all or in none.
const CONDITIONS: [&str; 14] = [
    "true",
    "principal.roles.contains(Role::\"NURSE\")",
    "principal.roles.contains(Role::\"NURSR\")",
    "principal.shoe_size == 1",
    "resource has owner && resource.owner == principal",
    "resource has workflow && resource.workflow == \"a\"",
    "resource.workflow == \"a\"",
    "context has tenant && context.tenant.slug == \"a\"",
    "context.path like \"/a/*\"",
    "context.tenant.slug == \"a\"",
    "action == Action::\"visits.list\" && context.method == \"GET\"",
    "action in Action::\"nothing\"",
    "1 == \"a\"",
    "resource is Patient && resource has workflow",
];

#[test]
fn parts_say_what_the_whole_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let sources = Sources::read(&directory).unwrap();
    let declared = Arc::new(Declared::read(&sources.schema).unwrap());
    let mut wrong = 0;
    for scope in SCOPES {
        for condition in CONDITIONS {
            let text = format!("@id(\"a\")\npermit ({scope})\nwhen {{ {condition} }};");
            let file = File { name: "a.cedar".to_owned(), text: Arc::from(text.as_str()) };
            let sources = Sources { policies: vec![file], ..sources.clone() };
            let parsed = policies::parse(&sources.policies, &policies::Known::new()).unwrap();
            let set: PolicySet = text.parse().unwrap();
            let whole =
                Validator::new(declared.schema.clone()).validate(&set, ValidationMode::Strict);
            let accepted = whole.validation_passed_without_warnings();
            let mut proven = Proven::default();
            let parts = proven.validate(&declared, &parsed, &sources);
            assert_eq!(parts.is_ok(), accepted, "{text}\n{whole:?}\n{parts:?}");
            // A second validation gives the same result: an invalid statement is not remembered as proven.
            assert_eq!(proven.validate(&declared, &parsed, &sources).is_ok(), accepted, "{text}");
            wrong += usize::from(!accepted);
        }
    }
    assert!((20..90).contains(&wrong), "{wrong} are wrong");
}
