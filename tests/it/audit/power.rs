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
        torn += usize::from(left.recover(acknowledged, number, &mut dice));
    }
    println!("{MOMENTS} crashes, {torn} with a torn end, {compressed} after a compression");
    assert!(torn > MOMENTS / 4, "{torn}");
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
    fn recover(&self, acknowledged: &HashSet<String>, number: usize, dice: &mut Dice) -> bool {
        self.add_what_was_not_synced(number, dice);
        let config = JournalConfig::new(self.0.path().to_owned());
        let (journal, recovered) =
            Journal::open(config).unwrap_or_else(|refused| panic!("crash {number}: {refused}"));
        assert_eq!(recovered.damage, Vec::<String>::new(), "crash {number}");
        let records = records::Journal::at(self.0.path()).records();
        let there: HashSet<String> = records
            .iter()
            .filter(|record| records::is_decision(record))
            .map(|record| record["id"].as_str().unwrap().to_owned())
            .collect();
        let lost: Vec<_> = acknowledged.difference(&there).collect();
        assert!(lost.is_empty(), "crash {number}: {} are lost: {lost:?}", lost.len());
        for (index, record) in records.iter().enumerate() {
            assert_eq!(record["seq"], index + 1, "crash {number}");
        }
        drop(journal);
        recovered.torn.is_some()
    }

    /// Pages that got to the disk though nobody asked for it: part of a line, nothing but zeros,
    /// zeros and then something.
    fn add_what_was_not_synced(&self, number: usize, dice: &mut Dice) {
        let mut segments: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        segments.sort();
        let Some(last) = segments.last() else { return };
        let mut text = fs::read(last).unwrap();
        let line: Vec<u8> = text.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        match number % 4 {
            0 => {}
            1 => text.extend(&line[..dice.below(line.len().max(1))]),
            2 => text.resize(text.len() + dice.between(1, 9000), 0),
            _ => {
                text.resize(text.len() + dice.between(1, 9000), 0);
                text.push(b'\n');
                text.extend(&line);
                text.push(b'\n');
            }
        }
        fs::write(last, text).unwrap();
    }
}
