//! Whatever is done to a journal is found, and told where.

use std::{
    path::{Path, PathBuf},
    sync::{OnceLock, mpsc},
};

use audit::{
    PublicKey,
    verify::{Fault, Options, Verification, verify},
};
use tests::forger::{Author, Key, compress};

use copy::{Copy, EACH};

mod clock;
mod commands;
mod copy;
mod database;
mod files;
mod forgers;
mod lines;
mod signatures;

/// Where journals are while a run of the tests lasts. What a run that is over left goes.
fn place() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(root).unwrap();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let over =
            name.strip_prefix("tampering-").is_some_and(|id| !Path::new("/proc").join(id).exists());
        if over {
            // Another run may be faster.
            let _gone = std::fs::remove_dir_all(path);
        }
    }
    root.join(format!("tampering-{}", std::process::id()))
}

/// A hundred thousand records in ten segments, five of them compressed, and a checkpoint every
/// thousand. The last 400 are behind the last checkpoint.
struct Pristine {
    directory: PathBuf,
    stems: Vec<String>,
    author: Key,
}

fn pristine() -> &'static Pristine {
    static PRISTINE: OnceLock<Pristine> = OnceLock::new();
    PRISTINE.get_or_init(|| {
        let directory = place().join("journal");
        let mut author = Author::new(&directory, "gate-1", Key::generate());
        let mut stems = Vec::new();
        for _ in 0..9 {
            stems.push(author.segment(EACH as u64, 1_000));
            author.checkpoint(true);
        }
        stems.push(author.segment(9_600, 1_000));
        author.checkpoint(false);
        for _ in 0..400 {
            author.record();
        }
        author.flush();
        for stem in &stems[..5] {
            compress(&directory.join(format!("{stem}.jsonl")));
            compress(&directory.join(format!("{stem}.checkpoints")));
        }
        Pristine { directory, stems, author: author.keys.remove(0) }
    })
}

fn copy() -> Copy {
    Copy::of(&pristine().directory, &pristine().stems)
}

fn verified(directory: &Path, key: &Path) -> Verification {
    let trusted = PublicKey::read_all(key).unwrap();
    verify(directory, &Options { trusted, threads: 2, full: None }).unwrap()
}

/// Verifies it with the author's key, which is kept elsewhere.
fn look(copy: &Copy) -> Verification {
    verified(copy.path(), &pristine().directory.join("signing.pub"))
}

/// `7-9 missing`; a fault of no record has its file instead.
fn told(fault: &Fault) -> String {
    let place = match (fault.seq, fault.to()) {
        (Some(seq), Some(to)) if to > seq => format!("{seq}-{to}"),
        (Some(seq), _) => seq.to_string(),
        (None, _) => fault.segment.clone(),
    };
    format!("{place} {}", fault.kind.word())
}

/// Does something to a copy, and compares what is found with what is expected.
#[track_caller]
fn check(what: &str, tamper: impl FnOnce(&Copy), expected: &[&str]) {
    let copy = copy();
    tamper(&copy);
    let found = look(&copy);
    let faults: Vec<String> = found.faults.iter().map(told).collect();
    assert_eq!(faults, expected, "{what}: {:#?}", found.faults);
}

#[test]
fn a_journal_that_nobody_touched_is_good() {
    let found = look(&copy());
    assert!(found.is_good(), "{:#?}", found.faults);
    let last = found.last.unwrap();
    let counts = (found.segments, found.records, found.checkpoints, found.unvouched);
    assert_eq!((counts, last.seq), ((10, 100_000, 100, 400), 100_000));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

/// How the last line ends when the machine does.
#[test]
fn a_last_line_that_was_not_finished_is_a_note() {
    for torn in [&b"{\"id\":\"0"[..], b"\0\0\0\0", b"{\"id\":\0\0"] {
        let copy = copy();
        copy.bytes(&copy.segment(9), |bytes| bytes.extend_from_slice(torn));
        let found = look(&copy);
        assert!(found.is_good(), "{:#?}", found.faults);
        assert_eq!((found.records, found.notes.len()), (100_000, 1), "{:?}", found.notes);
    }
}

#[test]
fn a_journal_that_is_being_written_is_good() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("journal");
    let mut author = Author::new(&directory, "gate-1", Key::generate());
    author.begin();
    author.checkpoint(false);
    // The gate writes while it is looked at, and no more than that.
    let (go, gone) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut behind = None;
            for () in gone {
                for number in 0..500 {
                    author.record();
                    if number % 7 == 0 {
                        author.checkpoint(false);
                    }
                    if number % 40 == 39 {
                        author.checkpoint(true);
                        let stem = author.begin();
                        if let Some(old) = behind.replace(stem) {
                            compress_atomically(&directory, &old);
                        }
                    }
                }
            }
        });
        let key = directory.join("signing.pub");
        let looked = (0..40).map(|_| {
            go.send(()).unwrap();
            verified(&directory, &key)
        });
        let found: Vec<_> = looked.collect();
        drop(go);
        for found in &found {
            assert!(found.is_good(), "{:#?}", found.faults);
        }
        assert!(found[39].segments > found[0].segments, "nothing was written meanwhile");
    });
}

/// As the gate does: the compressed file is whole before the other one goes.
fn compress_atomically(directory: &Path, stem: &str) {
    for kind in ["jsonl", "checkpoints"] {
        let plain = directory.join(format!("{stem}.{kind}"));
        let Ok(bytes) = std::fs::read(&plain) else { continue };
        let fresh = directory.join(format!("{stem}.{kind}.zst.new"));
        std::fs::write(&fresh, tests::forger::pack(&bytes)).unwrap();
        std::fs::rename(&fresh, directory.join(format!("{stem}.{kind}.zst"))).unwrap();
        std::fs::remove_file(plain).unwrap();
    }
}
