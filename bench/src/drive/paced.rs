//! A load that does not wait: requests are due at a fixed rate, whatever became of those before them.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Asked, Taken, Wheel};

/// How long the loop sleeps between two looks; the load shares its core with the upstream, so it does
/// not spin. What is sent or seen late by this counts as latency.
const NAP: Duration = Duration::from_micros(100);

/// What happened to the requests that were due in one window.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) latency: Histogram<u64>,
    pub(crate) wrong: u64,
}

impl Moment {
    fn new() -> Self {
        Self { latency: Histogram::new_with_bounds(1, 60_000_000, 3).unwrap(), wrong: 0 }
    }
}

/// Sends `rate` requests a second for so long, over so many connections; gives what became of
/// those that were due in each `window`. Latency counts from when a request was due.
pub(crate) fn paced(
    asked: Asked<'_>,
    connections: usize,
    rate: f64,
    time: Duration,
    window: Duration,
) -> (Taken, Vec<Moment>) {
    let mut wheel = Wheel::new(asked, connections);
    let mut free: Vec<usize> = (0..connections).collect();
    let mut moments: Vec<Moment> = Vec::new();
    let (began, mut sent) = (Instant::now(), 0_u32);
    loop {
        while let Some(place) = free.pop() {
            let due = began + Duration::from_secs_f64(f64::from(sent) / rate);
            if due > Instant::now() || due - began >= time {
                free.push(place);
                break;
            }
            wheel.send(place, sent as usize % asked.samples.len(), due);
            sent += 1;
        }
        if wheel.busy == 0 && began.elapsed() >= time {
            break;
        }
        wheel.turn(Duration::ZERO);
        while let Some(answered) = wheel.answered.pop() {
            free.push(answered.place);
            let due = answered.since - began;
            let place = usize::try_from(due.as_nanos() / window.as_nanos()).unwrap();
            moments.resize_with(moments.len().max(place + 1), Moment::new);
            moments[place].latency.saturating_record(answered.micros.max(1));
            moments[place].wrong += u64::from(!answered.right);
        }
        thread::sleep(NAP);
    }
    wheel.taken.seconds = began.elapsed().as_secs_f64();
    (wheel.taken, moments)
}
