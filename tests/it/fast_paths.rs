//! What is remembered is what would be said: with and without the fast paths every answer is the
//! same, for the bundle that ships and for bundles that chance makes up, which look at paths and at
//! names in every way.

use std::{path::Path, sync::Arc, time::Duration};

use policy_store::{
    bundle::{Bundle, File, Loader, Sources},
    watch::BundleStore,
};
use proxy::{
    config::Tenancy,
    workbench::{Verdict, Workbench},
};
use tests::{
    model::{Dice, Object, Request, World, draw},
    people::ROUTES,
    seed::seed,
};

use crate::model::workbench::{ask, facts};

/// Bundles that are made up.
const BUNDLES: usize = 16;
/// Who asks: each may do much.
const WHO: [&str; 3] = ["kauvery-admin", "kauvery-doctor", "alpha-doctor"];
/// Facts live for longer than the test runs.
const TTL: Duration = Duration::from_hours(1);

/// What a policy of a made-up bundle may ask.
const ATOMS: [&str; 21] = [
    r#"context.path like "/api/patients*""#,
    r#"context.path like "*/visits/*""#,
    r#"context.path like "*-1""#,
    r#"["/api/patients/patient-kauvery-1", "/api/visits/visit-alpha-1"].contains(context.path)"#,
    r"context.path == context.method",
    r#"[context.path].contains("/api/admin/users/kauvery-doctor")"#,
    r#"(resource is Patient && resource == Patient::"patient-kauvery-1")"#,
    r#"(resource is Patient && [resource].contains(Patient::"patient-beta-1"))"#,
    r#"(resource is Visit && resource in [Visit::"visit-kauvery-1"])"#,
    r#"Patient::"patient-kauvery-1" has owner"#,
    r"(resource is User && principal == resource)",
    r"(resource is User && resource has organization && principal has organization && resource.organization == principal.organization)",
    r"(resource is Patient && resource has owner && principal has organization && resource.owner == principal.organization)",
    r#"(resource is Patient && resource has workflow && resource.workflow == "prior_auth")"#,
    r#"(resource is Organization && resource.slug like "k*")"#,
    r#"(context has workflow && context.workflow == "prior_auth")"#,
    r#"context.body_fields.contains("name")"#,
    r#"context.method == "GET""#,
    r#"principal == User::"kauvery-doctor""#,
    r#"principal.roles.contains(Role::"NURSE")"#,
    r#"(context has tenant && context.tenant.slug like "k*")"#,
];

fn expression(dice: &mut Dice, depth: usize) -> String {
    let part = |dice: &mut Dice| expression(dice, depth.saturating_sub(1));
    match dice.below(if depth == 0 { 1 } else { 6 }) {
        1 => format!("({} && {})", part(dice), part(dice)),
        2 => format!("({} || {})", part(dice), part(dice)),
        3 => format!("!{}", part(dice)),
        4 => format!("(if {} then {} else {})", part(dice), part(dice), part(dice)),
        _ => ATOMS[dice.below(ATOMS.len())].to_owned(),
    }
}

/// The bundle that ships with some `forbid`s more; those that the gate would not accept are not made.
fn made_up(dice: &mut Dice, loader: &mut Loader, shipped: &Sources) -> Bundle {
    const LAYERS: [&str; 5] = ["authentication", "boundary", "tenant", "workflow", "escalation"];
    loop {
        let policy = |number: usize, dice: &mut Dice| {
            let (layer, when) = (LAYERS[dice.below(LAYERS.len())], expression(dice, 2));
            format!(
                "@id(\"random-{number}\")\n@layer(\"{layer}\")\n@reason(\"random_{number}\")\n@message(\"By chance\")\nforbid (principal is User, action in Action::\"request\", resource)\nwhen {{ {when} }};\n"
            )
        };
        let text: String = (0..2).map(|number| policy(number, dice)).collect();
        let mut sources = shipped.clone();
        sources.tests.clear();
        sources.policies.push(File { name: "random.cedar".to_owned(), text: Arc::from(text) });
        if let Ok(bundle) = loader.load(sources) {
            return bundle;
        }
    }
}

fn workbench(bundles: &Arc<BundleStore>, world: &World) -> Workbench {
    let suffix = Some(".clinics.example".to_owned());
    let tenancy = Tenancy { host_suffix: suffix, hosts: world.hosts.clone(), ..Tenancy::default() };
    Workbench::unwitnessed(Arc::clone(bundles), Arc::new(facts(world)), tenancy, TTL).unwrap()
}

/// All that a client and an auditor see of it.
fn said(verdict: &Verdict) -> String {
    let record = &verdict.record;
    format!(
        "{:?} {:?} {:?} {:?} {}",
        verdict.answer, record.decision, record.policies, record.tenant_id, record.broke_glass
    )
}

