//! The gate does what the reference model says, for worlds and requests that chance makes up.

mod database;
mod sockets;
pub(crate) mod workbench;

use tests::{
    model::{
        Dice, Expected, Object, Outcome, Request, Tally, World, draw, expected,
        shrink::{self, Case},
    },
    people::{DECISIONS, Decision, ROUTES, Route},
};

/// Every reason that random requests may meet, and how often at least one in 100,000 must.
const REASONS: [(&str, u32); 25] = [
    ("allowed", 10_000),
    ("request_invalid", 200),
    ("path_invalid", 500),
    ("token_missing", 1_000),
    ("token_revoked", 500),
    ("user_unknown", 500),
    ("user_inactive", 500),
    ("org_inactive", 1_000),
    ("org_missing", 500),
    ("outside_boundary", 1_000),
    ("route_unmapped", 1_000),
    ("justification_invalid", 500),
    ("role_not_allowed", 5_000),
    ("body_unexpected", 300),
    ("body_too_large", 20),
    ("body_unsupported", 300),
    ("body_invalid", 500),
    ("cross_tenant", 2_000),
    ("tenant_conflict", 200),
    ("tenant_required", 100),
    ("not_found", 5_000),
    ("org_feature_disabled", 200),
    ("user_feature_disabled", 100),
    ("workflow_disabled", 100),
    ("escalation", 200),
];

/// A world of its own for each number, with the objects that may be `kept`, and requests in it.
fn made_up(
    seed: u64,
    number: usize,
    requests: usize,
    kept: fn(&Object) -> bool,
) -> (World, Vec<Request>) {
    let number = u64::try_from(number).unwrap();
    let mut dice = Dice::new(seed.wrapping_add(number)).fork();
    let mut world = draw::world(&mut dice);
    world.objects.retain(kept);
    let requests = (0..requests).map(|_| draw::request(&mut dice, &world)).collect();
    (world, requests)
}

/// What the model and the gate say, where that is not the same.
fn report(seed: u64, number: usize, case: &Case, gate: &Outcome) -> String {
    let Case { world, request } = case;
    let Expected { outcome, why } = expected(world, request);
    format!(
        "gate and model disagree: CEDARGATE_SEED={seed}, world {number}\n\n\
         the world:\n{world}\nthe request:\n{request}\n\
         the model: {outcome}\n           because {why}\nthe gate:  {gate}"
    )
}

/// That what was tested is not one thing only.
fn assert_everything_occurred(tally: &Tally) {
    let scaled = |often: u32| u64::from(often) * u64::from(tally.total()) / 100_000;
    for (reason, often) in REASONS {
        let found = tally.reasons.get(reason).copied().unwrap_or_default();
        assert!(u64::from(found) >= scaled(often), "too few {reason}: {found}");
    }
    let known = |reason: &str| REASONS.iter().any(|(known, _)| *known == reason);
    let unknown: Vec<_> = tally.reasons.keys().filter(|reason| !known(reason)).collect();
    assert!(unknown.is_empty(), "not reasons of the contract: {unknown:?}");
    assert!(u64::from(tally.glasses) >= scaled(100), "too few justifications let anybody in");
    for Route { action, .. } in ROUTES.iter() {
        let (allowed, refused) = tally.actions.get(action).copied().unwrap_or_default();
        assert!(allowed >= 10, "{action} was allowed {allowed} times and refused {refused} times");
    }
}

#[test]
fn what_is_found_is_made_small() {
    let wanted = |case: &Case| {
        let Outcome { reason, action, .. } = expected(&case.world, &case.request).outcome;
        reason == "org_feature_disabled" && action.as_deref() == Some("codes.extract")
    };
    let mut cases = (0..).flat_map(|number| {
        let (world, requests) = made_up(1, number, 100, |_| true);
        requests.into_iter().map(move |request| Case { world: world.clone(), request })
    });
    let found = cases.find(wanted).unwrap();
    let Case { world, request } = shrink::smallest(found, wanted);
    let sizes = (world.users.len(), world.organizations.len(), world.objects.len());
    assert_eq!(sizes, (1, 1, 0), "{world}");
    let user = request.user.clone();
    let bare = Request {
        user,
        method: "POST".into(),
        path: "/api/codes/extract".into(),
        ..Request::default()
    };
    assert_eq!(request, bare, "{request}");
}

#[test]
fn the_model_agrees_with_every_decision() {
    let world = World::demo();
    let faults: Vec<String> =
        DECISIONS.iter().filter_map(|row| fault_of_model(&world, row)).collect();
    let some: Vec<&str> = faults.iter().take(20).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), some.join("\n"));
}

fn fault_of_model(world: &World, row: &Decision) -> Option<String> {
    let Expected { outcome, why } = expected(world, &Request::from(row));
    let action = outcome.action.as_deref().unwrap_or_default();
    let same = (outcome.status, outcome.reason.as_str(), action)
        == (row.status, row.reason.as_str(), row.action.as_str());
    (!same).then(|| format!("{row:?}\n    the model: {outcome:?}, because {why}"))
}
