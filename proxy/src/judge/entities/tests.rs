//! What policies see of users, and which users have the same likeness.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use policy_store::bundle::Bundle;
use policy_store::cache::{FactStore, Settings};
use policy_store::facts::UserFacts;
use policy_store::source::FixedFacts;

use super::user;

fn names(text: &str) -> Vec<Arc<str>> {
    text.split_whitespace().map(Arc::from).collect()
}

/// Users who each differ from the first in one fact; policies do not see the facts of the last two.
fn people() -> Vec<UserFacts> {
    let first = UserFacts {
        id: Arc::from("0"),
        organization: Some(Arc::from("kauvery")),
        roles: names("NURSE"),
        features: names("codes"),
        status: Arc::from("ACTIVE"),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    };
    let mut people = vec![
        first.clone(),
        UserFacts { organization: Some(Arc::from("alpha")), ..first.clone() },
        UserFacts { organization: None, ..first.clone() },
        UserFacts { roles: names("DOCTOR NURSE"), ..first.clone() },
        UserFacts { features: names("ai_notes"), ..first.clone() },
        UserFacts { status: Arc::from("INACTIVE"), ..first.clone() },
        UserFacts { tokens_valid_after: Some(1.0), ..first.clone() },
        UserFacts { revoked_tokens: names("a"), ..first },
    ];
    for (number, user) in people.iter_mut().enumerate() {
        user.id = Arc::from(number.to_string());
    }
    people
}

#[tokio::test]
async fn those_are_alike_of_whom_policies_are_told_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let bundle = Bundle::load(&folder).unwrap_or_else(|findings| panic!("{findings}"));
    let people = people();
    let table = people.iter().map(|user| (Arc::clone(&user.id), user.clone())).collect();
    let source = FixedFacts { users: table, ..FixedFacts::default() };
    let settings = Settings::new(Duration::from_mins(1), Duration::from_secs(20));
    let store = FactStore::new(Arc::new(source), settings, Box::new(|_| {}));
    let mut seen = Vec::new();
    for facts in people {
        let fact = store.user(&facts.id, &store.terms(true)).await.unwrap().unwrap();
        let told = user(&bundle, &UserFacts { id: Arc::from("anybody"), ..facts }).unwrap();
        seen.push((fact.likeness, told));
    }
    for (one, told) in &seen {
        for (other, told_too) in &seen {
            assert_eq!(one == other, told.deep_eq(told_too), "{told:?} {told_too:?}");
        }
    }
    assert_eq!(seen.iter().filter(|(likeness, _)| *likeness == seen[0].0).count(), 3);
}
