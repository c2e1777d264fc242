//! Files: taken away, cut, replaced, renamed, damaged.

use std::fs;

use audit::{
    PublicKey,
    verify::{FaultKind, Options, verify},
};
use tests::forger::{Author, Key, checkpoint, hex, sign};

use super::copy::{Copy, EACH, chain_anew, chain_of, flip};
use super::{check, copy, look, pristine, told, verified};

#[test]
fn a_missing_segment_is_found() {
    check("the first", |it| it.remove_segment(0), &["1-10000 segment_missing"]);
    check("one between", |it| it.remove_segment(6), &["60001-70000 segment_missing"]);
    check("its records alone", |it| it.remove(&it.segment(6)), &["60001-70000 segment_missing"]);
    check("the last", |it| it.remove_segment(9), &["90001-99600 segment_missing"]);
    check("its records alone", |it| it.remove(&it.segment(9)), &["90001-99600 segment_missing"]);
    let two = |it: &Copy| [3, 4].into_iter().for_each(|at| it.remove_segment(at));
    check("two", two, &["30001-50000 segment_missing"]);
}

#[test]
fn a_segment_in_the_place_of_another_is_found() {
    let older = |it: &Copy| {
        it.at(65_500, |all, at| all.truncate(at + 1));
        it.signed(6, |all| all.truncate(5));
    };
    check("an older copy", older, &["65501-70000 cut"]);
    let records = |it: &Copy| it.at(65_500, |all, at| all.truncate(at + 1));
    check("an older copy of the records", records, &["65501-70000 cut"]);
    let swapped = |it: &Copy| {
        let (one, two, between) = (it.segment(6), it.segment(7), it.path().join("between"));
        fs::rename(&one, &between).unwrap();
        fs::rename(&two, &one).unwrap();
        fs::rename(&between, &two).unwrap();
    };
    check("two swapped", swapped, &["60001 misnamed", "70001 misnamed"]);
    let second = |it: &Copy| {
        let bytes = fs::read(it.segment(6)).unwrap();
        let name = it.stems[6].replace("20250102", "20250103");
        it.put(&it.path().join(format!("{name}.jsonl")), &bytes);
    };
    check("a second copy", second, &["60001-70000 doubled", "60001 checkpoints_missing"]);
    let stranger = |it: &Copy| {
        let place = tempfile::tempdir().unwrap();
        let mut other = Author::new(place.path(), "gate-2", Key::generate());
        other.seq = 60_000;
        let stem = other.segment(EACH as u64, 1_000);
        other.flush();
        let bytes = fs::read(place.path().join(format!("{stem}.jsonl"))).unwrap();
        it.put(&it.segment(6), &bytes);
    };
    check("another journal's", stranger, &["60001 other_instance"]);
}

#[test]
fn a_segment_that_does_not_follow_is_found() {
    let detached = |it: &Copy| {
        it.at(60_001, |all, _| {
            let previous = all[0].find("\"previous\":\"").unwrap() + 20;
            flip(&mut all[0], previous);
            let (from, to) = (previous - 8, previous + 56);
            let before = chain_of(&format!("{}\"}}", &all[0][from..to]));
            let header = tests::forger::hashed(&all[0]).to_owned();
            all[0] = tests::forger::seal(&before, &header).0;
            chain_anew(all, 1);
        });
        it.remove(&it.checkpoints(6));
    };
    let expected = ["60001 detached", "60001 checkpoints_missing", "70001 detached"];
    check("detached", detached, &expected);
}

#[test]
fn a_cut_end_is_found_as_long_as_anything_knows_of_it() {
    let line = |it: &Copy| it.at(95_500, |all, at| all.truncate(at + 1));
    check("at a line", line, &["95501-99600 cut"]);
    let within = |it: &Copy| {
        line(it);
        it.bytes(&it.segment(9), |bytes| bytes.truncate(bytes.len() - 100));
    };
    check("within a line", within, &["95500-99600 cut"]);
    let signed = |it: &Copy| {
        line(it);
        it.signed(9, |all| all.truncate(5));
    };
    check("with checkpoints, but `head` left", signed, &["95501-99600 cut"]);
    let removed = |it: &Copy| {
        signed(it);
        it.remove(&it.path().join("head"));
    };
    check("with checkpoints, and no `head`", removed, &["head head_missing"]);
}

/// What is rolled back whole, or was never vouched for, looks like what once was. The database has
/// more than that: `verify --database` finds it (`audit/src/verify/ledger.rs`).
#[test]
fn what_once_was_cannot_be_told_from_what_is() {
    check("behind the last checkpoint", |it| it.at(99_700, Vec::truncate), &[]);
    let whole = |it: &Copy| {
        it.at(95_500, |all, at| all.truncate(at + 1));
        it.signed(9, |all| {
            all.truncate(5);
            it.head(&all[4]);
        });
    };
    check("records, checkpoints and `head`", whole, &[]);
    // Those that follow vouch for all that it did: nothing can be hidden so.
    check("a checkpoint between", |it| it.signed(6, |all| drop(all.remove(4))), &[]);
}

