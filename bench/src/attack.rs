//! `tests/bench attack`: memory, descriptors and disk of a gate under each of the attacks that its limits are for, and
//! what honest clients notice.
//!
//! Attackers, honest clients and upstream share one core, the gate has the other. So a part of what honest clients
//! notice is the attackers' appetite for that core: attackers keep to a rate, which the table gives.

mod attackers;
mod watch;

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tests::seed::seed;

use super::arguments::Arguments;
use super::drive::{Asked, Moment, Until, closed, paced};
use super::gates::{self, Settings};
use super::report::{origin, write};
use super::subject::{Judges, Subject};
use super::table::Table;
use super::world::World;
use attackers::{ATTACKS, Attack, Target};
use watch::Seen;

/// The connections that honest clients may take.
const CONNECTIONS: usize = 32;
/// How long the gate is looked at before the attack begins.
const CALM: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_secs(1);

/// What became of one attack.
struct Run {
    attack: &'static Attack,
    seen: Vec<Seen>,
    before: Honest,
    during: Honest,
    /// What the attackers say of it.
    told: String,
}

/// What honest clients saw.
struct Honest {
    p99: f64,
    longest: f64,
    wrong: u64,
}

/// Measures each attack on a gate of its own.
pub(crate) async fn measure(arguments: &Arguments) {
    let world = World::make(seed()).await;
    let expected = world.expected(Judges::TokensAndRoles, true);
    let chosen = |attack: &&Attack| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == attack.name)
    };
    let mut runs = Vec::new();
    for attack in ATTACKS.iter().filter(chosen) {
        let gate = start(&world, attack.name);
        let asked = Asked { address: gate.address, samples: &world.samples, expected: &expected };
        closed(asked, CONNECTIONS, Until::Once);
        let run = run(attack, (&world, &gate), asked, arguments);
        println!("{}", line(&run).join("  "));
        runs.push(run);
    }
    report(&runs, arguments);
}

fn start(world: &World, name: &'static str) -> Subject {
    let settings = Settings {
        name,
        database: world.database.clone(),
        policies: world.policies.clone(),
        program: super::gate_program(),
        cores: "0",
        values: Vec::new(),
    };
    gates::start(&world.setting, &settings).unwrap()
}

fn run(
    attack: &'static Attack,
    (world, gate): (&World, &Subject),
    asked: Asked<'_>,
    arguments: &Arguments,
) -> Run {
    let time = arguments.time();
    let person = world.people.iter().find(|it| it.roles == ["OTHER"]).unwrap();
    let began = Instant::now();
    let target = Target {
        proxy: gate.address,
        admin: gate.admin.unwrap(),
        token: person.token.clone(),
        from: began + CALM,
        until: began + CALM + time,
    };
    let (process, admin) = (gate.processes[0].id(), target.admin);
    let disk = world.setting.folder.join(attack.name).join("audit");
    std::thread::scope(|scope| {
        let until = target.until;
        let watched = scope.spawn(move || watch::until(until, process, &disk, admin));
        let attacked = scope.spawn(move || attackers::run(attack, &target));
        let (_, moments) = paced(asked, CONNECTIONS, arguments.rate, CALM + time, WINDOW);
        let calm = usize::try_from(CALM.as_secs()).unwrap();
        Run {
            attack,
            seen: watched.join().unwrap(),
            before: Honest::of(&moments[1..calm]),
            during: Honest::of(&moments[calm..]),
            told: attacked.join().unwrap(),
        }
    })
}

impl Honest {
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    fn of(moments: &[Moment]) -> Self {
        let mut all = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap();
        for moment in moments {
            all.add(&moment.latency).unwrap();
        }
        let wrong = moments.iter().map(|moment| moment.wrong).sum();
        let (p99, longest) = (all.value_at_percentile(99.0), all.max());
        Self { p99: p99 as f64 / 1e3, longest: longest as f64 / 1e3, wrong }
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes")]
fn line(run: &Run) -> Vec<String> {
    let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
    let calm = usize::try_from(CALM.as_secs()).unwrap() - 1;
    let (before, last) = (&run.seen[calm.min(run.seen.len() - 1)], run.seen.last().unwrap());
    let half = &run.seen[usize::midpoint(calm, run.seen.len() - 1)];
    let seconds = (last.at - before.at).as_secs_f64();
    let most = run.seen.iter().map(|seen| seen.descriptors).max().unwrap();
    let probe = run.seen.iter().map(|seen| seen.probe).max().unwrap();
    let written = (last.disk.saturating_sub(before.disk)) as f64 / seconds / 1e3;
    vec![
        run.attack.name.to_owned(),
        run.told.clone(),
        [mib(before.memory), mib(half.memory), mib(last.memory)].join(", "),
        format!("{}, {most}", before.descriptors),
        format!("{written:.0}"),
        format!("{:.1}, {:.1}", run.before.p99, run.during.p99),
        format!("{:.0}", run.during.longest),
        (run.before.wrong + run.during.wrong).to_string(),
        format!("{:.0}", probe.as_secs_f64() * 1e3),
    ]
}

fn report(runs: &[Run], arguments: &Arguments) {
    let head = [
        "attack",
        "what attackers did",
        "memory before, half way, at the end, MiB",
        "descriptors before, most",
        "journal, kB/s",
        "p99 before, meanwhile, ms",
        "longest, ms",
        "wrong answers",
        "longest probe, ms",
    ];
    let mut table = Table::new(&head);
    for run in runs {
        table.row(line(run));
    }
    println!("\n{table}");
    for run in runs {
        println!("{}: {}", run.attack.name, run.attack.about);
    }
    let told = format!(
        "Each attack for {} s, after {} s of calm; {} honest requests a second.",
        arguments.time().as_secs(),
        CALM.as_secs(),
        arguments.rate,
    );
    write("attack.md", &format!("{told}\n\n{table}\n{}\n", origin("tests/bench attack")));
}
