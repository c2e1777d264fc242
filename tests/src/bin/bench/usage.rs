//! What processes used, as the kernel counts it.

use std::collections::HashMap;
use std::fs;
use std::ops::Sub;

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
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            subject: self.subject - before.subject,
            own: self.own - before.own,
            all: self.all - before.all,
        }
    }
}

impl Spent {
    /// How much of one core others used in so many seconds.
    pub(crate) fn by_others(self, seconds: f64) -> f64 {
        ((self.all - self.own) / seconds).max(0.0)
    }
}

/// The ancestor of the kernel's threads.
const KERNEL: u32 = 2;

/// Reads all counters.
pub(crate) fn spent(subject: Option<&Subject>) -> Spent {
    let table = Table::read();
    let own = table.of_tree(&[std::process::id(), KERNEL], |process| process.seconds);
    let subject = subject.map_or(0.0, |it| table.of_tree(&ids(it), |process| process.seconds));
    Spent { subject, own, all: machine() }
}

/// Resident memory of a subject in MiB.
pub(crate) fn memory(subject: &Subject) -> f64 {
    Table::read().of_tree(&ids(subject), |process| process.mebibytes)
}

fn ids(subject: &Subject) -> Vec<u32> {
    subject.processes.iter().map(std::process::Child::id).collect()
}

struct Process {
    parent: u32,
    seconds: f64,
    mebibytes: f64,
}

struct Table(HashMap<u32, Process>);

impl Table {
    fn read() -> Self {
        let folders = fs::read_dir("/proc").unwrap().flatten();
        let ids = folders.filter_map(|it| it.file_name().to_str()?.parse().ok());
        Self(ids.filter_map(|id| Some((id, process(id)?))).collect())
    }

    /// The sum over these processes and all that descend from them.
    fn of_tree(&self, roots: &[u32], value: impl Fn(&Process) -> f64) -> f64 {
        let mut sum = 0.0;
        for (id, process) in &self.0 {
            let mut at = Some(*id);
            while let Some(here) = at
                && !roots.contains(&here)
            {
                at = self.0.get(&here).map(|it| it.parent);
            }
            if at.is_some() {
                sum += value(process);
            }
        }
        sum
    }
}

fn process(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Behind the name, which may hold anything: times in hundredths of a second, its own and those of children
    // that have ended, and memory in pages of 4 KiB.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let number = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        seconds: (number(11)? + number(12)? + number(13)? + number(14)?) / 100.0,
        mebibytes: number(21)? / 256.0,
    })
}

/// What the machine's processes used; interrupts, which the load causes too, are left out.
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
    (fields[0] + fields[1] + fields[2]) / 100.0
}
