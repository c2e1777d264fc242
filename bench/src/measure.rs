//! One measurement: a load, and what the kernel counted meanwhile.

use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::drive::{Asked, Taken, Until, closed};
use super::subject::Subject;
use super::usage::{forget_peak, peak, spent};

/// Before each measurement, unmeasured.
const WARM: Duration = Duration::from_millis(500);
/// A measurement during which others used more than this of a core is done again.
const DISTURBED: f64 = 0.06;
const TRIES: usize = 3;
/// How long, and how often, one looks whether others are busy before one begins all the same.
const GLANCE: Duration = Duration::from_millis(250);
const PATIENCE: usize = 40;

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
    /// Resident at the most, in MiB.
    pub(crate) memory: f64,
    /// How much of a core others used meanwhile.
    pub(crate) others: f64,
    pub(crate) reopened: u64,
    /// Answers that were not the expected ones.
    pub(crate) wrong: u64,
}

/// Measures, again when others used the machine: the calmest counts.
pub(crate) fn calm(
    subject: &Subject,
    asked: Asked<'_>,
    connections: usize,
    time: Duration,
) -> Reading {
    let mut calmest: Option<Reading> = None;
    for _ in 0..TRIES {
        quiet();
        let reading = once(subject, asked, connections, time);
        let Reading { rate, cost, p99, others, .. } = reading;
        println!(
            "  {:<24} {rate:>8.0} req/s, {cost:>6.1} us, p99 {p99:>6.2} ms; others used {:.0} % of a core",
            subject.name,
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

/// Waits a while for others to be done.
fn quiet() {
    for _ in 0..PATIENCE {
        let before = spent(None);
        thread::sleep(GLANCE);
        if (spent(None) - before).by_others() <= DISTURBED {
            return;
        }
    }
}

fn once(subject: &Subject, asked: Asked<'_>, connections: usize, time: Duration) -> Reading {
    closed(asked, connections, Until::Passed(WARM));
    forget_peak(subject);
    let before = spent(Some(subject));
    let taken = closed(asked, connections, Until::Passed(time));
    let spent = spent(Some(subject)) - before;
    for wrong in &taken.described {
        println!("  {}: {wrong}", subject.name);
    }
    reading(&taken, spent.subject, spent.by_others(), peak(subject))
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
        wrong: taken.wrong,
    }
}
