//! What the gate costs, measured against the same pingora without a gate and against other proxies, all
//! in one interleaved run. `tests/bench` builds and runs it.
//!
//! Proxies are processes of their own with one worker on the first core, before the same upstream, which
//! lives here together with the load, on the second. Ratios are of one run: machines are noisy, and
//! these are shared.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot run has nothing to measure, and prints what it measured"
)]

mod arguments;
mod attack;
mod audit;
mod baseline;
mod chart;
mod compare;
mod drive;
mod facts;
mod gates;
mod load;
mod measure;
mod outage;
mod peers;
mod policies;
mod quick;
mod report;
mod scale;
mod subject;
mod table;
mod trace;
mod upstream;
mod usage;
mod world;
mod write;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::Parser as _;

use arguments::{Arguments, Mode};

/// The gate's own: bare pingora gets it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 32;

fn main() {
    let arguments = Arguments::parse();
    if arguments.mode == Mode::Bare {
        baseline::run(arguments.rest[0].parse().unwrap());
        return;
    }
    if arguments.mode == Mode::PeersCheck {
        peers::check(&arguments.rest);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match arguments.mode {
        Mode::Bare | Mode::PeersCheck => {}
        Mode::Compare => runtime.block_on(compare::measure(&arguments)),
        Mode::Scale => runtime.block_on(scale::measure(&arguments)),
        Mode::Trace => runtime.block_on(trace::measure(&arguments)),
        Mode::Write => write::write(),
        Mode::Quick => runtime.block_on(quick::measure()),
        Mode::Policies => runtime.block_on(policies::measure()),
        Mode::Facts => runtime.block_on(facts::measure()),
        Mode::Audit => runtime.block_on(audit::measure()),
        Mode::Attack => runtime.block_on(attack::measure(&arguments)),
    }
}

/// A proxy that is measured; it ends with this process.
struct Measured {
    name: &'static str,
    address: SocketAddr,
    /// Where operators ask, if that is said.
    admin: Option<SocketAddr>,
    child: Child,
}

impl Drop for Measured {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Measured {
    /// Starts a proxy, which says its address on its first line.
    fn start(name: &'static str, command: &mut Command) -> Self {
        let (child, addresses) = listening(command.stderr(Stdio::null())).unwrap();
        Self { name, address: addresses[0], admin: addresses.get(1).copied(), child }
    }
}

/// Starts a program that says on its first line where it listens.
fn listening(command: &mut Command) -> Result<(Child, Vec<SocketAddr>), String> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let starts = line.split("http://").skip(1);
    let addresses: Vec<SocketAddr> = starts
        .map(|start| start.split([',', '\n']).next().unwrap().trim().parse().unwrap())
        .collect();
    if addresses.is_empty() {
        let _gone = child.kill();
        let _gone = child.wait();
        return Err(format!("it said `{}`", line.trim()));
    }
    Ok((child, addresses))
}

/// What a program prints, such as its version.
fn said(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned())
}

/// A program of ours: built with this one, or of another build that is to be measured.
fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("BENCH_PROGRAMS").map(PathBuf::from);
    folder.map_or_else(|| std::env::current_exe().unwrap().with_file_name(name), |it| it.join(name))
}

/// The gate.
fn gate_program() -> PathBuf {
    program("cedargate")
}

/// A command on the first core; the load is on the second.
fn on_first_core(program: &Path) -> Command {
    on_cores("0", program)
}

/// A command on these cores, when there is a way to say so.
fn on_cores(cores: &str, program: &Path) -> Command {
    if Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(program);
        return command;
    }
    Command::new(program)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn low(sorted: &[f64]) -> f64 {
    sorted.first().copied().unwrap_or(f64::NAN)
}

fn high(sorted: &[f64]) -> f64 {
    sorted.last().copied().unwrap_or(f64::NAN)
}