/// Asks everything with and without memory, the former twice. How much was refused by a random policy.
async fn compare(bundle: Bundle, world: &World, requests: &[Request], seed: u64) -> usize {
    let bundles = BundleStore::fixed(bundle);
    let (fast, slow) = (workbench(&bundles, world), workbench(&bundles, world).forgetful());
    let mut random = 0;
    for time in ["first", "second"] {
        for request in requests {
            let ask = ask(request);
            let (fast, slow) = (fast.judge(&ask).await.unwrap(), slow.judge(&ask).await.unwrap());
            assert_eq!(
                said(&fast),
                said(&slow),
                "CEDARGATE_SEED={seed}: asked for the {time} time: {request}\n{}",
                bundles.current().bundle.sources().policies.last().unwrap().text
            );
            random += usize::from(slow.reason().starts_with("random_"));
        }
    }
    random
}

fn shipped() -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    Sources::read(&folder).unwrap_or_else(|findings| panic!("{findings}"))
}

#[tokio::test]
async fn the_bundle_that_ships_says_the_same_in_any_world() {
    let seed = seed();
    eprintln!("CEDARGATE_SEED={seed}");
    let mut dice = Dice::new(seed);
    for _ in 0..8 {
        let world = draw::world(&mut dice);
        let requests: Vec<Request> = (0..300).map(|_| draw::request(&mut dice, &world)).collect();
        let bundle = Loader::default().load(shipped()).unwrap();
        compare(bundle, &world, &requests, seed).await;
    }
}

#[tokio::test]
async fn any_bundle_says_the_same() {
    let seed = seed();
    eprintln!("CEDARGATE_SEED={seed}");
    let (mut dice, shipped, mut world) = (Dice::new(seed), shipped(), World::demo());
    let twins: Vec<Object> = world.objects.iter().map(twin).collect();
    world.objects.extend(twins);
    let requests: Vec<Request> = WHO.iter().flat_map(|user| everything(&world, user)).collect();
    let (mut loader, mut random) = (Loader::default(), 0);
    for _ in 0..BUNDLES {
        let bundle = made_up(&mut dice, &mut loader, &shipped);
        random += compare(bundle, &world, &requests, seed).await;
    }
    assert!(random > BUNDLES * 10, "only {random} requests met a policy that was made up");
}

/// A policy may ask about an object without a word about the one that is asked for: what is known
/// of it depends on whether that is the same.
#[tokio::test]
async fn an_object_that_a_policy_names_outright_is_told_apart() {
    let (mut sources, mut world) = (shipped(), World::demo());
    let twins: Vec<Object> = world.objects.iter().map(twin).collect();
    world.objects.extend(twins);
    let text = r#"@id("random-0") @layer("tenant") @reason("random_0") @message("By chance")
forbid (principal is User, action in Action::"request", resource)
when { Patient::"patient-kauvery-1" has owner };"#;
    sources.tests.clear();
    sources.policies.push(File { name: "random.cedar".to_owned(), text: Arc::from(text) });
    let bundle = Loader::default().load(sources).unwrap();
    assert!(compare(bundle, &world, &everything(&world, "kauvery-doctor"), 0).await > 0);
}

/// An object like this one in all but its name.
fn twin(object: &Object) -> Object {
    Object { id: format!("{}-twin", object.id), ..object.clone() }
}

/// What `user` may ask of every object of its organisation and of its twin, and of a few people,
/// itself among them.
fn everything(world: &World, user: &str) -> Vec<Request> {
    let own = world.users.iter().find(|it| it.id == user).unwrap().organization.clone();
    let people = || {
        let others = world.users.iter().filter(|it| it.organization == own && it.id != user);
        others.take(3).map(|it| it.id.clone()).chain([user.to_owned()])
    };
    let mut requests = Vec::new();
    for route in ROUTES.iter().filter(|route| route.path.contains('{')) {
        let of_type = |object: &&Object| object.kind == route.resource && object.owner == own;
        let ids: Vec<String> = match route.resource.as_str() {
            "User" => people().collect(),
            _ => world.objects.iter().filter(of_type).map(|it| it.id.clone()).collect(),
        };
        requests.extend(ids.into_iter().map(|id| {
            let parts = route.path.split('/').map(|part| match part {
                "{workflow}" => "patient_questions",
                _ if part.starts_with('{') => &id,
                _ => part,
            });
            let path = parts.collect::<Vec<_>>().join("/");
            let (user, method) = (Some(user.to_owned()), route.method.clone());
            Request { user, method, path, ..Request::default() }
        }));
    }
    requests
}
