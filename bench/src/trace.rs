//! `tests/bench trace`: latency at a fixed rate, while what happens in the life of a gate happens.

mod events;

use std::time::Duration;

use serde_json::json;
use tests::metrics::Metrics;
use tests::seed::seed;
use tests::stand::copy_tree;
use tests::wait::eventually;

use super::arguments::Arguments;
use super::chart::{self, Line, Log, Mark};
use super::drive::{Asked, Moment, Until, closed, paced};
use super::gates::{self, Settings};
use super::median;
use super::report::{origin, write};
use super::subject::{Judges, Subject};
use super::table::Table;
use super::world::World;
use events::Watched;

const LENGTH: Duration = Duration::from_secs(56);
const WINDOW: Duration = Duration::from_millis(250);
/// The load is so much of what the gate can bear.
const SHARE: f64 = 0.5;
/// When a segment of the journal is to end.
const SEGMENT_ENDS: f64 = 28.0;
/// More than the closed load has: whoever waits holds a connection.
const CONNECTIONS: usize = 256;
/// What an event may be seen in after it.
const SEEN: f64 = 2.5;

/// Measures once without events and once with them.
pub(crate) async fn measure(_: &Arguments) {
    let world = World::make(seed()).await;
    let expected = world.expected(Judges::TokensAndRoles, true);
    let asked = |gate: &Subject| Asked {
        address: gate.address,
        samples: &world.samples,
        expected: &expected,
    };
    let gate = start(&world, "trace-capacity", "4GiB").await;
    let warm = closed(asked(&gate), super::CONNECTIONS, Until::Once);
    let bears =
        closed(asked(&gate), super::CONNECTIONS, Until::Passed(Duration::from_secs(4))).rate();
    let written = events::journal(&world, "trace-capacity").bytes;
    let rate = bears * SHARE;
    println!("it bears {bears:.0} requests a second; {rate:.0} are sent");
    let share =
        rate * SEGMENT_ENDS / (f64::from(u32::try_from(warm.answers).unwrap()) + 4.0 * bears);
    drop(gate);
    let run = async |name, segment: &str, eventful| {
        let gate = start(&world, name, segment).await;
        closed(asked(&gate), super::CONNECTIONS, Until::Once);
        std::thread::scope(|scope| {
            let watched = scope.spawn(|| events::watch(&world, name, LENGTH, eventful));
            let (taken, moments) = paced(asked(&gate), CONNECTIONS, rate, LENGTH, WINDOW);
            for wrong in taken.described {
                println!("{wrong}");
            }
            Run { moments, watched: watched.join().unwrap() }
        })
    };
    let base = run("trace-base", "4GiB", false).await;
    let eventful = run("trace-events", &format!("{:.0}", written * share), true).await;
    report(rate, &base, &eventful);
}

/// What became of the requests, and what happened meanwhile.
struct Run {
    moments: Vec<Moment>,
    watched: Watched,
}

async fn start(world: &World, name: &'static str, segment: &str) -> Subject {
    let folder = world.setting.folder.join(name);
    copy_tree(&world.policies, &folder.join("policies"));
    let jwks = folder.join("jwks.json");
    std::fs::copy(&world.setting.jwks, &jwks).unwrap();
    let settings = Settings {
        name,
        database: world.database.clone(),
        policies: folder.join("policies"),
        program: super::gate_program(),
        cores: "0",
        values: vec![("/audit/segment_size", json!(segment)), ("/jwt/issuers/0/jwks", json!(jwks))],
    };
    let gate = gates::start(&world.setting, &settings).unwrap();
    eventually("the gate listens to changes", || async {
        let metrics = Metrics::at(gate.admin.unwrap()).await;
        (metrics.sum("cedargate_facts_push_up", &[]) > 0.0).then_some(())
    })
    .await;
    gate
}

#[expect(clippy::cast_precision_loss, reason = "microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// The windows that begin from one time to another.
fn between(moments: &[Moment], from: f64, to: f64) -> Vec<&Moment> {
    let seconds = WINDOW.as_secs_f64();
    let places = moments.iter().zip(0_u32..);
    let within = places.filter(|(_, place)| (from..to).contains(&(f64::from(*place) * seconds)));
    within.map(|(moment, _)| moment).collect()
}

fn p99(moment: &Moment) -> f64 {
    millis(moment.latency.value_at_percentile(99.0))
}

fn middle(moments: &[&Moment]) -> String {
    format!("{:.2}", median(&mut moments.iter().map(|it| p99(it)).collect::<Vec<f64>>()))
}

fn row(label: String, run: &Run, at: f64, seen: f64) -> Vec<String> {
    let moments = &run.moments;
    let during = between(moments, at - 0.25, at + seen);
    let worst = during.iter().map(|it| p99(it)).fold(0.0, f64::max);
    let longest = during.iter().map(|it| millis(it.latency.max())).fold(0.0, f64::max);
    let after = between(moments, at + seen, at + seen + 3.0);
    vec![
        label,
        format!("{at:.1}"),
        middle(&between(moments, at - 3.0, at - 0.25)),
        format!("{worst:.2}"),
        if after.is_empty() { "–".to_owned() } else { middle(&after) },
        format!("{longest:.1}"),
        during.iter().map(|it| it.wrong).sum::<u64>().to_string(),
        format!("{:.0} %", run.watched.others(at, at + seen) * 100.0),
    ]
}

fn report(rate: f64, base: &Run, eventful: &Run) {
    let head = [
        "event",
        "at s",
        "p99 before, ms",
        "highest p99 meanwhile",
        "p99 after",
        "longest, ms",
        "503 instead",
        "others' CPU",
    ];
    let mut table = Table::new(&head);
    let length = LENGTH.as_secs_f64();
    table.row(row("nothing, for the whole time".into(), base, 3.0, length));
    for happening in &eventful.watched.happenings {
        table.row(row(happening.told.clone(), eventful, happening.at, SEEN));
    }
    println!("\n{table}");
    let line = |label: &str, moments: &[Moment]| {
        let places = moments.iter().zip(0_u32..);
        let points =
            places.map(|(it, place)| (f64::from(place) * WINDOW.as_secs_f64(), p99(it))).collect();
        Line { label: label.to_owned(), points }
    };
    let lines = [line("without events", &base.moments), line("with events", &eventful.moments)];
    let happenings = &eventful.watched.happenings;
    let marks: Vec<Mark> =
        happenings.iter().map(|it| Mark { at: it.at, label: it.mark.to_owned() }).collect();
    let origin = origin("tests/bench trace");
    let title = "p99 of each 250 ms, in milliseconds, over time in seconds";
    write("trace.svg", &chart::lines(title, &origin, Log::Y, &lines, &marks));
    let told =
        format!("At {rate:.0} requests a second, {:.0} % of what the gate bears.", SHARE * 100.0);
    write("trace.md", &format!("{told}\n\n{table}\n{origin}\n"));
}
