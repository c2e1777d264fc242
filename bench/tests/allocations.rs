//! How often a request allocates: an allowed one of somebody who is known, its decision remembered. What
//! is written here is what it is allowed to; whoever needs less lowers it.
//!
//! `cargo test --workspace --test allocations -- --nocapture` prints each step, and what a request costs bare
//! pingora.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests too")]

use std::alloc::System;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use alloc_tracker::{Allocator, Session};
use bench::bare;
use bench::steps::{PATH, REMEMBERED, Steps, USER};
use tests::stand::Stand;
use tests::tokens::{Signing, claims, header, signed};
use tokio::runtime::{Builder, Runtime};

/// A whole request through a running gate: sockets, judging, forwarding, records (`process`), metrics.
const WHOLE: f64 = 25.0;
/// What may come on top of it from elsewhere: threads beside the requests, tables that grow, timers.
const WHOLE_MARGIN: f64 = 2.0;
/// Judging alone: what becomes of an accepted head, up to the intent that is to be written.
const JUDGING: f64 = 10.0;
/// Only tables that grow; nothing else is there.
const JUDGING_MARGIN: f64 = 0.5;

/// Requests before it counts, then in each round. The round with the fewest allocations counts: whatever
/// happens beside the requests adds some, and so does waiting, for a timer is set only when a side has to
/// wait, and its wheel gets a node every 10 ms. The more is waited, the busier the machine.
const WARM_UP: usize = 300;
const ROUND: u32 = 100;
const ROUNDS: usize = 16;

#[global_allocator]
static ALLOCATOR: Allocator<System> = Allocator::system();

/// Allocations (and growths) and their bytes, for each time that something was done.
#[derive(Clone, Copy)]
struct Count {
    allocations: f64,
    bytes: f64,
}

impl Count {
    /// The least of several rounds of `work`, in all threads of this process.
    fn of(mut work: impl FnMut()) -> Self {
        let rounds = (0..ROUNDS).map(|_| {
            let session = Session::new().no_stdout().no_file();
            let operation = session.operation("round");
            let span = operation.measure_process().iterations(ROUND.into());
            for _ in 0..ROUND {
                work();
            }
            drop(span);
            drop(operation);
            let report = session.to_report();
            let (_, counted) = report.operations().next().unwrap();
            let each = |total: u64| f64::from(u32::try_from(total).unwrap()) / f64::from(ROUND);
            Self {
                allocations: each(counted.total_allocations_count()),
                bytes: each(counted.total_bytes_allocated()),
            }
        });
        rounds.min_by(|one, other| one.allocations.total_cmp(&other.allocations)).unwrap()
    }

    fn print(self, what: &str) {
        println!("{what:<40} {:>8.1} {:>8.0}", self.allocations, self.bytes);
    }
}

// One test, for it counts what the whole process does.
#[test]
fn a_remembered_request_allocates_no_more_than_is_written_here() {
    println!("{:<40} {:>8} {:>8}", "", "allocs", "bytes");
    let judging = steps();
    let workers = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let upstream = upstream();
    let bare = through_bare(&workers(), upstream);
    bare.print("a request through bare pingora");
    let gate = through_gate(&workers(), upstream);
    gate.print("the same through the gate");
    let (more, bytes) = (gate.allocations - bare.allocations, gate.bytes - bare.bytes);
    Count { allocations: more, bytes }.print("what the gate adds");
    hold("judging alone", judging, JUDGING, JUDGING_MARGIN);
    hold("a whole request", gate, WHOLE, WHOLE_MARGIN);
}

/// Fails when it is more than is written. An optimised build may leave out an allocation that a debug build
/// makes, never the other way round: less is only said.
#[track_caller]
fn hold(what: &str, count: Count, most: f64, margin: f64) {
    let count = count.allocations;
    assert!(
        count <= most + margin,
        "{what} allocates {count:.1} times; {most} is written in bench/tests/allocations.rs"
    );
    if count < most - margin {
        println!("{what} allocates {count:.1} times: {most} in this file can be lowered");
    }
}

/// Counts each step by itself; gives that of judging.
fn steps() -> Count {
    let mut steps = Steps::new(&[25]);
    let runtime = steps.runtime().handle().clone();
    let _entered = runtime.enter();
    let mut judging = None;
    for step in &mut steps.steps {
        let count = Count::of(&mut step.run);
        count.print(&format!("{}, {}", step.group, step.name));
        if step.name == REMEMBERED {
            judging = Some(count);
        }
    }
    judging.unwrap()
}

fn through_bare(runtime: &Runtime, upstream: SocketAddr) -> Count {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(bare::serve(listener, upstream));
    Client::connect(address).count()
}

fn through_gate(runtime: &Runtime, upstream: SocketAddr) -> Count {
    runtime.block_on(async {
        let ground = Stand::builder().set("facts.ttl", "60s").prepare().await;
        let stand = ground.with("upstream.address", upstream.to_string()).start().await;
        let client = Client::connect(stand.proxy());
        // The client blocks, and the gate has the one worker.
        let count = tokio::task::spawn_blocking(move || client.count()).await.unwrap();
        let recorded = stand.stop().await.journal.records().len();
        assert!(recorded >= 2 * (WARM_UP + ROUNDS * ROUND as usize), "{recorded} records");
        count
    })
}

/// A client that allocates nothing while it asks.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: [u8; 8 << 10],
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let token = signed(Signing::Rs256, &header(Signing::Rs256), &claims(USER));
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        Self { stream, request: request.into_bytes(), buffer: [0; 8 << 10] }
    }

    fn count(mut self) -> Count {
        for _ in 0..WARM_UP {
            self.ask();
        }
        Count::of(|| self.ask())
    }

    fn ask(&mut self) {
        self.stream.write_all(&self.request).unwrap();
        let mut length = 0;
        while !self.buffer.get(..length).unwrap().ends_with(END) {
            let read = self.stream.read(self.buffer.get_mut(length..).unwrap()).unwrap();
            assert!(read > 0, "the connection has ended");
            length += read;
        }
        let answer = self.buffer.get(..length).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(answer));
    }
}

/// How the body of the one answer ends.
const END: &[u8] = b"\r\n\r\n{\"id\":\"patient-kauvery-1\"}";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{\"id\":\"patient-kauvery-1\"}";

/// An upstream that allocates nothing but for a new connection.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || while answered(&mut stream) {});
        }
    });
    address
}

/// Answers one request without a body; whether there was one.
fn answered(stream: &mut TcpStream) -> bool {
    let (mut buffer, mut length) = ([0; 8 << 10], 0);
    while !buffer.get(..length).unwrap().ends_with(b"\r\n\r\n") {
        match stream.read(buffer.get_mut(length..).unwrap()) {
            Ok(0) | Err(_) => return false,
            Ok(read) => length += read,
        }
    }
    stream.write_all(ANSWER).is_ok()
}
