//! What can be seen of a gate from outside, once a second.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);
/// A probe that has no answer by then counts as that long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    /// Resident bytes.
    pub(super) memory: u64,
    /// Open file descriptors.
    pub(super) descriptors: usize,
    /// Bytes in the journal's directory.
    pub(super) disk: u64,
    /// How long `/livez` took.
    pub(super) probe: Duration,
}

/// Looks once a second.
pub(super) fn until(end: Instant, process: u32, disk: &Path, admin: SocketAddr) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        let at = Instant::now();
        if at >= end {
            return seen;
        }
        let probe = probe(admin);
        seen.push(Seen {
            at,
            memory: memory(process),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            disk: size(disk),
            probe,
        });
        thread::sleep(EVERY.saturating_sub(at.elapsed()));
    }
}

fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

fn probe(admin: SocketAddr) -> Duration {
    let began = Instant::now();
    let asked = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    if asked().unwrap_or(false) { began.elapsed() } else { PATIENCE }
}
