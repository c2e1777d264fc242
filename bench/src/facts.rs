//! `tests/bench facts`: how soon a change holds, what a user costs in memory, and how often the
//! database is asked, on a private PostgreSQL.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tests::client::Request;
use tests::flips;
use tests::metrics::Metrics;
use tests::postgres;
use tests::sql::execute;
use tests::stand::{Ground, Stand};
use tests::tokens::token;
use tests::wait::eventually;
use tokio::net::TcpStream;

use super::load::{self, ask};
use super::{CONNECTIONS, Measured, on_first_core};

const FLIPS: usize = 500;
/// A change that was told has to hold after this time.
const BOUND: Duration = Duration::from_millis(250);
const USERS: usize = 100_000;
const ORGANIZATIONS: usize = 1_000;
/// Requests of the crowd, by a Zipf distribution with exponent 1.
const ZIPF_REQUESTS: usize = 100_000;
const STAMPEDE: usize = 1_000;

/// Prints all of it.
pub(crate) async fn measure() {
    flips("with notifications", "60s", true, BOUND).await;
    flips("without", "500ms", false, Duration::from_millis(500)).await;
    crowd().await;
}

async fn ground(url: &str, ttl: &str, push: bool) -> Ground {
    let settings = Stand::builder().database(url).set("facts.ttl", ttl).set("facts.push", push);
    settings.set("workers", 1).prepare().await
}

fn serve(ground: &Ground) -> Measured {
    let gate = super::gate_program();
    let mut serve = on_first_core(&gate);
    serve.arg("serve").arg("--config").arg(ground.config());
    Measured::start("gate", &mut serve)
}

/// Flips facts before two gates.
async fn flips(name: &str, ttl: &str, push: bool, bound: Duration) {
    let url = postgres::demo_database().await;
    let grounds = [ground(&url, ttl, push).await, ground(&url, ttl, push).await];
    let gates = grounds.each_ref().map(serve);
    for gate in &gates {
        eventually("the gate listens", || async {
            let metrics = Metrics::at(gate.admin.unwrap()).await;
            ((metrics.sum("cedargate_facts_push_up", &[]) > 0.0) == push).then_some(())
        })
        .await;
    }
    let addresses = gates.each_ref().map(|gate| gate.address);
    let report = flips::run(&addresses, &url, FLIPS, CONNECTIONS, bound).await;
    println!("two gates, {name} (time to live {ttl}, bound {bound:?}): {report}");
}

/// A hundred thousand users in a thousand organisations.
async fn crowd() {
    let url = postgres::demo_database().await;
    let sql = format!(
        "insert into organizations (id, slug, name, type, status) \
         select 'crowd-' || n, 'crowd-' || n, 'Crowd', 'CLINIC', 'ACTIVE' from generate_series(0, {}) n; \
         insert into users (id, organization_id, email, name, roles, enabled_features) \
         select 'crowd-' || n, 'crowd-' || n % {ORGANIZATIONS}, n || '@crowd.example', 'Crowd', '{{DOCTOR}}', '{{codes}}' \
         from generate_series(0, {}) n",
        ORGANIZATIONS - 1,
        USERS - 1
    );
    execute(&url, &sql).await;
    memory(&url).await;
    zipf(&url).await;
    stampede(&url).await;
}

fn asked_by(gate: &Measured, user: usize) -> Vec<u8> {
    let request = Request::get("/api/patients").token(&token(&format!("crowd-{user}")));
    request.to_bytes(gate.address)
}

