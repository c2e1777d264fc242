//! Lines of segments: changed, taken out, put in, moved. Each case has a segment of its own, with
//! nine in one copy of the journal: so none hides another.

use tests::forger::{hashed, members, seal};

use super::copy::{EACH, chain_of, flip};
use super::{copy, look, told};

/// What is done to the lines of a segment, beside the line `at`, which is that of the record `seq`.
type Edit = fn(all: &mut Vec<String>, at: usize, seq: usize);

/// Does something beside a record, and compares what is found with what is expected: numbers count
/// from the beginning of the segment.
#[track_caller]
fn check(cases: &[(&str, usize, Edit, &str)]) {
    assert!(cases.len() <= 9, "the last segment is not closed");
    let copy = copy();
    let mut expected = Vec::new();
    for (index, (what, record, edit, fault)) in cases.iter().enumerate() {
        let seq = index * EACH + record;
        copy.at(seq, |all, at| edit(all, at, seq));
        let (numbers, word) = fault.split_once(' ').unwrap();
        let shifted = |number: &str| (number.parse::<usize>().unwrap() + index * EACH).to_string();
        let numbers: Vec<String> = numbers.split('-').map(shifted).collect();
        expected.push(format!("{what}: {} {word}", numbers.join("-")));
    }
    let faults = look(&copy).faults;
    let named = faults.iter().map(|fault| {
        let index = copy.stems.iter().position(|stem| *stem == fault.segment).unwrap();
        format!("{}: {}", cases.get(index).map_or("nothing", |case| case.0), told(fault))
    });
    assert_eq!(named.collect::<Vec<_>>(), expected, "{faults:#?}");
}

#[test]
fn a_changed_record_is_found() {
    check(&[
        ("its beginning", 1, |all, at, _| flip(&mut all[at], 10), "1 changed"),
        ("its middle", 5_432, |all, at, _| flip(&mut all[at], 250), "5432 changed"),
        ("the last", EACH, |all, at, _| flip(&mut all[at], 99), "10000 changed"),
        ("at a checkpoint", 5_000, |all, at, _| flip(&mut all[at], 99), "5000 changed"),
        ("NUL bytes", 432, |all, at, _| all[at].replace_range(99..103, "\0\0\0\0"), "432 changed"),
    ]);
    let two = copy();
    two.at(61_000, |all, at| {
        flip(&mut all[at], 99);
        flip(&mut all[at + 500], 99);
    });
    let faults: Vec<String> = look(&two).faults.iter().map(told).collect();
    assert_eq!(faults, ["61000 changed", "61500 changed"]);
}

#[test]
fn a_changed_seal_is_found() {
    fn hash(all: &mut [String], at: usize) {
        let letter = all[at].len() - 20;
        flip(&mut all[at], letter);
    }
    fn number(all: &mut [String], at: usize, seq: usize, says: &str) {
        all[at] = all[at].replace(&format!("\"seq\":{seq}"), &format!("\"seq\":{says}"));
    }
    check(&[
        ("a hash", 5_432, |all, at, _| hash(all, at), "5432 changed"),
        ("the last hash", EACH, |all, at, _| hash(all, at), "10000 changed"),
        (
            "its word",
            5_432,
            |all, at, _| all[at] = all[at].replace("\"chain\"", "\"chbin\""),
            "5432 unreadable",
        ),
        ("a number", 5_432, |all, at, seq| number(all, at, seq, "5"), "5432 renumbered"),
        ("the first number", 1, |all, at, seq| number(all, at, seq, "90001"), "1 renumbered"),
        ("the last number", EACH, |all, at, seq| number(all, at, seq, "99999"), "10000 renumbered"),
        ("no number", 5_432, |all, at, seq| number(all, at, seq, "012"), "5432 unreadable"),
        (
            "another journal",
            5_432,
            |all, at, _| all[at] = all[at].replace("gate-1", "gate-2"),
            "5432 other_instance",
        ),
    ]);
}

#[test]
fn a_changed_header_is_found() {
    fn previous(all: &mut [String]) {
        let at = all[0].find("\"previous\":\"").unwrap() + 20;
        flip(&mut all[0], at);
    }
    check(&[
        (
            "a member",
            1,
            |all, _, _| all[0] = all[0].replace("\"version\":1", "\"version\":2"),
            "1 header",
        ),
        ("what it follows", 1, |all, _, _| previous(all), "1 header"),
        ("none", 1, |all, _, _| drop(all.remove(0)), "1 header"),
        ("emptied", 1, |all, _, _| all[0].clear(), "1 header"),
    ]);
}

