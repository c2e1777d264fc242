//! The load: one thread that keeps connections busy, and looks at every answer.

mod connection;
mod paced;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::upstream;
use super::world::Sample;
use connection::{Answer, Came, Connection};
pub(crate) use paced::{Moment, paced};

/// Expected where 401 and 403 are not told apart.
pub(crate) const REFUSED: u16 = 0;
/// Nobody is silent for so long.
const SILENCE: Duration = Duration::from_secs(30);
/// How many wrong answers are described.
const DESCRIBED: usize = 5;

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// Everything was asked once.
    Once,
    /// So much time has passed.
    Passed(Duration),
}

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    /// Latencies in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// Answers that were not the expected ones.
    pub(crate) wrong: u64,
    /// The first of them.
    pub(crate) described: Vec<String>,
    /// Connections that had to be opened anew.
    pub(crate) reopened: u64,
}

impl Taken {
    fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3).unwrap();
        let described = Vec::new();
        Self { answers: 0, seconds: 0.0, latency, wrong: 0, described, reopened: 0 }
    }

    /// Counts an answer that is not the expected one, and tells of the first of them.
    fn judge(&mut self, answer: Answer, sample: &Sample, expected: u16) -> bool {
        let right = match expected {
            REFUSED => matches!(answer.status, 401 | 403),
            200 => answer.status == 200 && answer.body == upstream::BODY,
            status => answer.status == status,
        };
        self.wrong += u64::from(!right);
        if !right && self.described.len() < DESCRIBED {
            let Answer { status, body, .. } = answer;
            self.described.push(format!(
                "{} {} ({:?}): {status} with {body} bytes, expected {expected}",
                sample.method, sample.path, sample.planned,
            ));
        }
        right
    }

    /// Requests a second.
    #[expect(clippy::cast_precision_loss, reason = "a count that is divided")]
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// A percentile of latency in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    pub(crate) fn percentile(&self, percentile: f64) -> f64 {
        self.latency.value_at_percentile(percentile) as f64 / 1e3
    }
}

/// What is asked, and what has to come of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) samples: &'a [Sample],
    /// The status for each sample.
    pub(crate) expected: &'a [u16],
}

/// Keeps so many connections busy: each has one request on its way all the time.
pub(crate) fn closed(asked: Asked<'_>, connections: usize, until: Until) -> Taken {
    let mut wheel = Wheel::new(asked, connections);
    let began = Instant::now();
    let left = match until {
        Until::Once => asked.samples.len(),
        Until::Passed(_) => usize::MAX,
    };
    let end = match until {
        Until::Once => began + Duration::from_hours(1),
        Until::Passed(time) => began + time,
    };
    let mut supply = Supply { next: 0, left, end, samples: asked.samples.len() };
    for place in 0..connections {
        wheel.next(place, &mut supply, Instant::now());
    }
    while wheel.busy > 0 {
        wheel.turn(SILENCE);
        assert!(!wheel.events.is_empty(), "{} is silent", asked.address);
        while let Some(answered) = wheel.answered.pop() {
            wheel.next(answered.place, &mut supply, Instant::now());
        }
    }
    wheel.taken.seconds = began.elapsed().as_secs_f64();
    wheel.taken
}

/// What is asked next: the samples in their order, again and again.
struct Supply {
    next: usize,
    left: usize,
    end: Instant,
    samples: usize,
}

impl Supply {
    fn take(&mut self, now: Instant) -> Option<usize> {
        if self.left == 0 || now >= self.end {
            return None;
        }
        self.left -= 1;
        let number = self.next;
        self.next = (number + 1) % self.samples;
        Some(number)
    }
}

/// The connections, and the loop over what happens on them.
struct Wheel<'a> {
    asked: Asked<'a>,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    /// How many requests are on their way.
    busy: usize,
    /// What came in the last turn.
    answered: Vec<Answered>,
    taken: Taken,
}

/// An answer that came.
struct Answered {
    place: usize,
    since: Instant,
    micros: u64,
    right: bool,
}

impl<'a> Wheel<'a> {
    fn new(asked: Asked<'a>, connections: usize) -> Self {
        let poll = Poll::new().unwrap();
        let open = |place| Connection::open(asked.address, Token(place), poll.registry());
        let connections: Vec<Connection> = (0..connections).map(open).collect();
        let (events, buffer) = (Events::with_capacity(1024), vec![0; 64 * 1024]);
        let (answered, taken) = (Vec::new(), Taken::new());
        Self { asked, poll, events, connections, buffer, busy: 0, answered, taken }
    }

    fn next(&mut self, place: usize, supply: &mut Supply, now: Instant) {
        if let Some(number) = supply.take(now) {
            self.send(place, number, now);
        }
    }

    fn send(&mut self, place: usize, number: usize, since: Instant) {
        let bytes = &self.asked.samples[number].bytes;
        self.connections[place].send(number, bytes, since, self.poll.registry());
        self.busy += 1;
    }

    /// Waits until something happens, at most for `patience`, and sees to all of it.
    fn turn(&mut self, patience: Duration) {
        if let Err(error) = self.poll.poll(&mut self.events, Some(patience)) {
            assert!(error.kind() == ErrorKind::Interrupted, "{error}");
        }
        for event in &self.events {
            let place = event.token().0;
            let connection = &mut self.connections[place];
            let Some(number) = connection.request else { continue };
            let sample = &self.asked.samples[number];
            connection.go_on(&sample.bytes);
            match connection.receive(&mut self.buffer) {
                Came::Nothing => {}
                Came::End => {
                    // It was kept for longer than the other side wanted: the request is put again.
                    let since = connection.since;
                    connection.reopen(self.poll.registry());
                    connection.send(number, &sample.bytes, since, self.poll.registry());
                    self.taken.reopened += 1;
                    assert!(self.taken.reopened < 100_000, "{} hangs up", self.asked.address);
                }
                Came::Answer(answer) => {
                    let since = connection.since;
                    let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                    connection.request = None;
                    self.busy -= 1;
                    self.taken.answers += 1;
                    self.taken.latency.saturating_record(micros.max(1));
                    let right = self.taken.judge(answer, sample, self.asked.expected[number]);
                    self.answered.push(Answered { place, since, micros, right });
                }
            }
        }
    }
}
