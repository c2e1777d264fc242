//! `tests/bench compare`: every subject before the same upstream, under the same load, in interleaved rounds.

use serde::Serialize;
use tests::model::dice::Dice;
use tests::seed::seed;

use super::arguments::Arguments;
use super::drive::{Asked, Taken, Until, closed};
use super::subject::{Judges, Peer, Setting, Subject};
use super::usage::{memory, spent};
use super::world::{Planned, Sample, World};
use super::{bare, gates, peers, report};
use std::time::Duration;

/// Before each measurement, unmeasured.
const WARM: Duration = Duration::from_millis(500);
/// A measurement during which others used more than this of a core is done again.
const DISTURBED: f64 = 0.06;
const TRIES: usize = 3;

/// One measurement of one subject.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reading {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Processor time for each request in microseconds.
    pub(crate) cost: f64,
    /// Latencies in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Resident, in MiB.
    pub(crate) memory: f64,
    /// How much of a core others used meanwhile.
    pub(crate) others: f64,
    pub(crate) reopened: u64,
}

/// A subject with what was measured of it.
pub(crate) struct Contender {
    pub(crate) subject: Subject,
    expected: Vec<u16>,
    /// One of each round.
    pub(crate) readings: Vec<Reading>,
}

/// Measures, prints, and writes the report.
pub(crate) async fn measure(arguments: &Arguments) {
    let world = World::make(seed()).await;
    describe(&world);
    let mut contenders = start(&world, &arguments.only, arguments.connections);
    let mut dice = Dice::new(world.seed);
    for round in 1..=arguments.rounds {
        println!("round {round} of {}", arguments.rounds);
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        for place in (1..order.len()).rev() {
            order.swap(place, dice.below(place + 1));
        }
        for place in order {
            let contender = &mut contenders[place];
            let reading = calm(contender, &world.samples, arguments.connections, arguments.time());
            contender.readings.push(reading);
        }
    }
    report::comparison(arguments, &world, &contenders);
}

fn describe(world: &World) {
    let count = |wanted: Planned| world.samples.iter().filter(|it| it.planned == wanted).count();
    println!(
        "{} people of {} organisations, {} requests ({} reads) on {} routes: {} allowed, {} of a wrong role, {} without \
         a good token; CEDARGATE_SEED={}",
        world.people.len(),
        super::world::ORGANIZATIONS,
        world.samples.len(),
        world.samples.iter().filter(|it| it.method == "GET").count(),
        world.setting.routes.len(),
        count(Planned::Allowed),
        count(Planned::WrongRole),
        count(Planned::BadToken),
        world.seed,
    );
}

/// The upstream itself: what the load can do.
fn direct() -> Peer {
    let (name, label) = ("direct", "no proxy: the load straight to the upstream");
    let start = move |setting: &Setting| {
        Ok(Subject {
            name,
            label,
            version: String::new(),
            judges: Judges::Nothing,
            exact: true,
            address: setting.upstream,
            admin: None,
            processes: Vec::new(),
        })
    };
    Peer { name, label, start: Box::new(start) }
}

/// Everything that can be measured, in the order of the report.
fn all(world: &World) -> Vec<Peer> {
    let mut all = vec![direct(), bare::peer()];
    all.extend(gates::all(world));
    all.extend(peers::all());
    all
}

/// Starts those that are wanted, and has each answer everything once. The gate is always among those: it is asked whether the
/// requests are planned as it decides.
fn start(world: &World, only: &[String], connections: usize) -> Vec<Contender> {
    let always = [bare::NAME, gates::FULL];
    let wanted = |it: &Peer| only.is_empty() || only.iter().any(|name| name == it.name);
    let (mut contenders, mut left_out) = (Vec::new(), Vec::new());
    for peer in all(world) {
        if !wanted(&peer) && !always.contains(&peer.name) {
            continue;
        }
        let started = (peer.start)(&world.setting).and_then(|subject| {
            let expected = world.expected(subject.judges, subject.exact);
            let mut contender = Contender { subject, expected, readings: Vec::new() };
            contender.check(&world.samples, connections)?;
            Ok(contender)
        });
        match started {
            Ok(contender) if wanted(&peer) || peer.name == bare::NAME => contenders.push(contender),
            Ok(_) => {}
            Err(reason) => {
                assert!(!always.contains(&peer.name), "{}: {reason}", peer.name);
                println!("left out: {} ({}): {reason}", peer.name, peer.label);
                left_out.push(peer.name);
            }
        }
    }
    contenders
}

impl Contender {
    fn asked<'a>(&'a self, samples: &'a [Sample]) -> Asked<'a> {
        Asked { address: self.subject.address, samples, expected: &self.expected }
    }

    /// Whether everything is answered as it must be.
    fn check(&mut self, samples: &[Sample], connections: usize) -> Result<(), String> {
        let taken = closed(self.asked(samples), connections, Until::Once);
        println!("{:<24} {} answers, {} wrong", self.subject.name, taken.answers, taken.wrong);
        if taken.wrong > 0 { Err(taken.described.join("; ")) } else { Ok(()) }
    }
}

/// Measures, again when others used the machine: the calmest counts.
fn calm(it: &Contender, samples: &[Sample], connections: usize, time: Duration) -> Reading {
    let mut calmest: Option<Reading> = None;
    for _ in 0..TRIES {
        let reading = once(it, samples, connections, time);
        let Reading { rate, cost, p99, others, .. } = reading;
        println!(
            "  {:<24} {rate:>8.0} req/s, {cost:>6.1} us, p99 {p99:>6.2} ms; others used {:.0} % of a core",
            it.subject.name,
            others * 100.0
        );
        if calmest.as_ref().is_none_or(|calmest| reading.others < calmest.others) {
            calmest = Some(reading);
        }
        if others <= DISTURBED {
            break;
        }
    }
    calmest.unwrap()
}

fn once(it: &Contender, samples: &[Sample], connections: usize, time: Duration) -> Reading {
    closed(it.asked(samples), connections, Until::Passed(WARM));
    let before = spent(Some(&it.subject));
    let taken = closed(it.asked(samples), connections, Until::Passed(time));
    let spent = spent(Some(&it.subject)) - before;
    assert!(taken.wrong == 0, "{}: {}", it.subject.name, taken.described.join("; "));
    reading(&taken, spent.subject, spent.by_others(taken.seconds), memory(&it.subject))
}

#[expect(clippy::cast_precision_loss, reason = "a count that is divided by")]
fn reading(taken: &Taken, seconds: f64, others: f64, memory: f64) -> Reading {
    Reading {
        rate: taken.rate(),
        cost: seconds * 1e6 / taken.answers as f64,
        p50: taken.percentile(50.0),
        p99: taken.percentile(99.0),
        p999: taken.percentile(99.9),
        memory,
        others,
        reopened: taken.reopened,
    }
}