/// The memory of a process that is its own, in KiB.
fn resident(gate: &Measured) -> f64 {
    let id = gate.child.id();
    // `taskset` becomes the gate: it is the same process.
    let status = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("status"));
    let status = status.unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn memory(url: &str) {
    let ground = ground(url, "60s", true).await;
    let gate = serve(&ground);
    load::check(gate.address, &[asked_by(&gate, 0)]).await;
    let before = resident(&gate);
    let began = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let address = gate.address;
            tokio::spawn(async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                let mut buffer = Vec::new();
                for user in (client..USERS).step_by(CONNECTIONS) {
                    let request =
                        Request::get("/api/patients").token(&token(&format!("crowd-{user}")));
                    assert!(ask(&mut socket, &request.to_bytes(address), &mut buffer).await);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let each = (resident(&gate) - before) / f64::from(u32::try_from(USERS).unwrap());
    println!(
        "{USERS} users of {ORGANIZATIONS} organizations, each asked for once in {:.0?}: {each:.2} KiB each, \
         with their tokens and decisions",
        began.elapsed()
    );
}

/// How often the database is asked where few ask often and many seldom.
async fn zipf(url: &str) {
    let ground = ground(url, "2s", true).await;
    let gate = serve(&ground);
    let harmonic: Vec<f64> = (1..=USERS)
        .scan(0.0, |sum, rank| {
            *sum += 1.0 / f64::from(u32::try_from(rank).unwrap());
            Some(*sum)
        })
        .collect();
    let whole = harmonic.last().copied().unwrap();
    // Evenly spread and in no order: a multiplicative sequence is the same in every run.
    let drawn = |number: usize| {
        let part = u32::try_from(number).unwrap().wrapping_mul(2_654_435_769);
        let point = f64::from(part) / f64::from(u32::MAX) * whole;
        harmonic.partition_point(|sum| *sum < point).min(USERS - 1)
    };
    let mut known = std::collections::HashMap::new();
    let requests: Vec<usize> = (0..ZIPF_REQUESTS).map(drawn).collect();
    for user in &requests {
        known.entry(*user).or_insert_with(|| asked_by(&gate, *user));
    }
    let known = std::sync::Arc::new(known);
    let began = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let (known, address) = (std::sync::Arc::clone(&known), gate.address);
            let own: Vec<usize> =
                requests.iter().skip(client).step_by(CONNECTIONS).copied().collect();
            tokio::spawn(async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                let mut buffer = Vec::new();
                for user in own {
                    assert!(ask(&mut socket, &known[&user], &mut buffer).await);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    let metrics = Metrics::at(gate.admin.unwrap()).await;
    let count = |kind, outcome| {
        metrics.sum("cedargate_facts_lookups_total", &[("kind", kind), ("outcome", outcome)])
    };
    let loads = count("user", "miss") + count("organization", "miss");
    println!(
        "Zipf over {} users, {:.0} requests a second, time to live 2s: users found {:.1} %, organizations {:.1} %; \
         {:.0} loads a second",
        known.len(),
        f64::from(u32::try_from(ZIPF_REQUESTS).unwrap()) / seconds,
        100.0 * count("user", "hit") / f64::from(u32::try_from(ZIPF_REQUESTS).unwrap()),
        100.0 * count("organization", "hit") / f64::from(u32::try_from(ZIPF_REQUESTS).unwrap()),
        loads / seconds,
    );
}

/// A thousand at once for somebody whom nobody has asked for.
async fn stampede(url: &str) {
    let ground = ground(url, "60s", true).await;
    let gate = serve(&ground);
    load::check(gate.address, &[asked_by(&gate, 0)]).await;
    let count = async |outcome| {
        let metrics = Metrics::at(gate.admin.unwrap()).await;
        metrics.sum("cedargate_facts_lookups_total", &[("kind", "user"), ("outcome", outcome)])
    };
    let before = count("miss").await;
    let mut sockets = Vec::new();
    for _ in 0..STAMPEDE {
        sockets.push(TcpStream::connect(gate.address).await.unwrap());
    }
    let request = asked_by(&gate, 77_777);
    let asked: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            let request = request.clone();
            tokio::spawn(async move { ask(&mut socket, &request, &mut Vec::new()).await })
        })
        .collect();
    for one in asked {
        assert!(one.await.unwrap());
    }
    println!(
        "{STAMPEDE} requests at once for one cold user: {} loads, {} waited for it",
        count("miss").await - before,
        count("coalesced").await
    );
}
