//! A loss of power, with `audit.durability: disk`: what had been synced by then holds at least what
//! had been acknowledged.
//!
//! The gate runs with a library loaded before the C library that intercepts `fsync` and
//! `fdatasync`, and keeps a copy of what each had made durable: the bytes of files at the moment of
//! the call, and of the directory the names it had (`tests/data/power/shadow.c`). At many moments
//! the test copies that as it is; such a copy is what the disk would hold had the power gone then,
//! at worst. Real disks keep some of the rest, too, in any order: it is added in several forms.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use ::audit::{Journal, JournalConfig};
use tests::{binary::Binary, model::Dice, records, seed::seed, stand::Stand, writers::Writers};

const MOMENTS: usize = 40;

/// What a disk may hold behind the last line that was synced.
#[derive(Debug, Clone, Copy)]
enum Rest {
    Nothing,
    /// The first bytes of a line.
    PartOfALine(usize),
    /// Pages that were never written.
    Zeros(usize),
    /// The same, and then a line of an older page.
    ZerosAndALine(usize),
}

/// Forms of the rest, and whether each is a torn end.
const FORMS: [(Rest, bool); 7] = [
    (Rest::Nothing, false),
    (Rest::PartOfALine(1), true),
    (Rest::PartOfALine(100), true),
    (Rest::Zeros(1), true),
    (Rest::Zeros(9_000), true),
    (Rest::ZerosAndALine(1), true),
    (Rest::ZerosAndALine(9_000), true),
];

/// The fixed scenario: each form of the rest is cut off as a torn end, and nothing that was acknowledged is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_form_of_a_torn_end_is_cut_off() {
    let ground = Stand::builder().set("audit.durability", "disk").prepare().await;
    let shadow = Shadow::of(ground.journal.directory());
    let gate = Binary::serve_with(ground.directory.path(), &shadow.environment()).await;
    let writers = Writers::start(gate.proxy(), 2);
    writers.wait_for(10).await;
    let acknowledged = writers.end().await;
    // While the gate still runs: a library that is killed may have copied half of what it was to keep.
    let lefts: Vec<Left> = FORMS.iter().map(|_| shadow.at_this_moment()).collect();
    gate.kill().await;
    for ((rest, is_torn), left) in FORMS.into_iter().zip(lefts) {
        left.add(rest);
        assert_eq!(left.recover(&acknowledged, &format!("{rest:?}")), is_torn, "{rest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_is_there_after_a_loss_of_power() {
    let seed = seed();
    println!("CEDARGATE_SEED={seed}");
    let mut dice = Dice::new(seed);
    let builder = Stand::builder().set("audit.durability", "disk");
    // Small enough that segments end and are compressed while it runs.
    let ground = builder.set("audit.segment_size", "64KiB").prepare().await;
    let shadow = Shadow::of(ground.journal.directory());
    let gate = Binary::serve_with(ground.directory.path(), &shadow.environment()).await;
    let writers = Writers::start(gate.proxy(), 8);
    let mut crashes = Vec::new();
    for moment in 1..=MOMENTS {
        writers.wait_for(moment * 25 + dice.below(25)).await;
        tokio::time::sleep(Duration::from_micros(dice.below(3000) as u64)).await;
        let mut acknowledged = writers.answered();
        acknowledged.extend(ground.upstream.requests().iter().map(|seen| seen.id().to_owned()));
        crashes.push((acknowledged, shadow.at_this_moment()));
    }
    gate.kill().await;
    writers.end().await;
    let (mut torn, mut compressed) = (0, 0);
    for (number, (acknowledged, left)) in crashes.iter().enumerate() {
        compressed += usize::from(left.has("jsonl.zst"));
        let rest = match number % 4 {
            0 => Rest::Nothing,
            1 => Rest::PartOfALine(dice.below(1_000)),
            2 => Rest::Zeros(dice.between(1, 9_000)),
            _ => Rest::ZerosAndALine(dice.between(1, 9_000)),
        };
        left.add(rest);
        torn += usize::from(left.recover(acknowledged, &format!("crash {number}, {rest:?}")));
    }
    println!("{MOMENTS} crashes, {torn} with a torn end, {compressed} after a compression");
}

/// Where the library keeps what was synced.
struct Shadow {
    of: PathBuf,
    at: tempfile::TempDir,
}

/// What the disk would hold.
struct Left(tempfile::TempDir);

impl Shadow {
    fn of(directory: &Path) -> Self {
        let at = tempfile::tempdir().unwrap();
        fs::create_dir(at.path().join("data")).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/data/power/shadow.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", source, "-ldl", "-o"])
            .arg(at.path().join("shadow.so"))
            .status();
        assert!(built.unwrap().success());
        fs::create_dir_all(directory).unwrap();
        Self { of: directory.canonicalize().unwrap(), at }
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.at.path().join("shadow.so")),
            ("SHADOW_OF", self.of.clone()),
            ("SHADOW_AT", self.at.path().to_owned()),
        ]
    }

    fn at_this_moment(&self) -> Left {
        let left = tempfile::tempdir().unwrap();
        let lock = File::options().write(true).open(self.at.path().join("lock")).unwrap();
        lock.lock().unwrap();
        let names = fs::read_to_string(self.at.path().join("names")).unwrap();
        for line in names.lines() {
            let (id, name) = line.split_once(' ').unwrap();
            let bytes = fs::read(self.at.path().join("data").join(id)).unwrap_or_default();
            if name != "lock" {
                fs::write(left.path().join(name), bytes).unwrap();
            }
        }
        Left(left)
    }
}

impl Left {
    fn has(&self, end: &str) -> bool {
        let names = fs::read_dir(self.0.path()).unwrap();
        names.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(end))
    }

    /// Opens the journal, and looks whether everything is there. Says whether an end was torn.
    fn recover(&self, acknowledged: &HashSet<String>, crash: &str) -> bool {
        let config = JournalConfig::new(self.0.path().to_owned());
        let (journal, recovered) =
            Journal::open(config).unwrap_or_else(|refused| panic!("{crash}: {refused}"));
        assert_eq!(recovered.damage, Vec::<String>::new(), "{crash}");
        let records = records::Journal::at(self.0.path()).records();
        let there: HashSet<String> = records
            .iter()
            .filter(|record| records::is_decision(record))
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "{crash}: {} are lost: {lost:?}", lost.len());
        for (index, record) in records.iter().enumerate() {
            assert_eq!(record["seq"], index + 1, "{crash}");
        }
        drop(journal);
        recovered.torn.is_some()
    }

    /// Adds what got to the disk though nobody asked for it, behind the last line of the last segment.
    fn add(&self, rest: Rest) {
        let mut segments: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        segments.sort();
        let Some(last) = segments.last() else { return };
        let mut text = fs::read(last).unwrap();
        let line: Vec<u8> = text.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        match rest {
            Rest::Nothing => {}
            Rest::PartOfALine(bytes) => {
                text.extend(line.iter().take(bytes.min(line.len().saturating_sub(1))));
            }
            Rest::Zeros(bytes) => text.resize(text.len() + bytes, 0),
            Rest::ZerosAndALine(bytes) => {
                text.resize(text.len() + bytes, 0);
                text.push(b'\n');
                text.extend(&line);
                text.push(b'\n');
            }
        }
        fs::write(last, text).unwrap();
    }
}
