//! `tests/bench compare`: every subject before the same upstream, under the same load, in interleaved rounds.

use tests::model::dice::Dice;
use tests::seed::seed;

use super::arguments::Arguments;
use super::drive::{Asked, Until, closed};
use super::measure::{Reading, calm};
use super::subject::{Judges, Peer, Setting, Subject};
use super::world::{Planned, Sample, World};
use super::{baseline, gates, peers, report};

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
    let (mut contenders, left_out) = start(&world, &arguments.only, arguments.connections);
    let mut dice = Dice::new(world.seed);
    for round in 1..=arguments.rounds {
        println!("round {round} of {}", arguments.rounds);
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        for place in (1..order.len()).rev() {
            order.swap(place, dice.below(place + 1));
        }
        for place in order {
            let contender = &mut contenders[place];
            let asked = contender.asked(&world.samples);
            let (connections, time) = (arguments.connections, arguments.time());
            let reading = calm(&contender.subject, asked, connections, time);
            contender.readings.push(reading);
        }
    }
    report::comparison(arguments, &world, &contenders, &left_out);
    let wrong: u64 = contenders.iter().flat_map(|it| &it.readings).map(|it| it.wrong).sum();
    assert!(wrong == 0, "{wrong} answers were not what they must be");
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
    let mut all = vec![direct(), baseline::peer()];
    all.extend(gates::all(world));
    all.extend(peers::all());
    all
}

/// Starts those that are wanted, and has each answer everything once. The gate is always among those: it is asked
/// whether the requests are planned as it decides.
fn start(world: &World, only: &[String], connections: usize) -> (Vec<Contender>, Vec<String>) {
    let always = [baseline::NAME, gates::FULL];
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
            Ok(contender) if wanted(&peer) || peer.name == baseline::NAME => {
                contenders.push(contender);
            }
            Ok(_) => {}
            Err(reason) => {
                assert!(!always.contains(&peer.name), "{}: {reason}", peer.name);
                println!("left out: {} ({}): {reason}", peer.name, peer.label);
                left_out.push(format!(
                    "`{}`: {}",
                    peer.name,
                    reason.lines().next().unwrap_or_default()
                ));
            }
        }
    }
    (contenders, left_out)
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
