//! What is varied, from which value to which.

use std::fs;

use serde_json::json;
use tests::tokens::TRUSTED;

use super::{Case, enlarged, gate};
use crate::CONNECTIONS;
use crate::baseline;
use crate::subject::{Judges, Subject};
use crate::world::requests::spell;
use crate::world::{Mix, Planned, REAL, Sample, World};

/// In the order of the page.
pub(super) const NAMES: [&str; 6] =
    ["workers", "policies", "users", "connections", "denied", "bodies"];

/// One thing that is varied.
pub(super) struct Axis {
    pub(super) title: String,
    /// What its values are.
    pub(super) unit: &'static str,
    /// Whether its picture is drawn on a logarithmic axis.
    pub(super) log: bool,
    pub(super) gates: Vec<Subject>,
    pub(super) cases: Vec<Case>,
}

/// One of [`NAMES`].
pub(super) async fn axis(name: &str, world: &World) -> Axis {
    match name {
        "workers" => workers(world),
        "policies" => policies(world),
        "users" => users(world).await,
        "connections" => connections(world),
        "denied" => denied(world),
        _ => bodies(world),
    }
}

fn float(value: usize) -> f64 {
    f64::from(u32::try_from(value).unwrap())
}

fn case(value: usize, gate: usize, samples: Vec<Sample>) -> Case {
    Case {
        value: float(value),
        label: value.to_string(),
        gate,
        samples,
        connections: CONNECTIONS,
        judges: Judges::TokensAndRoles,
    }
}

fn workers(world: &World) -> Axis {
    let start = |name, cores, workers: usize| {
        gate(world, name, |it| {
            it.cores = cores;
            it.values = vec![("/workers", json!(workers))];
        })
    };
    let gates = vec![start("workers-1", "0", 1), start("workers-2", "0,1", 2)];
    let cases = [1, 2].map(|value| case(value, value - 1, world.samples.clone()));
    Axis { title: "Workers".into(), unit: "workers", log: false, gates, cases: cases.into() }
}

fn policies(world: &World) -> Axis {
    let shipped = fs::read_dir(&world.policies).unwrap().flatten().map(|it| it.path());
    let cedar = shipped.filter(|path| path.extension().is_some_and(|it| it == "cedar"));
    let count: usize =
        cedar.map(|it| fs::read_to_string(it).unwrap().matches("@id(").count()).sum();
    let (mut gates, mut cases) = (Vec::new(), Vec::new());
    let names = ["policies-0", "policies-100", "policies-1000", "policies-10000"];
    for (name, more) in names.into_iter().zip([0, 100, 1_000, 10_000]) {
        gates.push(gate(world, name, |it| {
            if more > 0 {
                it.policies = enlarged(world, more);
            }
        }));
        cases.push(case(count + more, gates.len() - 1, world.samples.clone()));
    }
    Axis { title: "Policies".into(), unit: "policies", log: true, gates, cases }
}

async fn users(world: &World) -> Axis {
    let jwks = world.setting.folder.join("jwks-all.json");
    fs::write(&jwks, TRUSTED.key_set().to_string()).unwrap();
    let (mut gates, mut cases) = (Vec::new(), Vec::new());
    for (name, count) in [("users-10", 10), ("users-1000", 1_000), ("users-100000", 100_000)] {
        gates.push(gate(world, name, |it| {
            // So long that they are all there while they are measured.
            it.values = vec![
                ("/facts/ttl", json!("60s")),
                ("/jwt/issuers/0/jwks", json!(jwks)),
                ("/jwt/issuers/0/algorithms", json!(["EdDSA"])),
            ];
        }));
        cases.push(case(count, gates.len() - 1, world.crowd(count).await));
    }
    let title = "Users whose facts are in memory (facts 60 s old at most, one route)".into();
    Axis { title, unit: "users", log: true, gates, cases }
}

/// Bare pingora beside the gate: connections cost it, too.
fn connections(world: &World) -> Axis {
    let of = |connections| Case { connections, ..case(connections, 0, world.samples.clone()) };
    let mut cases = [1, 8, 32, 128, 512, 2_000].map(of).into_iter().collect::<Vec<Case>>();
    cases.extend([1, 8, 32, 128, 512, 2_000].map(|connections| {
        let label = format!("{connections}, bare pingora");
        Case { label, gate: 1, judges: Judges::Nothing, ..of(connections) }
    }));
    let own = gate(world, "connections", |it| {
        // Two thousand at once for facts that are too old would measure the database, which has to
        // share its core with the load here.
        it.values = vec![("/facts/ttl", json!("60s")), ("/facts/timeout", json!("5s"))];
    });
    let gates = vec![own, (baseline::peer().start)(&world.setting).unwrap()];
    let title = "Connections (facts 60 s old at most)".into();
    Axis { title, unit: "connections", log: true, gates, cases }
}

fn denied(world: &World) -> Axis {
    let cases = [0, 10, 25, 50, 100].map(|percent| {
        let samples = world.draw(Mix { denied: percent, ..REAL });
        Case { label: format!("{percent} %"), ..case(percent, 0, samples) }
    });
    let gates = vec![gate(world, "denied", |_| {})];
    let title = "Refused requests (public routes are never refused)".into();
    Axis { title, unit: "refused", log: false, gates, cases: cases.into() }
}

/// To a route that forwards its body unread.
fn bodies(world: &World) -> Axis {
    const KIB: usize = 1024;
    let doctor = world.people.iter().find(|it| it.roles.contains(&"DOCTOR")).unwrap();
    let sizes = [(0, "0"), (1, "1 KiB"), (64, "64 KiB"), (KIB, "1 MiB"), (10 * KIB, "10 MiB")];
    let cases = sizes.map(|(kib, label)| {
        let (method, path) = ("POST", "/api/codes/extract");
        let text = (kib > 0).then(|| json!("x".repeat(kib * KIB - 2)));
        let bytes = spell(method, path, Some(&doctor.token), text.as_ref());
        let (method, path) = (method.to_owned(), path.to_owned());
        let sample = Sample { method, path, planned: Planned::Allowed, bytes };
        // One more, so that the axis can be logarithmic.
        Case { label: label.to_owned(), ..case(kib + 1, 0, vec![sample]) }
    });
    let gates = vec![gate(world, "bodies", |_| {})];
    Axis {
        title: "Bodies that are not judged".into(),
        unit: "KiB",
        log: true,
        gates,
        cases: cases.into(),
    }
}
