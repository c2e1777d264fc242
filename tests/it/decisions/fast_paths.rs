//! What is remembered is what would be said: with and without the fast paths every answer is the
//! same, for the bundle that ships and for bundles that chance makes up, which look at paths and at
//! names in every way.

mod looks;

use std::{path::Path, sync::Arc, time::Duration};

use policy_store::{
    archive::Archive,
    bundle::{Bundle, File, Loader, Sources},
    watch::{BundleStore, Reload},
};
use proxy::{
    config::Tenancy,
    judge::workbench::{Verdict, Workbench},
};
use tests::{
    model::{Dice, Names, Object, Request, User, World, draw},
    people::ROUTES,
    seed::seed,
    stand::copy_tree,
};

use looks::{ATOMS, LATE_ATOMS, LOOKS, NAMING, SCOPES};
use tests::worlds::{ask, facts};

/// Bundles that are made up.
const BUNDLES: usize = 16;
/// Who asks: each may do much.
const WHO: [&str; 3] = ["kauvery-admin", "kauvery-doctor", "alpha-doctor"];
/// Facts live for longer than the test runs.
const TTL: Duration = Duration::from_hours(1);

/// Asks by a name only in the one way that it is given: in another it might be seen for the wrong reason.
fn expression(dice: &mut Dice, depth: usize, late: bool, naming: Option<&str>) -> String {
    let part = |dice: &mut Dice| expression(dice, depth.saturating_sub(1), late, naming);
    match dice.below(if depth == 0 { 1 } else { 6 }) {
        1 => format!("({} && {})", part(dice), part(dice)),
        2 => format!("({} || {})", part(dice), part(dice)),
        3 => format!("!{}", part(dice)),
        4 => format!("(if {} then {} else {})", part(dice), part(dice), part(dice)),
        _ => {
            if let Some(naming) = naming.filter(|_| dice.below(2) == 0) {
                return naming.to_owned();
            }
            let known = ATOMS.len() + if late { LATE_ATOMS.len() } else { 0 };
            let atoms: Vec<&str> = ATOMS.into_iter().chain(LATE_ATOMS).collect();
            atoms[dice.below(known)].to_owned()
        }
    }
}

fn forbid(number: usize, layer: &str, principal: &str, condition: &str) -> String {
    format!(
        "@id(\"random-{number}\")\n@layer(\"{layer}\")\n@reason(\"random_{number}\")\n@message(\"By chance\")\nforbid ({principal}, action in Action::\"request\", resource)\nwhen {{ {condition} }};\n"
    )
}

/// The bundle that ships, and this.
fn with(shipped: &Sources, text: &str) -> Sources {
    let mut sources = shipped.clone();
    sources.tests.clear();
    sources.policies.push(File { name: "random.cedar".to_owned(), text: Arc::from(text) });
    sources
}

