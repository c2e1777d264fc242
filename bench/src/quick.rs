//! `tests/bench quick`: the gate's throughput and p99 over those of the same pingora without a gate, in a
//! minute, over a few requests of the demo.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{
    CONNECTIONS, Measured, gate_program, high, load, low, median, on_first_core, program, upstream,
};

/// Users whose tokens are sent, each with paths that it may ask for.
const REQUESTS: [(&str, &str); 10] = [
    ("kauvery-doctor", "/api/patients"),
    ("kauvery-doctor", "/api/patients/patient-kauvery-1"),
    ("kauvery-nurse", "/api/visits/visit-kauvery-1"),
    ("kauvery-coder", "/api/codes/icd10/search?q=fever"),
    ("kauvery-admin", "/api/admin/users"),
    ("alpha-doctor", "/api/workflows/prior_auth/patients"),
    ("alpha-coder", "/api/codes/favorites"),
    ("beta-nurse", "/api/patients/patient-beta-1"),
    ("omni-doctor", "/api/sessions/session-omni-1"),
    ("omni-billing", "/api/authorizations"),
];

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

/// Prints it.
pub(crate) async fn measure() {
    let own = program("bench");
    let gate = gate_program();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let prepared =
        Command::new(&gate).args(["demo", "--prepare", "--dir"]).arg(&dir).output().unwrap();
    assert!(prepared.status.success(), "{}", String::from_utf8_lossy(&prepared.stderr));
    let requests = requests(&gate, &dir);
    let upstream = upstream::start();
    let bare = Measured::start("bare", on_first_core(&own).arg("bare").arg(upstream.to_string()));
    let mut serve = on_first_core(&gate);
    serve.arg("serve").arg("--config").arg(dir.join("cedargate.yaml"));
    serve
        .env("CEDARGATE_LISTEN__PROXY", "127.0.0.1:0")
        .env("CEDARGATE_LISTEN__ADMIN", "127.0.0.1:0");
    serve.env("CEDARGATE_UPSTREAM__ADDRESS", upstream.to_string()).env("CEDARGATE_WORKERS", "1");
    // Delivery to the database is work of its own, which a gate need not have.
    serve.env("CEDARGATE_AUDIT__DATABASE", "false");
    let gate = Measured::start("gate", &mut serve);
    for proxy in [&bare, &gate] {
        load::check(proxy.address, &requests).await;
        load::run(proxy.address, &requests, CONNECTIONS, Duration::from_secs(1)).await;
    }
    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {ROUND:?}, one worker each");
    println!(
        "round  {:>12} {:>12} {:>7}  {:>10} {:>10} {:>7}",
        "bare req/s", "gate req/s", "ratio", "bare p99", "gate p99", "ratio"
    );
    let (mut throughput, mut tail) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        // The order alternates, so that a slow moment does not always fall on the same one.
        let mut order = [&bare, &gate];
        if round % 2 == 0 {
            order.reverse();
        }
        let (mut bare, mut gate) = (load::Taken::default(), load::Taken::default());
        for proxy in order {
            let taken = load::run(proxy.address, &requests, CONNECTIONS, ROUND).await;
            if proxy.name == "bare" { bare = taken } else { gate = taken }
        }
        let (rate, p99) = (gate.rate / bare.rate, gate.p99 / bare.p99);
        println!(
            "{round:>5}  {:>12.0} {:>12.0} {rate:>7.2}  {:>7.2} ms {:>7.2} ms {p99:>7.2}",
            bare.rate, gate.rate, bare.p99, gate.p99
        );
        throughput.push(rate);
        tail.push(p99);
    }
    println!(
        "gate / bare: throughput {:.2} ({:.2} to {:.2}), p99 {:.2} ({:.2} to {:.2})",
        median(&mut throughput),
        low(&throughput),
        high(&throughput),
        median(&mut tail),
        low(&tail),
        high(&tail)
    );
}

/// The requests, spelled out: each with a token of its user.
pub(crate) fn requests(gate: &Path, dir: &Path) -> Vec<Vec<u8>> {
    REQUESTS.into_iter().map(|(user, path)| spelled(gate, dir, user, path)).collect()
}

/// A GET by somebody, with a token of the demo in `dir`.
pub(crate) fn spelled(gate: &Path, dir: &Path, user: &str, path: &str) -> Vec<u8> {
    let made = Command::new(gate)
        .args(["token", "--sub", user, "--key"])
        .arg(dir.join("keys/issuer.pem"))
        .output()
        .unwrap();
    let token = String::from_utf8(made.stdout).unwrap();
    format!(
        "GET {path} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: bench\r\nAccept: application/json\r\nAuthorization: Bearer {}\r\n\r\n",
        token.trim()
    )
    .into_bytes()
}
