//! `tests/bench audit`: what the audit costs, and how fast it is verified.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::metrics::Metrics;

use super::load::{self, Taken};
use super::quick::requests;
use super::{CONNECTIONS, Measured, high, low, median, on_first_core, outage, upstream};

/// What a record survives, as configured; the first one is what the others are compared with.
const DURABILITIES: [&str; 3] = ["none", "process", "disk"];
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(3);

/// A gate, and what was measured of it in each round.
struct Subject {
    gate: Measured,
    directory: std::path::PathBuf,
    rates: Vec<f64>,
    tails: Vec<f64>,
    /// Processor time for each request, microseconds.
    costs: Vec<f64>,
}

/// Prints all of it.
pub(crate) async fn measure() {
    let program = super::gate_program();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let prepared = Command::new(&program).args(["demo", "--prepare", "--dir"]).arg(&dir).output();
    assert!(prepared.unwrap().status.success());
    let requests = requests(&program, &dir);
    let upstream = upstream::start().to_string();
    let mut subjects = Vec::new();
    for durability in DURABILITIES {
        let directory = folder.path().join(durability);
        let mut serve = on_first_core(&program);
        serve.arg("serve").arg("--config").arg(dir.join("cedargate.yaml"));
        for (name, value) in [
            ("LISTEN__PROXY", "127.0.0.1:0"),
            ("LISTEN__ADMIN", "127.0.0.1:0"),
            ("UPSTREAM__ADDRESS", &upstream),
            ("WORKERS", "1"),
            ("AUDIT__DATABASE", "false"),
            ("AUDIT__DURABILITY", durability),
            ("AUDIT__DIRECTORY", directory.to_str().unwrap()),
        ] {
            serve.env(format!("CEDARGATE_{name}"), value);
        }
        let gate = Measured::start(durability, &mut serve);
        load::check(gate.address, &requests).await;
        load::run(gate.address, &requests, CONNECTIONS, Duration::from_secs(1)).await;
        let (rates, tails, costs) = Default::default();
        subjects.push(Subject { gate, directory, rates, tails, costs });
    }
    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?}, one worker each");
    for round in 0..ROUNDS {
        for turn in 0..subjects.len() {
            let subject = &mut subjects[(round + turn) % DURABILITIES.len()];
            let before = processor_time(subject.gate.child.id());
            let taken: Taken = load::run(subject.gate.address, &requests, CONNECTIONS, ROUND).await;
            let spent = processor_time(subject.gate.child.id()).saturating_sub(before);
            subject.rates.push(taken.rate);
            subject.tails.push(taken.p99);
            subject.costs.push(spent.as_secs_f64() * 1e6 / (taken.rate * ROUND.as_secs_f64()));
        }
    }
    report(&subjects);
    println!("disk: {:.1} records a sync", records_a_sync(&subjects[2].gate).await);
    let kept = subjects.into_iter().nth(1).unwrap();
    drop(kept.gate);
    verify(&program, &kept.directory);
    outage::measure(&program, &dir, &upstream, &requests).await;
}

fn report(subjects: &[Subject]) {
    let none = &subjects[0];
    for subject in subjects {
        let ratio = |own: &[f64], others: &[f64]| {
            let mut ratios: Vec<f64> =
                own.iter().zip(others).map(|(own, other)| own / other).collect();
            let middle = median(&mut ratios);
            format!("{middle:.3} ({:.3} to {:.3})", low(&ratios), high(&ratios))
        };
        println!(
            "{:>8}: {:>6.0} req/s, {} of none; p99 {:.2} ms, {}; processor {:.1} us a request, {}",
            subject.gate.name,
            median(&mut subject.rates.clone()),
            ratio(&subject.rates, &none.rates),
            median(&mut subject.tails.clone()),
            ratio(&subject.tails, &none.tails),
            median(&mut subject.costs.clone()),
            ratio(&subject.costs, &none.costs),
        );
    }
}

async fn records_a_sync(gate: &Measured) -> f64 {
    let metrics = Metrics::at(gate.admin.unwrap()).await;
    let labels = [("sink", "journal"), ("outcome", "written")];
    metrics.sum("cedargate_audit_records_total", &labels)
        / metrics.sum("cedargate_audit_syncs_total", &[])
}

/// User and system time of a process and its threads so far.
fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // After the name, which may hold anything, the 12th and 13th fields, in hundredths.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn verify(program: &Path, directory: &Path) {
    let bytes: u64 = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().contains(".jsonl"))
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    let began = Instant::now();
    let done =
        Command::new(program).args(["audit", "verify", "--format", "json"]).arg(directory).output();
    let took = began.elapsed().as_secs_f64();
    let said: serde_json::Value = serde_json::from_slice(&done.unwrap().stdout).unwrap();
    let records = said["records"].as_u64().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "numbers that are printed")]
    let (count, length) = (records as f64, bytes as f64);
    println!(
        "{records} records, {:.0} bytes each on disk, verified in {took:.2} s: {:.0} records a second",
        length / count,
        count / took,
    );
}
