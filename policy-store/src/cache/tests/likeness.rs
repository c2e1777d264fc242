//! Which facts count as alike.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::LONG;
use crate::cache::{FactStore, Settings};
use crate::facts::{ObjectFacts, OrganizationFacts, OrganizationKey, OwnedFacts, UserFacts};
use crate::source::FixedFacts;

fn names(text: &str) -> Vec<Arc<str>> {
    text.split_whitespace().map(Arc::from).collect()
}

fn nurse(id: &str) -> UserFacts {
    UserFacts {
        id: Arc::from(id),
        organization: Some(Arc::from("kauvery")),
        roles: names("NURSE"),
        features: names("codes"),
        status: Arc::from("ACTIVE"),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    }
}

fn store(users: Vec<UserFacts>, entries: u64) -> FactStore {
    let patient = OwnedFacts { owner: Some(Arc::from("kauvery")), workflow: None, roles: None };
    let call = OwnedFacts { workflow: Some(Arc::from("calls")), ..patient.clone() };
    let object =
        |id: &str, facts: &OwnedFacts| (("Patient".to_owned(), id.to_owned()), facts.clone());
    let organization = |id: &str| OrganizationFacts {
        id: Arc::from(id),
        slug: Arc::from(id),
        status: Arc::from("ACTIVE"),
        deleted: false,
        features: Vec::new(),
        workflows: Vec::new(),
        group: None,
    };
    let deleted = OrganizationFacts { deleted: true, ..organization("deleted") };
    let dormant = OrganizationFacts { status: Arc::from("INACTIVE"), ..organization("dormant") };
    let facts = FixedFacts {
        users: users.into_iter().map(|user| (Arc::clone(&user.id), user)).collect(),
        organizations: ["a", "b"].map(organization).into_iter().chain([deleted, dormant]).collect(),
        objects: [object("a", &patient), object("b", &patient), object("c", &call)].into(),
    };
    let settings = Settings { entries, ..Settings::new(LONG, Duration::from_secs(20)) };
    FactStore::new(Arc::new(facts), settings, Box::new(|_| {}))
}

/// Returns the version and the likeness of a user.
async fn numbers(store: &FactStore, id: &str) -> (u64, u64) {
    let fact = store.user(&Arc::from(id), &store.terms(true)).await.unwrap().unwrap();
    (fact.version, fact.likeness)
}

#[tokio::test]
async fn users_are_alike_who_differ_in_nothing_that_policies_are_told() {
    let revoked = UserFacts {
        tokens_valid_after: Some(1.0),
        revoked_tokens: names("a b"),
        ..nurse("revoked")
    };
    let others = [
        UserFacts { organization: Some(Arc::from("alpha")), ..nurse("moved") },
        UserFacts { organization: None, ..nurse("free") },
        UserFacts { roles: names("NURSE OTHER"), ..nurse("more") },
        UserFacts { features: Vec::new(), ..nurse("bare") },
        UserFacts { status: Arc::from("INACTIVE"), ..nurse("gone") },
    ];
    let users = [nurse("one"), nurse("two"), revoked].into_iter().chain(others.clone()).collect();
    let store = store(users, 100);
    let one = numbers(&store, "one").await;
    for like in ["two", "revoked"] {
        let it = numbers(&store, like).await;
        assert!(it.1 == one.1 && it.0 != one.0, "{like}");
    }
    let mut seen = HashSet::from([one.1]);
    for other in &others {
        assert!(seen.insert(numbers(&store, &other.id).await.1), "{}", other.id);
    }
}

#[tokio::test]
async fn objects_are_alike_and_organizations_are_not() {
    let store = store(Vec::new(), 100);
    let object = async |id: &str| {
        let terms = store.terms(true);
        let found = store.object(&Arc::from("Patient"), &Arc::from(id), &terms).await.unwrap();
        match found.unwrap() {
            ObjectFacts::Owned(fact) => (fact.version, fact.likeness),
            other => panic!("{other:?}"),
        }
    };
    let (a, b, c) = (object("a").await, object("b").await, object("c").await);
    assert!(a.0 != b.0 && a.1 == b.1 && a.1 != c.1);
    let mut gists = Vec::new();
    for id in ["a", "b", "deleted", "dormant"] {
        let key = OrganizationKey::Id(Arc::from(id));
        let it = store.organization(&key, &store.terms(true)).await.unwrap().unwrap();
        assert_eq!(it.version, it.likeness);
        gists.push(it.gist);
    }
    assert_eq!(gists[0], gists[1]);
    for other in [gists[2], gists[3]] {
        assert_ne!(gists[0], other);
    }
}

/// Two users differ in their gist only if their roles, their status, or whether they belong to an organisation
/// differ.
#[tokio::test]
async fn the_gist_leaves_out_what_and_whose_somebody_is_beyond_their_roles() {
    let same = [
        UserFacts { organization: Some(Arc::from("alpha")), ..nurse("moved") },
        UserFacts { features: Vec::new(), ..nurse("bare") },
    ];
    let others = [
        UserFacts { organization: None, ..nurse("free") },
        UserFacts { roles: names("NURSE OTHER"), ..nurse("more") },
        UserFacts { status: Arc::from("INACTIVE"), ..nurse("gone") },
    ];
    let users = same.iter().chain(&others).cloned().chain([nurse("one")]).collect();
    let store = store(users, 100);
    let gist = async |id: &str| {
        let fact = store.user(&Arc::from(id), &store.terms(true)).await.unwrap().unwrap();
        assert!(fact.gist != fact.version && fact.gist != fact.likeness);
        fact.gist
    };
    let one = gist("one").await;
    for it in &same {
        assert_eq!(gist(&it.id).await, one, "{}", it.id);
    }
    let mut seen = HashSet::from([one]);
    for it in &others {
        assert!(seen.insert(gist(&it.id).await), "{}", it.id);
    }
}

/// A number stands for one content, whatever is evicted and whatever order the facts come in.
#[tokio::test]
async fn no_number_is_given_twice() {
    let roles = |number: usize| UserFacts {
        roles: names(&format!("{}", number / 2)),
        ..nurse(&number.to_string())
    };
    let store = store((0..200).map(roles).collect(), 4);
    let (mut versions, mut said) = (HashSet::new(), HashMap::new());
    for _ in 0..2 {
        for number in 0..200 {
            let (version, likeness) = numbers(&store, &number.to_string()).await;
            versions.insert(version);
            assert_eq!(*said.entry(likeness).or_insert(number / 2), number / 2);
        }
    }
    assert!(said.len() > 100, "nothing was forgotten");
    assert!(said.keys().all(|likeness| !versions.contains(likeness)));
}
