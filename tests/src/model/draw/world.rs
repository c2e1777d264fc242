//! A made-up world.

use std::collections::BTreeMap;

use super::{FEATURES, ROLES, WORKFLOWS};
use crate::model::{Dice, Names, Object, Organization, User, World, demo::kinds};

const GROUPS: [&str; 3] = ["north", "south", "west"];

/// Ids that are words of routes too.
const CONFUSING: [&str; 6] = ["start", "search", "expiring", "favorites", "me", "features"];

/// A handful of organisations in few groups, people of every kind, and something of everything.
#[must_use]
pub fn world(dice: &mut Dice) -> World {
    let organizations: Vec<Organization> =
        (0..dice.between(6, 12)).map(|number| organization(dice, number)).collect();
    let hosts = hosts(dice, &organizations);
    let users = (0..dice.between(24, 40)).map(|number| user(dice, number, &organizations));
    let users = users.collect();
    let objects = objects(dice, &organizations);
    World { organizations, users, objects, hosts }
}

fn some_of(dice: &mut Dice, all: &[&str], percent: usize) -> Names {
    all.iter().filter(|_| dice.likely(percent)).map(|name| (*name).to_owned()).collect()
}

fn organization(dice: &mut Dice, number: usize) -> Organization {
    let status = dice.weighted(&[(65, "ACTIVE"), (17, "TRIAL"), (9, "INACTIVE"), (9, "SUSPENDED")]);
    Organization {
        id: format!("org-{number}"),
        slug: format!("clinic_{number}"),
        status: status.to_owned(),
        deleted: dice.likely(7),
        group: dice.likely(65).then(|| dice.word(&GROUPS).to_owned()),
        features: some_of(dice, &FEATURES, 60),
        workflows: some_of(dice, &WORKFLOWS, 55),
    }
}

/// Hosts outside the suffix and under it that name somebody, nobody, or somebody unknown.
fn hosts(dice: &mut Dice, organizations: &[Organization]) -> BTreeMap<String, String> {
    let slug = |dice: &mut Dice| dice.pick(organizations).slug.clone();
    BTreeMap::from([
        ("front.example".to_owned(), slug(dice)),
        ("tools.clinics.example".to_owned(), slug(dice)),
        (format!("{}.clinics.example", slug(dice)), slug(dice)),
        ("api.clinics.example".to_owned(), String::new()),
        ("gone.example".to_owned(), "no_such_clinic".to_owned()),
    ])
}

fn user(dice: &mut Dice, number: usize, organizations: &[Organization]) -> User {
    let home = dice.any(organizations.iter().filter(|it| it.is_open()));
    let any = dice.pick(organizations);
    let home = if dice.likely(75) { home } else { Some(any) };
    let roles = roles(dice);
    let homeless = if roles.contains("PLATFORM_ADMIN") { 50 } else { 6 };
    let home = home.filter(|_| !dice.likely(homeless));
    User {
        id: format!("user-{number}"),
        organization: home.map(|home| home.id.clone()),
        roles,
        features: some_of(dice, &FEATURES, 65),
        active: dice.likely(95),
        super_admin: dice.likely(5),
        signed_out: dice.likely(3),
    }
}

/// Mostly one role. Where there are two, often one of those for which the rules have a word of
/// their own, so that it shows which of the two opens what.
fn roles(dice: &mut Dice) -> Names {
    let any = dice.word(&ROLES);
    let besides = dice.word(&["OTHER", "ORG_ADMIN", "PLATFORM_ADMIN", any]);
    let names = match dice.weighted(&[
        (55, "one"),
        (24, "two"),
        (12, "only OTHER"),
        (5, "some"),
        (4, "none"),
    ]) {
        "one" => vec![any],
        "two" => vec![any, besides],
        "only OTHER" => vec!["OTHER"],
        "some" => return some_of(dice, &ROLES, 50),
        _ => Vec::new(),
    };
    names.into_iter().map(str::to_owned).collect()
}

/// Something of each type for most organisations and for nobody. Ids are taken anew for each type,
/// so that one id is several things of several owners.
fn objects(dice: &mut Dice, organizations: &[Organization]) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for kind in kinds() {
        let owners = organizations.iter().map(|owner| Some(owner.id.clone())).chain([None, None]);
        for (number, owner) in owners.enumerate() {
            let usual = format!("thing-{}", (number + kind.len()) % (organizations.len() + 2));
            let confusing = dice.word(&CONFUSING);
            let taken = objects.iter().any(|it| it.kind == kind && it.id == confusing);
            let id = if dice.likely(5) && !taken { confusing.to_owned() } else { usual };
            if dice.likely(90) {
                objects.push(object(dice, kind, id, owner));
            }
        }
    }
    objects
}

fn object(dice: &mut Dice, kind: &str, id: String, owner: Option<String>) -> Object {
    let workflow = (kind == "Patient" && dice.likely(85)).then(|| dice.word(&WORKFLOWS).into());
    let invited = if kind == "Invitation" { roles(dice) } else { Names::new() };
    Object { kind: kind.to_owned(), id, owner, workflow, roles: invited }
}
