//! Somebody who knows the format, and writes the chain anew.

use tests::forger::{Key, hashed, seal, sign};

use super::copy::{Copy, EACH, chain_anew, chain_of, line_of, number_anew};
use super::{check, copy, pristine, told, verified};

/// Lets a denied request have been allowed.
fn forge(all: &mut [String], at: usize) {
    let forged = hashed(&all[at]).replace("\"deny\"", "\"allow\"");
    all[at] = seal(&chain_of(&all[at - 1]), &forged).0;
}

/// Writes a segment's checkpoints anew from one on, by what its records say now.
fn sign_anew(it: &Copy, index: usize, from: usize, write: impl Fn(&str, &str) -> String) {
    let mut chains = Vec::new();
    it.lines(&it.segment(index), |all| {
        chains = all.iter().map(|line| tests::forger::hex(&chain_of(line))).collect();
    });
    it.signed(index, |all| {
        for line in all.iter_mut().skip(from) {
            let after = line.split_once("\"seq\":").unwrap().1;
            let seq: usize = after.split_once(',').unwrap().0.parse().unwrap();
            *line = write(line, &chains[line_of(seq)]);
        }
    });
}

/// The line with another head, and everything else as it was.
fn with_head(line: &str, head: &str) -> String {
    let at = line.find("\"head\":\"").unwrap() + 8;
    format!("{}{head}{}", &line[..at], &line[at + 64..])
}

/// The same, signed by somebody else.
fn signed_by(key: &Key) -> impl Fn(&str, &str) -> String {
    move |line, head| {
        let line = with_head(line, head);
        sign(std::slice::from_ref(key), line.split_once(",\"keys\":").unwrap().0)
    }
}

fn head_anew(it: &Copy) {
    it.signed(9, |all| it.head(all.last().unwrap()));
}

#[test]
fn a_chain_written_anew_is_found_between_two_checkpoints() {
    let changed = |it: &Copy| {
        it.at(65_432, |all, at| {
            forge(all, at);
            chain_anew(all, at);
        });
    };
    check("a record changed", changed, &["65001-66000 rewritten"]);
    let put_in = |it: &Copy| {
        it.at(65_432, |all, at| {
            all.insert(at, all[at].clone());
            number_anew(all, at, 60_001);
        });
    };
    check("a record put in", put_in, &["65001-66000 rewritten"]);
    let taken_out = |it: &Copy| {
        it.at(65_432, |all, at| {
            all.remove(at);
            number_anew(all, at, 60_001);
        });
    };
    // Which leaves a segment that is one record short.
    check("a record taken out", taken_out, &["65001-66000 rewritten", "70000 cut"]);
    let first = |it: &Copy| {
        it.at(60_001, |all, at| {
            forge(all, at);
            chain_anew(all, at);
        });
    };
    check("the first record", first, &["60001-61000 rewritten"]);
}

/// Changes a record, and writes the chain anew through all segments that follow.
fn to_the_end(it: &Copy, seq: usize) {
    let mut last = String::new();
    let from = (seq - 1) / EACH;
    for index in from..it.stems.len() {
        it.lines(&it.segment(index), |all| {
            if index == from {
                forge(all, line_of(seq));
                chain_anew(all, line_of(seq));
            } else {
                let (before, rest) = hashed(&all[0]).split_once("\"previous\":\"").unwrap();
                let previous = tests::forger::hex(&chain_of(&last));
                let header = format!("{before}\"previous\":\"{previous}{}", &rest[64..]);
                all[0] = seal(&chain_of(&last), &header).0;
                chain_anew(all, 1);
            }
            last.clone_from(all.last().unwrap());
        });
    }
}

#[test]
fn a_chain_written_anew_to_the_end_is_one_fault() {
    check("records", |it| to_the_end(it, 65_432), &["65001-66000 rewritten"]);
}

#[test]
fn checkpoints_written_anew_without_the_key_are_found() {
    let signatures = |it: &Copy| {
        to_the_end(it, 95_432);
        sign_anew(it, 9, 5, with_head);
    };
    let expected = ["95001-99600 rewritten", "96000 checkpoint_changed"];
    check("old signatures, `head` left", signatures, &expected);
    let head_too = |it: &Copy| {
        signatures(it);
        head_anew(it);
    };
    check("old signatures", head_too, &["96000 checkpoint_changed"]);
    let without = |it: &Copy| {
        to_the_end(it, 95_432);
        sign_anew(it, 9, 5, |line, head| {
            let line = with_head(line, head);
            format!("{},\"keys\":[],\"signatures\":[]}}", line.split_once(",\"keys\":").unwrap().0)
        });
        head_anew(it);
    };
    check("no signatures", without, &["96000 checkpoint_changed"]);
}

#[test]
fn checkpoints_signed_by_somebody_else_are_found() {
    let attacker = Key::generate();
    let end = |it: &Copy| {
        to_the_end(it, 85_432);
        sign_anew(it, 8, 5, signed_by(&attacker));
        sign_anew(it, 9, 0, signed_by(&attacker));
        head_anew(it);
    };
    check("from a record on", end, &["86000-99600 checkpoint_untrusted"]);
    let once = |it: &Copy| {
        it.at(65_432, |all, at| {
            forge(all, at);
            chain_anew(all, at);
        });
        sign_anew(it, 6, 5, signed_by(&attacker));
    };
    check("in one segment", once, &["66000-70000 checkpoint_untrusted"]);
    let head = |it: &Copy| {
        let mut line = String::new();
        it.signed(9, |all| line.clone_from(&all[9]));
        it.head(&sign(std::slice::from_ref(&attacker), line.split_once(",\"keys\":").unwrap().0));
    };
    check("`head` alone", head, &["head head_changed"]);
}

/// Who can write the directory can write all of it anew, keys and all. So an auditor keeps the
/// public key elsewhere.
#[test]
fn a_journal_written_anew_whole_is_found_by_a_key_that_is_kept_elsewhere() {
    let (copy, attacker) = (copy(), Key::generate());
    to_the_end(&copy, 1);
    for index in 0..10 {
        sign_anew(&copy, index, 0, signed_by(&attacker));
    }
    head_anew(&copy);
    let beside = copy.path().join("signing.pub");
    copy.put(&beside, attacker.pem().as_bytes());
    assert!(verified(copy.path(), &beside).is_good());
    let kept = pristine().directory.join("signing.pub");
    let faults: Vec<String> = verified(copy.path(), &kept).faults.iter().map(told).collect();
    assert_eq!(faults, ["1000-99600 checkpoint_untrusted"]);
}
