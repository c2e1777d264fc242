//! `tests/bench scale`: one thing is varied, and cost is looked at.

mod axes;

use std::fmt::Write as _;
use std::fs;

use tests::big::enlarge;
use tests::seed::seed;
use tests::stand::copy_tree;

use super::arguments::Arguments;
use super::chart::{self, Line, Log};
use super::drive::{Asked, Until, closed};
use super::measure::{Reading, calm};
use super::report::{middle, origin, write};
use super::subject::{Judges, Subject};
use super::table::Table;
use super::world::{Sample, World, expected};
use super::{gates, median};
use axes::Axis;

/// What is varied, to one of its values.
pub(crate) struct Case {
    /// The value, and how it is said.
    value: f64,
    label: String,
    /// Which of the axis's gates.
    gate: usize,
    samples: Vec<Sample>,
    connections: usize,
    /// What its subject judges.
    judges: Judges,
}

/// What was measured of a case.
struct Row {
    value: f64,
    label: String,
    /// Whether it is the gate's.
    own: bool,
    readings: Vec<Reading>,
}

/// Measures along each axis, or those of `--only`, and prints a table of each.
pub(crate) async fn measure(arguments: &Arguments) {
    let world = World::make(seed()).await;
    let only = &arguments.only;
    let mut page = String::new();
    for name in axes::NAMES {
        if !only.is_empty() && !only.iter().any(|it| it == name) {
            continue;
        }
        let axis = axes::axis(name, &world).await;
        println!("{}", axis.title);
        let rows = walk(&axis, arguments);
        let table = table(&axis, &rows);
        println!("\n{table}");
        let title = &axis.title;
        let picture = format!("![{title}](docs/bench/scale-{name}.svg)");
        write!(
            page,
            "### {title}

{table}
{picture}

"
        )
        .unwrap();
        draw(name, &axis, &rows);
    }
    let command = format!(
        "tests/bench scale --rounds {} --seconds {}",
        arguments.rounds,
        arguments.time().as_secs()
    );
    write("scale.md", &format!("{page}{}\n", origin(&command)));
}

/// Each case once in each round, in turn.
fn walk(axis: &Axis, arguments: &Arguments) -> Vec<Row> {
    let row = |case: &Case| Row {
        value: case.value,
        label: case.label.clone(),
        own: case.judges != Judges::Nothing,
        readings: Vec::new(),
    };
    let mut rows: Vec<Row> = axis.cases.iter().map(row).collect();
    for round in 0..arguments.rounds {
        for turn in 0..rows.len() {
            let which = (round + turn) % rows.len();
            let case = &axis.cases[which];
            let subject = &axis.gates[case.gate];
            let expected = expected(&case.samples, case.judges, true);
            let asked =
                Asked { address: subject.address, samples: &case.samples, expected: &expected };
            // Everything is known by then that can be, and every answer was looked at.
            let once = closed(asked, case.connections, Until::Once);
            println!("  {}: {} of {} answers wrong", case.label, once.wrong, once.answers);
            for wrong in &once.described {
                println!("  {wrong}");
            }
            let reading = calm(subject, asked, case.connections, arguments.time());
            rows[which].readings.push(reading);
        }
    }
    rows
}

fn table(axis: &Axis, rows: &[Row]) -> Table {
    let head = [
        axis.unit,
        "req/s",
        "of the first",
        "CPU µs/request",
        "of the first",
        "p99 ms",
        "MiB at most",
        "503 instead",
        "others' CPU",
    ];
    let mut table = Table::new(&head);
    for row in rows {
        let own = |value: fn(&Reading) -> f64| row.readings.iter().map(value).collect::<Vec<f64>>();
        let ratio = |value: fn(&Reading) -> f64| {
            let first: Vec<f64> = rows[0].readings.iter().map(value).collect();
            super::report::spread(
                own(value).iter().zip(first).map(|(own, first)| own / first).collect(),
            )
        };
        table.row(vec![
            row.label.clone(),
            middle(own(|it| it.rate), 0),
            ratio(|it| it.rate),
            middle(own(|it| it.cost), 1),
            ratio(|it| it.cost),
            middle(own(|it| it.p99), 2),
            middle(own(|it| it.memory), 0),
            row.readings.iter().map(|it| it.wrong).sum::<u64>().to_string(),
            format!("{:.0} %", own(|it| it.others).into_iter().fold(0.0, f64::max) * 100.0),
        ]);
    }
    table
}

/// Everything as a multiple of the first row.
fn draw(name: &str, axis: &Axis, rows: &[Row]) {
    let line = |label: &str, value: fn(&Reading) -> f64| {
        let of = |row: &Row| median(&mut row.readings.iter().map(value).collect::<Vec<f64>>());
        let first = of(&rows[0]);
        let shown = rows.iter().filter(|row| row.own);
        let points = shown.map(|row| (row.value, of(row) / first)).collect();
        Line { label: label.to_owned(), points }
    };
    let lines = [
        line("requests a second", |it| it.rate),
        line("CPU for each request", |it| it.cost),
        line("memory at most", |it| it.memory),
    ];
    let log = if axis.log { Log::X } else { Log::Neither };
    let note = format!("multiples of the first row, by {}", axis.unit);
    write(&format!("scale-{name}.svg"), &chart::lines(&axis.title, &note, log, &lines, &[]));
}

/// A gate as it ships, with what is said otherwise.
fn gate(world: &World, name: &'static str, change: impl FnOnce(&mut gates::Settings)) -> Subject {
    let mut settings = gates::Settings {
        name,
        database: world.database.clone(),
        policies: world.policies.clone(),
        program: super::gate_program(),
        cores: "0",
        values: Vec::new(),
    };
    change(&mut settings);
    gates::start(&world.setting, &settings).unwrap()
}

/// The default bundle with so many policies more.
fn enlarged(world: &World, more: usize) -> std::path::PathBuf {
    let folder = world.setting.folder.join(format!("policies-{more}"));
    copy_tree(&world.policies, &folder);
    fs::remove_dir_all(folder.join("tests")).unwrap();
    enlarge(&folder, more);
    folder
}