/// The bundle that ships with some `forbid`s more; those that the gate would not accept are not made.
/// Half of them name no user.
fn made_up(dice: &mut Dice, loader: &mut Loader, shipped: &Sources) -> Bundle {
    const LAYERS: [&str; 5] = ["authentication", "boundary", "tenant", "workflow", "escalation"];
    loop {
        let (naming, scope) = match dice.below(8) {
            0..4 => (None, "principal is User"),
            4 => (None, SCOPES[dice.below(SCOPES.len())]),
            _ => (Some(NAMING[dice.below(NAMING.len())]), "principal is User"),
        };
        let policy = |number: usize, dice: &mut Dice| {
            let scope = if number == 0 { scope } else { "principal is User" };
            let layer = LAYERS[dice.below(LAYERS.len())];
            let late = !["authentication", "boundary"].contains(&layer);
            forbid(number, layer, scope, &expression(dice, 2, late, naming))
        };
        let text: String = (0..2).map(|number| policy(number, dice)).collect();
        if let Ok(bundle) = loader.load(with(shipped, &text)) {
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

/// Asks everything without memory, and twice with it. The words of the answers.
async fn compare(bundle: Bundle, world: &World, requests: &[Request], seed: u64) -> Vec<String> {
    let bundles = BundleStore::fixed(bundle);
    compare_by(&workbench(&bundles, world), &bundles, world, requests, seed).await
}

/// The same by one who may have been asked before, under other policies.
async fn compare_by(
    fast: &Workbench,
    bundles: &Arc<BundleStore>,
    world: &World,
    requests: &[Request],
    seed: u64,
) -> Vec<String> {
    let slow = workbench(bundles, world).forgetful();
    let (mut expected, mut words) = (Vec::new(), Vec::new());
    for request in requests {
        let verdict = slow.judge(&ask(request)).await.unwrap();
        expected.push(said(&verdict));
        words.push(verdict.reason().to_owned());
    }
    for time in ["first", "second"] {
        for (request, expected) in requests.iter().zip(&expected) {
            assert_eq!(
                &said(&fast.judge(&ask(request)).await.unwrap()),
                expected,
                "CEDARGATE_SEED={seed}: asked for the {time} time: {request}\n{}",
                bundles.current().bundle.sources().policies.last().unwrap().text
            );
        }
    }
    words
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
        let world = doubled(draw::world(&mut dice));
        let requests: Vec<Request> = (0..300).map(|_| draw::request(&mut dice, &world)).collect();
        let bundle = Loader::default().load(shipped()).unwrap();
        compare(bundle, &world, &by_twins_too(requests), seed).await;
    }
}

#[tokio::test]
async fn any_bundle_says_the_same() {
    let seed = seed();
    eprintln!("CEDARGATE_SEED={seed}");
    let (mut dice, shipped, world) = (Dice::new(seed), shipped(), doubled(World::demo()));
    let requests =
        WHO.iter().flat_map(|user| by_twins_too(everything(&world, user))).collect::<Vec<_>>();
    let (mut loader, mut random) = (Loader::default(), 0);
    // One gate sees them all, one swapped for the other, and rehearses each.
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"), &policies);
    std::fs::remove_dir_all(policies.join("tests")).unwrap();
    let archive = Archive::new(folder.path().join("archive"));
    let bundles = BundleStore::open(&policies, archive, Box::new(|_, _, _| {})).unwrap();
    let fast = workbench(&bundles, &world).rehearsing();
    for _ in 0..BUNDLES {
        let bundle = made_up(&mut dice, &mut loader, &shipped);
        let text = &bundle.sources().policies.last().unwrap().text;
        std::fs::write(policies.join("z-random.cedar"), &**text).unwrap();
        assert_eq!(bundles.reload(), Reload::Applied, "{text}");
        let words = compare_by(&fast, &bundles, &world, &requests, seed).await;
        random += words.iter().filter(|reason| reason.starts_with("random_")).count();
    }
    assert!(random > BUNDLES * 10, "only {random} requests met a policy that was made up");
}

/// A policy may ask about an object without a word about the one that is asked for: what is known
/// of it depends on whether that is the same.
#[tokio::test]
async fn an_object_that_a_policy_names_outright_is_told_apart() {
    let condition = r#"Patient::"patient-kauvery-1" has owner"#;
    let text = forbid(0, "tenant", "principal is User", condition);
    let bundle = Loader::default().load(with(&shipped(), &text)).unwrap();
    let world = doubled(World::demo());
    let words = compare(bundle, &world, &everything(&world, "kauvery-doctor"), 0).await;
    assert!(words.iter().any(|reason| reason == "random_0"));
}

/// Who is alike but for one thing is no twin.
#[tokio::test]
async fn callers_are_told_apart_by_each_thing_that_they_are() {
    let mut world = World::demo();
    let asked = everything(&world, "kauvery-doctor");
    let like = world.user("kauvery-doctor").unwrap().clone();
    let elsewhere = world.user("alpha-doctor").unwrap().organization.clone();
    let others = [
        User { id: "no-features".to_owned(), features: Names::new(), ..like.clone() },
        User { id: "no-roles".to_owned(), roles: Names::new(), ..like.clone() },
        User { id: "inactive".to_owned(), active: false, ..like.clone() },
        User { id: "elsewhere".to_owned(), organization: elsewhere, ..like },
    ];
    let by = |id: &str, it: &Request| Request { user: Some(id.to_owned()), ..it.clone() };
    let theirs = others.iter().flat_map(|other| asked.iter().map(|it| by(&other.id, it)));
    let requests: Vec<Request> = asked.iter().cloned().chain(theirs).collect();
    world.users.extend(others.clone());
    let bundle = Loader::default().load(shipped()).unwrap();
    let words = compare(bundle, &world, &requests, 0).await;
    let (own, theirs) = words.split_at(asked.len());
    for (words, other) in theirs.chunks(asked.len()).zip(&others) {
        assert_ne!(words, own, "{}", other.id);
    }
}

/// Callers who are alike at a glance ask for the same, one after the other.
#[tokio::test]
async fn a_caller_is_told_apart_by_all_that_is_looked_at() {
    const THEY: [&str; 4] =
        ["kauvery-doctor", "kauvery-doctor-plain", "alpha-doctor", "beta-nurse"];
    let (mut loader, shipped, mut world) = (Loader::default(), shipped(), World::demo());
    for user in &mut world.users {
        if THEY.contains(&&*user.id) {
            user.roles = Names::from(["DOCTOR".to_owned()]);
        }
    }
    let asked = THEY.map(|user| Request {
        user: Some(user.to_owned()),
        method: "GET".to_owned(),
        path: "/api/patients".to_owned(),
        ..Request::default()
    });
    for look in LOOKS {
        for layer in ["authentication", "boundary"] {
            let text = forbid(0, layer, "principal is User", look);
            let bundle =
                loader.load(with(&shipped, &text)).unwrap_or_else(|it| panic!("{it}\n{text}"));
            let words = compare(bundle, &world, &asked, 0).await;
            let met = words.iter().filter(|reason| *reason == "random_0").count();
            assert!((1..THEY.len()).contains(&met), "{look}: {words:?}");
        }
    }
}

/// Each way of looking at a caller by itself: two who are alike ask for the same, one after the other, and
/// the policy says yes to one of them and no to the other.
#[tokio::test]
async fn a_caller_who_is_looked_at_is_told_apart_from_its_twin() {
    let any = |condition| ("principal is User", condition);
    let named = NAMING.map(any).into_iter().chain(SCOPES.map(|scope| (scope, "true")));
    // A bundle in which nobody may touch a user at all would not be accepted.
    let user =
        |it| format!("resource is User && principal.roles.contains(Role::\"ORG_ADMIN\") && {it}");
    let itself = ["principal == resource", "[resource].contains(principal)"].map(user);
    let both = named.chain(itself.iter().map(|it| any(it)));
    let both = both.flat_map(|it| [("authentication", it), ("tenant", it)]);
    // What is known of an object before it is looked up: nothing, unless it is the caller.
    let known = user("resource has owner");
    let texts = both.chain([("authentication", any(&known))]);
    let texts = texts.map(|(layer, (principal, when))| forbid(0, layer, principal, when));
    assert_tells_twins_apart(texts.collect(), None).await;
}

/// The same for whether they may act in a tenant.
#[tokio::test]
async fn who_may_act_in_a_tenant_is_told_apart_from_its_twin() {
    let texts = ["authentication", "tenant"].into_iter().flat_map(|layer| {
        let scopes = SCOPES.map(|scope| (scope, "true"));
        let when = ("principal is User", r#"User::"kauvery-admin" has organization"#);
        scopes.into_iter().chain([when]).map(move |(principal, when)| {
            let text = forbid(0, layer, principal, when);
            text.replace(r#"in Action::"request""#, r#"== Action::"act_in""#)
        })
    });
    assert_tells_twins_apart(texts.collect(), Some("kauvery")).await;
}

/// Asks for people and patients of a tenant, if it is to be named, by bundles with each of these policies. Not
/// all of them would be accepted: some look at an object before it is looked up.
async fn assert_tells_twins_apart(texts: Vec<String>, tenant: Option<&str>) {
    let (mut loader, shipped, world) = (Loader::default(), shipped(), doubled(World::demo()));
    let asked = ["kauvery-admin", "kauvery-doctor"].map(|user| everything(&world, user));
    let mut asked: Vec<Request> = asked.into_iter().flatten().collect();
    let wanted = ["/api/admin/users/", "/api/patients/"];
    asked.retain(|it| wanted.iter().any(|start| it.path.starts_with(start)));
    for request in &mut asked {
        request.tenant = tenant.map(str::to_owned);
    }
    for text in texts {
        let bundle =
            loader.unproven(with(&shipped, &text)).unwrap_or_else(|it| panic!("{it}\n{text}"));
        let words = compare(bundle, &world, &by_twins_too(asked.clone()), 0).await;
        let (ones, others) = words.split_at(asked.len());
        assert_ne!(ones, others, "nobody is told apart by {text}");
    }
}

/// Everybody and everything once more, alike in all but the name.
fn doubled(mut world: World) -> World {
    let objects: Vec<Object> =
        world.objects.iter().map(|it| Object { id: twin(&it.id), ..it.clone() }).collect();
    world.objects.extend(objects);
    let users: Vec<User> =
        world.users.iter().map(|it| User { id: twin(&it.id), ..it.clone() }).collect();
    world.users.extend(users);
    world
}

fn twin(id: &str) -> String {
    format!("{id}-twin")
}

/// These, and the same asked by the twins of those who ask.
fn by_twins_too(mut requests: Vec<Request>) -> Vec<Request> {
    let twins: Vec<Request> = requests
        .iter()
        .map(|it| Request { user: it.user.as_deref().map(twin), ..it.clone() })
        .collect();
    requests.extend(twins);
    requests
}

/// What `user` may ask of every object of its organisation and of its twin, and of a few people,
/// itself and its twin among them.
fn everything(world: &World, user: &str) -> Vec<Request> {
    let own = world.users.iter().find(|it| it.id == user).unwrap().organization.clone();
    let people = || {
        let others = world.users.iter().filter(|it| it.organization == own && it.id != user);
        others.take(3).map(|it| it.id.clone()).chain([user.to_owned(), twin(user)])
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
