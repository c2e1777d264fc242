//! What processes used, as the kernel counts it.

use std::collections::HashMap;
use std::fs;
use std::ops::Sub;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

use super::subject::Subject;

/// Processor time in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Of the subject, its children included.
    pub(crate) subject: f64,
    /// Of everything that belongs to the benchmark: subjects, load, upstream, database, and the kernel's own
    /// threads, which write to the disk and deliver packets.
    own: f64,
    /// Of everything on this machine.
    all: f64,
    /// On the wall.
    passed: f64,
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            subject: self.subject - before.subject,
            own: self.own - before.own,
            all: self.all - before.all,
            passed: self.passed - before.passed,
        }
    }
}

impl Spent {
    /// How much of one core others used.
    pub(crate) fn by_others(self) -> f64 {
        ((self.all - self.own) / self.passed).max(0.0)
    }
}

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The ancestor of the kernel's threads.
const KERNEL: u32 = 2;

/// Reads all counters.
pub(crate) fn spent(subject: Option<&Subject>) -> Spent {
    let table = Table::read();
    let own = table.seconds(&[std::process::id(), KERNEL]);
    let subject = subject.map_or(0.0, |it| table.seconds(&ids(it)));
    Spent { subject, own, all: machine(), passed: BEGAN.elapsed().as_secs_f64() }
}

/// The most memory that was resident since it was forgotten, in MiB, all processes of a subject together.
pub(crate) fn peak(subject: &Subject) -> f64 {
    let table = Table::read();
    let peaks = table.tree(&ids(subject)).into_iter().filter_map(|(id, _)| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok()
    });
    peaks.sum::<f64>() / 1024.0
}

/// Has [`peak`] begin anew.
pub(crate) fn forget_peak(subject: &Subject) {
    for (id, _) in Table::read().tree(&ids(subject)) {
        // Where that is not allowed, the peak is that of the process's life.
        let _not_ours = fs::write(format!("/proc/{id}/clear_refs"), "5");
    }
}

fn ids(subject: &Subject) -> Vec<u32> {
    subject.processes.iter().map(std::process::Child::id).collect()
}

struct Process {
    parent: u32,
    name: String,
    seconds: f64,
}

struct Table(HashMap<u32, Process>);

impl Table {
    fn read() -> Self {
        let folders = fs::read_dir("/proc").unwrap().flatten();
        let ids = folders.filter_map(|it| it.file_name().to_str()?.parse().ok());
        Self(ids.filter_map(|id| Some((id, process(id)?))).collect())
    }

    /// Processor time of these processes and of all that descend from them.
    fn seconds(&self, roots: &[u32]) -> f64 {
        self.tree(roots).into_iter().map(|(_, process)| process.seconds).sum()
    }

    /// These processes, and all that descend from them.
    fn tree(&self, roots: &[u32]) -> Vec<(u32, &Process)> {
        let descends = |id: &u32| {
            let parent = |here: &u32| self.0.get(here).map(|it| it.parent);
            std::iter::successors(Some(*id), parent).any(|here| roots.contains(&here))
        };
        let all = self.0.iter().map(|(id, process)| (*id, process));
        all.filter(|(id, _)| descends(id)).collect()
    }
}

/// Has all processes of that name that this one has started stop, or go on: they are sent a signal.
pub(crate) fn signal(name: &str, signal: &str) {
    let table = Table::read();
    let ours = table.tree(&[std::process::id()]).into_iter();
    let ids = ours.filter(|(_, process)| process.name == name).map(|(id, _)| id.to_string());
    let sent = Command::new("kill").args(["-s", signal]).args(ids).status().unwrap();
    assert!(sent.success(), "no {name} to be sent {signal}");
}

fn process(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    // Times in hundredths of a second, its own and those of children that have ended.
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        name: name.to_owned(),
        seconds: (number(11)? + number(12)? + number(13)? + number(14)?) / 100.0,
    })
}

/// What the machine's processes used, and what other machines on the same hardware took away; interrupts, which the
/// load causes too, are left out.
fn machine() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap();
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .skip(1)
        .map(|it| it.parse().unwrap())
        .collect();
    (fields[0] + fields[1] + fields[2] + fields[7]) / 100.0
}
