//! `tests/bench audit`, second part: the database of the audit is down while 200,000 records are
//! written, and comes back.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::metrics::Metrics;
use tests::postgres::Cluster;
use tests::sql::number;

use super::{CONNECTIONS, Measured, load, on_first_core};

const RECORDS: u64 = 200_000;
const ROUND: Duration = Duration::from_secs(3);

/// Prints what requests notice of it, and what is in the database in the end.
pub(crate) async fn measure(program: &Path, dir: &Path, upstream: &str, requests: &[Vec<u8>]) {
    let mut cluster = Cluster::start().await;
    let url = cluster.create_database(None).await;
    database::migrate(&url).await.unwrap();
    let mut serve = on_first_core(program);
    serve.arg("serve").arg("--config").arg(dir.join("cedargate.yaml"));
    for (name, value) in [
        ("LISTEN__PROXY", "127.0.0.1:0"),
        ("LISTEN__ADMIN", "127.0.0.1:0"),
        ("UPSTREAM__ADDRESS", upstream),
        ("WORKERS", "1"),
        ("AUDIT__DATABASE", &url),
        ("AUDIT__DIRECTORY", dir.join("var/outage").to_str().unwrap()),
    ] {
        serve.env(format!("CEDARGATE_{name}"), value);
    }
    let gate = Measured::start("gate", &mut serve);
    let admin = gate.admin.unwrap();
    load::check(gate.address, requests).await;
    load::run(gate.address, requests, CONNECTIONS, Duration::from_secs(1)).await;
    let up = load::run(gate.address, requests, CONNECTIONS, ROUND).await;
    cluster.stop_immediate();
    let (began, before) = (written(admin).await, memory(&gate));
    let (mut down, mut p99) = (Vec::new(), Vec::new());
    while written(admin).await - began < RECORDS {
        let taken = load::run(gate.address, requests, CONNECTIONS, ROUND).await;
        down.push(taken.rate);
        p99.push(taken.p99);
    }
    let after = memory(&gate);
    cluster.start_again().await;
    let back = Instant::now();
    let catching_up = load::run(gate.address, requests, CONNECTIONS, ROUND).await;
    println!(
        "requests: {:.0}/s, p99 {:.2} ms with the database; {:.0}/s, {:.2} ms without it; {:.0}/s, {:.2} ms while it catches up",
        up.rate,
        up.p99,
        super::median(&mut down),
        super::median(&mut p99),
        catching_up.rate,
        catching_up.p99,
    );
    println!("memory: {before} KiB before the outage, {after} KiB after it");
    everything(&url, admin, back).await;
}

async fn everything(url: &str, admin: std::net::SocketAddr, back: Instant) {
    let mut all = written(admin).await;
    // The last outcomes are written after the last answer.
    while number(url, "select count(*) from audit_logs").await != all {
        tokio::time::sleep(Duration::from_millis(200)).await;
        all = written(admin).await;
    }
    let distinct = number(url, "select count(distinct (instance, seq)) from audit_logs").await;
    let last = number(url, "select max(seq) from audit_logs").await;
    println!(
        "{all} records written; {distinct} different ones in the database, the last is {last}; all there {:.1} s after it came back",
        back.elapsed().as_secs_f64()
    );
    assert!(distinct == all && last == all);
}

async fn written(admin: std::net::SocketAddr) -> u64 {
    let labels = [("sink", "journal"), ("outcome", "written")];
    let count = Metrics::at(admin).await.sum("cedargate_audit_records_total", &labels);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let count = count as u64;
    count
}

/// In KiB.
fn memory(gate: &Measured) -> u64 {
    let process = gate.child.id().to_string();
    let said = Command::new("ps").args(["-o", "rss=", "-p", &process]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().parse().unwrap()
}
