//! What a comparison says: the table, and the numbers for whoever wants to look again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::arguments::Arguments;
use super::chart::{self, Bar};
use super::compare::Contender;
use super::measure::Reading;
use super::table::Table;
use super::world::World;
use super::{baseline, high, low, median, said};

/// Prints the table, and writes it with a picture and all numbers into `target/bench`.
pub(crate) fn comparison(
    arguments: &Arguments,
    world: &World,
    contenders: &[Contender],
    left_out: &[String],
) {
    let (table, legend) = (table(contenders), legend(contenders, left_out));
    println!("\n{table}\n{legend}");
    let readings = contenders.iter().map(|it| {
        json!({"name": it.subject.name, "label": it.subject.label, "version": it.subject.version,
            "readings": it.readings})
    });
    let (seconds, rounds) = (arguments.time().as_secs(), arguments.rounds);
    let connections = arguments.connections;
    let results = json!({
        "machine": machine(), "commit": commit(), "seed": world.seed, "rounds": rounds,
        "seconds": seconds, "connections": connections, "left_out": left_out,
        "subjects": readings.collect::<Vec<_>>(),
    });
    write("results.json", &format!("{results:#}\n"));
    let command = format!(
        "tests/bench compare --rounds {rounds} --seconds {seconds} --connections {connections}"
    );
    let only = &arguments.only;
    let only = if only.is_empty() { String::new() } else { format!(" --only {}", only.join(",")) };
    let origin = origin(&(command + &only));
    write("compare.md", &format!("{table}\n{legend}\n{origin}\n"));
    let title = "Requests a second, as a ratio to bare pingora in the same round";
    write("compare-rate.svg", &chart::bars(title, &origin, &bars(contenders, |it| it.rate)));
    let title = "Processor time for each request, as a ratio to bare pingora in the same round";
    let proxies = bars(contenders, |it| it.cost);
    let proxies: Vec<Bar> = proxies.into_iter().filter(|bar| bar.label != "direct").collect();
    write("compare-cost.svg", &chart::bars(title, &origin, &proxies));
}

fn bars(contenders: &[Contender], value: fn(&Reading) -> f64) -> Vec<Bar> {
    let base = contenders.iter().find(|it| it.subject.name == baseline::NAME).unwrap();
    let bar = |it: &Contender| {
        let mut ratios = ratios(it, base, value);
        let middle = median(&mut ratios);
        let label = it.subject.name.to_owned();
        let own = label.starts_with("cedargate");
        Bar { label, values: [middle, low(&ratios), high(&ratios)], own }
    };
    contenders.iter().map(bar).collect()
}

/// To those of bare pingora in the same rounds.
fn ratios(own: &Contender, base: &Contender, value: fn(&Reading) -> f64) -> Vec<f64> {
    let pairs = own.readings.iter().zip(&base.readings);
    pairs.map(|(own, base)| value(own) / value(base)).collect()
}

fn table(contenders: &[Contender]) -> Table {
    let head = [
        "subject",
        "req/s",
        "of pingora",
        "CPU µs/request",
        "of pingora",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "MiB at most",
        "others' CPU",
    ];
    let mut table = Table::new(&head);
    let base = contenders.iter().find(|it| it.subject.name == baseline::NAME).unwrap();
    for it in contenders {
        let own = |value: fn(&Reading) -> f64| it.readings.iter().map(value).collect::<Vec<f64>>();
        let absent = it.subject.processes.is_empty();
        let if_proxy = |text: String| if absent { "–".to_owned() } else { text };
        table.row(vec![
            format!("`{}`", it.subject.name),
            middle(own(|it| it.rate), 0),
            spread(ratios(it, base, |it| it.rate)),
            if_proxy(middle(own(|it| it.cost), 1)),
            if_proxy(spread(ratios(it, base, |it| it.cost))),
            middle(own(|it| it.p50), 2),
            middle(own(|it| it.p99), 2),
            middle(own(|it| it.p999), 2),
            if_proxy(middle(own(|it| it.memory), 0)),
            format!("{:.0} %", own(|it| it.others).into_iter().fold(0.0, f64::max) * 100.0),
        ]);
    }
    table
}

/// What the names stand for.
fn legend(contenders: &[Contender], left_out: &[String]) -> String {
    let line = |it: &Contender| {
        let version = &it.subject.version;
        let version = if version.is_empty() { String::new() } else { format!(" ({version})") };
        format!("- `{}`: {}{version}\n", it.subject.name, it.subject.label)
    };
    let absent = left_out.iter().map(|it| format!("- left out: {it}\n"));
    contenders.iter().map(line).chain(absent).collect()
}

pub(crate) fn middle(mut values: Vec<f64>, places: usize) -> String {
    format!("{:.places$}", median(&mut values))
}

/// The median, and the lowest and highest.
pub(crate) fn spread(mut values: Vec<f64>) -> String {
    let middle = median(&mut values);
    format!("{middle:.2} ({:.2}–{:.2})", low(&values), high(&values))
}

/// Where, of what and how something was measured.
pub(crate) fn origin(command: &str) -> String {
    format!("Commit {}, {}; `{command}`.", commit(), machine())
}

fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let all = text.lines().filter(|line| line.starts_with("processor")).count().max(cores);
    format!("{all} cores of {}", name.unwrap_or("an unnamed processor").trim())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let here = ["-C", env!("CARGO_MANIFEST_DIR")];
        said(Path::new("git"), &[&here, arguments].concat())
    };
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    git(&["rev-parse", "--short", "HEAD"]) + if changed { " with changes" } else { "" }
}

/// Writes a file into `target/bench`.
pub(crate) fn write(name: &str, text: &str) {
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
}

/// Where results are kept: beside the folder of this program.
pub(crate) fn folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("bench")
}
