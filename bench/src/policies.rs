//! `tests/bench policies`: how a gate does with 10 to 10,000 policies, and while one of them is edited.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::big::{PER_ACTION, bulk, enlarge};
use tokio::net::TcpStream;

use super::load::{self, ask};
use super::quick::{requests, spelled};
use super::{CONNECTIONS, Measured, high, low, median, on_first_core, upstream};

/// Policies that are added to the default bundle.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const EDITS: usize = 20;
/// What is measured before them.
const CALM: Duration = Duration::from_secs(6);
/// Between the requests of a connection while policies are edited: none, so that the core is full, and so
/// much that there is room on it, as there is where people are served.
const PAUSES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(12)];

/// Prints all of it.
pub(crate) async fn measure() {
    let gate = super::gate_program();
    let folder = tempfile::tempdir().unwrap();
    let upstream = upstream::start();
    let dirs = SIZES.map(|size| folder.path().join(size.to_string()));
    for (dir, size) in dirs.iter().zip(SIZES) {
        let prepared = Command::new(&gate).args(["demo", "--prepare", "--dir"]).arg(dir).output();
        assert!(prepared.unwrap().status.success());
        enlarge(&dir.join("policies"), size);
    }
    decisions(&gate, &dirs, upstream).await;
    for pause in PAUSES {
        edits(&gate, dirs.last().unwrap(), upstream, pause).await;
    }
}

fn serve(gate: &Path, dir: &Path, upstream: SocketAddr, ttl: &str) -> (Measured, Duration) {
    let mut serve = on_first_core(gate);
    serve.arg("serve").arg("--config").arg(dir.join("cedargate.yaml"));
    let variables = [
        ("LISTEN__PROXY", "127.0.0.1:0"),
        ("LISTEN__ADMIN", "127.0.0.1:0"),
        ("UPSTREAM__ADDRESS", &upstream.to_string()),
        ("WORKERS", "1"),
        ("AUDIT__DATABASE", "false"),
        ("FACTS__TTL", ttl),
    ];
    for (name, value) in variables {
        serve.env(format!("CEDARGATE_{name}"), value);
    }
    let began = Instant::now();
    (Measured::start("gate", &mut serve), began.elapsed())
}

/// Requests a second when nothing is remembered (`facts.ttl: 0s`: each request asks the database and
/// Cedar), over those of the smallest bundle in the same round.
async fn decisions(gate: &Path, dirs: &[std::path::PathBuf; 4], upstream: SocketAddr) {
    let requests = requests(gate, &dirs[0]);
    let mut gates = Vec::new();
    for (dir, size) in dirs.iter().zip(SIZES) {
        // The same keys everywhere, so that the same tokens are good.
        for name in ["keys/jwks.json", "keys/issuer.pem"] {
            let keys = fs::read(dirs[0].join(name)).unwrap();
            fs::write(dir.join(name), keys).unwrap();
        }
        let (gate, start) = serve(gate, dir, upstream, "0s");
        println!("{size:>6} policies more: started after {:.2} s", start.as_secs_f64());
        load::check(gate.address, &requests).await;
        gates.push(gate);
    }
    let mut ratios = vec![Vec::new(); SIZES.len()];
    for round in 0..ROUNDS {
        let mut rates = [0.0; SIZES.len()];
        for turn in 0..SIZES.len() {
            let which = (turn + round) % SIZES.len();
            let taken = load::run(gates[which].address, &requests, CONNECTIONS, ROUND).await;
            rates[which] = taken.rate;
        }
        for (ratio, rate) in ratios.iter_mut().zip(rates) {
            ratio.push(rate / rates[0]);
        }
    }
    for (size, ratio) in SIZES.iter().zip(&mut ratios) {
        let middle = median(ratio);
        println!(
            "{size:>6} policies more: {middle:.2} of the throughput of the smallest ({:.2} to {:.2}), nothing remembered",
            low(ratio),
            high(ratio)
        );
    }
}

/// How soon an edit of one policy is live, and what requests in flight notice of it.
async fn edits(gate: &Path, dir: &Path, upstream: SocketAddr, pause: Duration) {
    let requests = requests(gate, dir);
    let actions = SIZES[3] / PER_ACTION;
    let probe = spelled(gate, dir, "kauvery-receptionist", &format!("/api/bulk/{}", actions - 1));
    let (gate, _) = serve(gate, dir, upstream, "2s");
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(client(gate.address, requests.clone(), pause, Arc::clone(&stop))))
        .collect();
    tokio::time::sleep(CALM + Duration::from_secs(1)).await;
    let (mut times, mut windows) = (Vec::new(), Vec::new());
    let mut socket = TcpStream::connect(gate.address).await.unwrap();
    let mut buffer = Vec::new();
    for edit in 0..EDITS {
        // One policy is changed: the very last, the only one that may let the asker in.
        let (role, wanted) =
            if edit % 2 == 0 { ("RECEPTIONIST", true) } else { ("BILLING", false) };
        let fresh = dir.join("policies/.bulk.new");
        let text = bulk(actions, role);
        fs::write(&fresh, text).unwrap();
        let began = Instant::now();
        fs::rename(&fresh, dir.join("policies/bulk.cedar")).unwrap();
        while ask(&mut socket, &probe, &mut buffer).await != wanted {
            assert!(began.elapsed() < Duration::from_mins(1), "the edit is never live");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times.push(began.elapsed().as_secs_f64());
        windows.push((began, Instant::now()));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen = Vec::new();
    for client in clients {
        seen.extend(client.await.unwrap());
    }
    let first = windows[0].0;
    let during = |at: &Instant| windows.iter().any(|(from, to)| from <= at && at <= to);
    let calm = |at: &Instant| *at + CALM > first && *at < first;
    let p = |wanted: &dyn Fn(&Instant) -> bool, part: usize| {
        let mut micros: Vec<u32> =
            seen.iter().filter(|(at, _)| wanted(at)).map(|(_, it)| *it).collect();
        micros.sort_unstable();
        f64::from(micros.get(micros.len() * part / 1_000).copied().unwrap_or_default()) / 1e3
    };
    let middle = median(&mut times);
    let sent = u32::try_from(seen.iter().filter(|(at, _)| calm(at)).count()).unwrap();
    println!(
        "10,000 policies more, {:.0} requests a second: an edit of one is live after {middle:.2} s ({:.2} to {:.2}), {EDITS} edits",
        f64::from(sent) / CALM.as_secs_f64(),
        low(&times),
        high(&times)
    );
    for (name, part) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let (before, while_) = (p(&calm, part), p(&during, part));
        println!(
            "latency {name}: {before:.2} ms before, {while_:.2} ms from edit to live: {:.2} times",
            while_ / before
        );
    }
}

/// Keeps a connection busy; gives when each request was sent and how long it took.
async fn client(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    pause: Duration,
    stop: Arc<AtomicBool>,
) -> Vec<(Instant, u32)> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut buffer, mut seen) = (Vec::with_capacity(4096), Vec::new());
    for request in requests.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let asked = Instant::now();
        assert!(
            ask(&mut socket, request, &mut buffer).await,
            "{}",
            String::from_utf8_lossy(&buffer)
        );
        seen.push((asked, u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX)));
        tokio::time::sleep(pause).await;
    }
    seen
}