#[test]
fn a_missing_record_is_found() {
    check(&[
        ("the first", 1, |all, at, _| drop(all.remove(at)), "1 missing"),
        ("one between", 5_432, |all, at, _| drop(all.remove(at)), "5432 missing"),
        ("one at a checkpoint", 5_000, |all, at, _| drop(all.remove(at)), "5000 missing"),
        ("the last", EACH, |all, at, _| drop(all.remove(at)), "10000 cut"),
        ("many", 1_000, |all, at, _| drop(all.drain(at..at + 1_234)), "1000-2233 missing"),
        ("all", 1, |all, _, _| all.truncate(1), "1-10000 cut"),
    ]);
}

#[test]
fn records_out_of_order_are_found() {
    check(&[
        ("two neighbours", 5_432, |all, at, _| all.swap(at, at + 1), "5432-5433 disordered"),
        ("two others", 5_432, |all, at, _| all.swap(at, at + 3_000), "5432-8432 disordered"),
        ("the ends", 1, |all, at, _| all.swap(at, EACH), "1-10000 disordered"),
        (
            "one moved",
            5_432,
            |all, at, _| {
                let line = all.remove(at);
                all.insert(at + 99, line);
            },
            "5432-5531 disordered",
        ),
    ]);
}

#[test]
fn what_was_put_in_is_found() {
    /// A record of the number that follows, with the right hash of its own.
    fn forged(all: &[String], at: usize, seq: usize) -> String {
        let record = members(seq as u64 + 1, "gate-1").replace("\"deny\"", "\"allow\"");
        seal(&chain_of(&all[at]), &format!("{record}{}", seq + 1)).0
    }
    check(&[
        ("twice", 5_432, |all, at, _| all.insert(at, all[at].clone()), "5432 doubled"),
        ("twice, later", 5_432, |all, at, _| all.insert(at + 99, all[at].clone()), "5432 doubled"),
        (
            "with a hash of its own",
            5_432,
            |all, at, seq| all.insert(at + 1, forged(all, at, seq)),
            "5433 doubled",
        ),
        (
            "behind the end, well chained",
            EACH,
            |all, at, seq| all.push(forged(all, at, seq)),
            "10001 appended",
        ),
    ]);
    check(&[
        ("a word", 5_432, |all, at, _| all.insert(at, "garbage".into()), "5432 foreign"),
        ("an empty line", 5_432, |all, at, _| all.insert(at, String::new()), "5432 foreign"),
        ("NUL bytes", 5_432, |all, at, _| all.insert(at, "\0\0\0".into()), "5432 foreign"),
        ("JSON", 5_432, |all, at, _| all.insert(at, "{\"id\":\"x\"}".into()), "5432 foreign"),
        ("2 MiB", 5_432, |all, at, _| all.insert(at, "x".repeat(2 << 20)), "5432 foreign"),
        ("at the end", EACH, |all, _, _| all.push("x".into()), "10001 foreign"),
    ]);
}

#[test]
fn a_record_replaced_with_its_own_hash_is_found_where_the_next_does_not_follow() {
    fn replace(all: &mut [String], at: usize) {
        let forged = hashed(&all[at]).replace("\"deny\"", "\"allow\"");
        all[at] = seal(&chain_of(&all[at - 1]), &forged).0;
    }
    check(&[
        ("one", 5_432, |all, at, _| replace(all, at), "5433 changed"),
        // The last of a segment has a checkpoint of its own.
        ("the last", EACH, |all, at, _| replace(all, at), "9001-10000 rewritten"),
    ]);
}

#[test]
fn broken_lines_are_found() {
    fn split(all: &mut Vec<String>, at: usize) {
        let rest = all[at].split_off(200);
        all.insert(at + 1, rest);
    }
    fn join(all: &mut Vec<String>, at: usize) {
        let next = all.remove(at + 1);
        all[at].push_str(&next);
    }
    fn lengthen(line: &mut String) {
        *line = line.replace("curl", &"x".repeat(2 << 20));
    }
    check(&[
        ("split", 5_432, |all, at, _| split(all, at), "5432 unreadable"),
        ("joined", 5_432, |all, at, _| join(all, at), "5432 missing"),
        ("emptied", 5_432, |all, at, _| all[at].clear(), "5432 unreadable"),
        ("the last emptied", EACH, |all, at, _| all[at].clear(), "10000 unreadable"),
        ("several", 5_432, |all, at, _| all[at..at + 50].fill("x".into()), "5432-5481 unreadable"),
        ("2 MiB", 5_432, |all, at, _| lengthen(&mut all[at]), "5432 unreadable"),
        ("CR LF", 1, |all, _, _| all.iter_mut().for_each(|line| line.push('\r')), "1 line_ends"),
    ]);
}