#[test]
fn a_damaged_file_is_found() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(&str, Change); 4] = [
        ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
        ("its end cut", |bytes| bytes.truncate(bytes.len() - 2)),
        ("overwritten", |bytes| bytes.fill(b'x')),
        ("a byte", |bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 0x55;
        }),
    ];
    for (what, change) in cases {
        let copy = copy();
        let path = copy.segment(2);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        copy.put(&path, &bytes);
        let found = look(&copy).faults;
        let damaged = found.last().unwrap();
        assert!(matches!(damaged.kind, FaultKind::Damaged { .. }), "{what}: {found:#?}");
        assert!((20_001..=30_001).contains(&damaged.seq.unwrap()), "{what}: {found:#?}");
        assert!(found.len() == 1 && damaged.segment == copy.stems[2], "{what}: {found:#?}");
    }
    let torn = |it: &Copy| it.bytes(&it.segment(6), |bytes| bytes.extend_from_slice(b"garbage"));
    check("garbage behind the end", torn, &["70001 foreign"]);
}

#[test]
fn what_was_pruned_with_leave_is_no_fault_and_what_was_not_is_one() {
    let said = |it: &Copy| {
        let mut chain = String::new();
        it.at(10_000, |all, at| chain = hex(&chain_of(&all[at])));
        let rest = ",\"closed\":true,\"pruned\":true";
        checkpoint("gate-1", &it.stems[0], 10_000, &chain, 10_000, rest)
    };
    let prune = |it: &Copy, key: &Key| {
        let line = sign(std::slice::from_ref(key), &said(it)) + "\n";
        it.put(&it.path().join("pruned"), line.as_bytes());
    };
    let author = &pristine().author;
    let leave = |it: &Copy| {
        prune(it, author);
        it.remove_segment(0);
    };
    check("with leave", leave, &[]);
    check("not yet taken away", |it| prune(it, author), &[]);
    let more = |it: &Copy| {
        leave(it);
        it.remove_segment(1);
    };
    check("more than that", more, &["10001-20000 segment_missing"]);
    let forged = |it: &Copy| {
        prune(it, &Key::generate());
        it.remove_segment(0);
    };
    check("forged", forged, &["pruned pruned_changed"]);
    let garbage = |it: &Copy| {
        it.put(&it.path().join("pruned"), b"{}\n");
        it.remove_segment(0);
    };
    check("garbage", garbage, &["pruned pruned_changed", "1-10000 segment_missing"]);
    // A checkpoint that allows nothing, signed by the right one.
    let other = |it: &Copy| {
        it.signed(0, |all| it.put(&it.path().join("pruned"), (all[9].clone() + "\n").as_bytes()));
        it.remove_segment(0);
    };
    check("another checkpoint", other, &["pruned pruned_changed", "1-10000 segment_missing"]);
}

/// Nothing that one byte can do goes unnoticed, and nothing makes the verifier fall over.
#[test]
fn any_byte_that_is_changed_is_found() {
    let place = tempfile::tempdir().unwrap();
    let mut author = Author::new(place.path(), "gate-1", Key::generate());
    author.segment(2, 1);
    author.checkpoint(true);
    author.segment(2, 1);
    author.checkpoint(false);
    let key = place.path().join("kept");
    fs::write(&key, author.keys[0].pem()).unwrap();
    assert!(verified(place.path(), &key).is_good());
    let mut files: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|path| *path != key);
    assert_eq!(files.len(), 6);
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&file, &changed).unwrap();
            let found = verified(place.path(), &key);
            let few = (1..=3).contains(&found.faults.len());
            // A key file reads as before when a letter of its frame or its end is another one.
            let fine = file.ends_with("signing.pub") && found.is_good();
            assert!(few || fine, "{}, byte {at}: {:#?}", file.display(), found.faults);
        }
        fs::write(&file, &bytes).unwrap();
    }
}

/// What the start of a gate does: the newest record by record, of the rest what is signed.
#[test]
fn old_segments_may_be_skimmed() {
    let skimmed = |copy: &Copy| {
        let trusted = PublicKey::read_all(&copy.path().join("signing.pub")).unwrap();
        verify(copy.path(), &Options { trusted, threads: 2, full: Some(0) }).unwrap()
    };
    let found = skimmed(&copy());
    assert!(found.is_good(), "{:#?}", found.faults);
    assert_eq!((found.skimmed, found.records, found.checkpoints), (8, 100_000, 100));
    let check = |tamper: fn(&Copy), expected: &[&str]| {
        let copy = copy();
        tamper(&copy);
        let faults: Vec<String> = skimmed(&copy).faults.iter().map(told).collect();
        assert_eq!(faults, expected);
    };
    check(|it| it.at(65_432, |all, at| flip(&mut all[at], 99)), &[]);
    check(|it| it.at(85_432, |all, at| flip(&mut all[at], 99)), &["85432 changed"]);
    check(|it| it.remove_segment(3), &["30001-40000 segment_missing"]);
    check(|it| it.signed(3, |all| flip(&mut all[9], 300)), &["40000 checkpoint_changed"]);
    check(|it| it.signed(6, |all| drop(all.pop())), &["70000 closing_missing"]);
    check(|it| it.at(60_001, |all, _| flip(&mut all[0], 30)), &["60001 header"]);
}
